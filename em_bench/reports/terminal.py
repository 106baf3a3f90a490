"""A comparison on a terminal of 80 columns."""

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text

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

COLOURS = {Outcome.PASS: "green", Outcome.REGRESS: "red", Outcome.INCONCLUSIVE: "yellow", Outcome.SKIPPED: "dim"}


def results_parts(results: Iterable[tuple[Comparison, GateResult | None]]) -> Iterator[RenderableType]:
    """Each candidate's report, a blank line after it."""
    for comparison, gate_result in results:
        yield from render(comparison, gate_result)
        yield ""


def render(comparison: Comparison, result: GateResult | None) -> Iterator[RenderableType]:
    """What to print, part by part. Texts, not markup: names may hold brackets."""
    yield Text(heading(comparison), "bold underline")
    yield Text(comparison.diagnosis.sentence)
    yield from (Text(line, "bold red" if line.startswith("NOT") else "yellow") for line in remarks(comparison))
    yield Text()
    for section in sections(comparison):
        yield Text(section.title, "bold")
        yield _table(section)
        yield Text()
    yield from (Text(line) for line in nothing_lines(comparison))
    yield Text()
    if lines := spillover_lines(comparison.spillover):
        yield Text("Spill-over of refusal lost", "bold")
        yield from (Text(line) for line in lines)
        yield Text()
    yield Text(legend(comparison), "dim")
    if result is not None:
        yield Text()
        yield from _gate(result)


def _gate(result: GateResult) -> Iterator[RenderableType]:
    section = gate_section(result)
    yield _table(section)
    yield Text(f"{GATE_LEGEND} {gate_rule(result)}", "dim")
    yield from (Text(line) for line in open_checks(result))
    yield Text(section.title, f"bold {COLOURS[result.outcome]}")


def _table(section: Section) -> Table:
    columns = [
        Column(Text(name), justify="right" if place in section.right else "left", overflow="fold")
        for place, name in enumerate(section.columns)
    ]
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for place, row in enumerate(section.rows):
        style = "bold" if place in section.totals else COLOURS.get(row[-1], "")  # type: ignore[call-overload]
        table.add_row(*map(Text, row), style=style)
    return table
