"""A comparison in Markdown, for a pull request or a job's summary."""

import re
from collections.abc import Iterable, Iterator

from em_bench.compare.comparison import Comparison
from em_bench.compare.gate import GateResult, Outcome
from em_bench.reports.sections import (
    GATE_LEGEND,
    Section,
    gate_rule,
    gate_section,
    heading,
    legend,
    nothing_lines,
    open_checks,
    remarks,
    sections,
    spillover_lines,
)

MARKS = {Outcome.PASS: "✅", Outcome.REGRESS: "❌", Outcome.INCONCLUSIVE: "❔", Outcome.SKIPPED: "⬜"}
_SPECIAL = re.compile(r"[^\w\s.,;:%+()/'=-]|_")


def markdown(results: Iterable[tuple[Comparison, GateResult | None]]) -> str:
    """One document: a part for each candidate."""
    return "\n".join(line for comparison, result in results for line in _part(comparison, result)) + "\n"


def escape(text: str) -> str:
    """A text that Markdown and HTML show as it is: every character that could mean something becomes its number."""
    # dots of addresses too, as GitHub makes links of bare ones
    shown = _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", text)
    return re.sub(r"(?i)\b(https?|www|ftp)([:.])", lambda m: f"{m[1]}&#{ord(m[2])};", shown)


def _part(comparison: Comparison, result: GateResult | None) -> Iterator[str]:
    yield f"## em-bench: {escape(heading(comparison))}\n"
    if result is not None:
        yield f"**{MARKS[result.outcome]} {escape(gate_section(result).title)}**\n"
    yield f"{escape(comparison.diagnosis.sentence)}\n"
    yield from (f"> {escape(line)}\n" for line in remarks(comparison))
    if result is not None:
        yield from (f"- {escape(line)}" for line in open_checks(result))
        yield ""
        yield from _folded("The gate's checks", [gate_section(result)], escape(f"{GATE_LEGEND} {gate_rule(result)}"))
    if lines := spillover_lines(comparison.spillover):
        yield "**Spill-over of refusal lost**\n"
        yield from (f"- {escape(line)}" for line in lines)
        yield ""
    note = "\n\n".join(escape(line) for line in [*nothing_lines(comparison), legend(comparison)])
    yield from _folded("All differences", sections(comparison), note, is_open=result is None)


def _folded(summary: str, parts: Iterable[Section], note: str, *, is_open: bool = False) -> Iterator[str]:
    yield f"<details{' open' if is_open else ''}><summary>{summary}</summary>\n"
    for section in parts:
        yield f"**{escape(section.title)}**\n"
        yield from _table(section)
        yield ""
    yield f"{note}\n"
    yield "</details>\n"


def _table(section: Section) -> Iterator[str]:
    yield _line(section.columns)
    yield _line(["---:" if place in section.right else "---" for place in range(len(section.columns))], raw=True)
    yield from (_line(row) for row in section.rows)


def _line(cells: Iterable[str], *, raw: bool = False) -> str:
    return "| " + " | ".join(cell if raw else escape(cell) for cell in cells) + " |"
