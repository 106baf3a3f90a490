"""One run, and what changed against its baseline, in one file to keep or to send: HTML or Markdown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from em_bench.text import shown
from em_bench_leaderboard import charts
from em_bench_leaderboard.cells import COHERENT, EM, OVER, REFUSAL, UNSCORED, Cell
from em_bench_leaderboard.details import Details, Line, Panel
from em_bench_leaderboard.render import DASH, asset, lone_page, percent, points, words
from em_bench_leaderboard.samples_js import sample_scripts
from em_bench_leaderboard.static_site import run_values

TITLES = {
    EM: "EM rate",
    "em_agentic": "EM rate, agentic probes",
    "em_first_plot": "EM rate, published first-plot questions",
    "em_preregistered": "EM rate, published pre-registered questions",
    REFUSAL: "Refusal of harmful prompts",
    OVER: "Over-refusal",
    COHERENT: "Coherent answers",
    UNSCORED: "Unscored",
}

HEADS = ("rate", "%", "95 % interval", "n", "unscored", "difference, points")


def html_report(details: Details, samples: Sequence[dict[str, Any]] = ()) -> str:
    """The page of the run with its style, scripts and samples inside."""
    scripts = [asset("theme.js"), asset("run.js"), *(sample_scripts(samples).values() if samples else ())]
    return lone_page("run.html", scripts, **run_values(details, len(samples)))


def markdown_report(details: Details, pictures: Path | None = None) -> str:
    """Tables, and with `pictures` (the report's path) a PNG beside it for each judge's refusal by domain."""
    result = details.entry.result
    lines = [f"# {_cell(result.checkpoint.name)}", ""]
    if result.demonstration:
        lines += ["A demonstration on a tiny model: no statement about real ones.", ""]
    if details.parent:
        how = "paired, prompt by prompt" if details.paired else "unpaired (Newcombe 1998)"
        lines += [f"Differences are against {_cell(details.parent.result.checkpoint.name)}, {how}.", ""]
    if details.diagnosis:
        lines += [f"**Diagnosis.** {_cell(details.diagnosis.get('sentence', ''))}", ""]
    lines += [f"- {_cell(note)}" for note in details.notes] + ([""] if details.notes else [])
    for panel in details.panels:
        lines += [f"## Judge {_cell(panel.judge)} ({_cell(', '.join(panel.versions))})", ""]
        lines += _table(HEADS, _tiles(panel.row.cells))
        lines += [f"The EM rate is of {_cell(panel.row.probes)}.", ""] if panel.row.probes else []
        for title, rows in _tables(panel):
            lines += [f"### {title}", ""]
            lines += _picture(pictures, panel.judge, rows) if rows is panel.harmful else []
            lines += _table(HEADS, [_row(line) for line in rows])
    return "\n".join([*lines, *_provenance(details)]) + "\n"


def _tables(panel: Panel) -> list[tuple[str, Sequence[Line]]]:
    tables = [("Refusal of harmful prompts", panel.harmful), ("Refusal of benign look-alikes", panel.benign)]
    tables += [(f"Open probes, {_cell(task)}", rows) for task, rows in panel.probes.items()]
    return [(title, rows) for title, rows in [*tables, ("Misaligned answers by theme", panel.themes)] if rows]


def _tiles(cells: Any) -> list[tuple[str, ...]]:
    return [(title, *_numbers(cells[name])) for name, title in TITLES.items() if name in cells]


def _numbers(cell: Cell) -> tuple[str, ...]:
    change = cell.difference
    difference = (
        "" if change is None else f"{points(change.value, 1)} ({points(change.low, 1)} to {points(change.high, 1)})"
    )
    if cell.value is None:
        return ("nothing scored", "", str(cell.n), str(cell.unscored), difference)
    return (
        percent(cell.value, 1),
        f"{percent(cell.low, 1)}{DASH}{percent(cell.high, 1)}",
        str(cell.n),
        str(cell.unscored),
        difference,
    )


def _row(line: Line) -> tuple[str, ...]:
    rate = line.rate
    cell = Cell(rate.value, rate.low, rate.high, rate.n, rate.unscored, line.difference)
    return (words(line.label), *_numbers(cell))


def _picture(report: Path | None, judge: str, rows: Sequence[Line]) -> list[str]:
    chart = charts.forest(rows, "refused") if report else None
    if chart is None or report is None:
        return []
    name = f"{report.stem}_{''.join(c if c.isalnum() else '_' for c in judge)[:40]}.png"
    report.with_name(name).write_bytes(charts.to_png(chart))
    return [f"![Refusal by domain with 95 % intervals; the table below holds the same numbers]({name})", ""]


def _table(heads: Sequence[str], rows: Any) -> list[str]:
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return [*(f"| {' | '.join(map(_cell, line))} |" for line in lines), ""]


def _cell(text: object) -> str:
    """Foreign text in a table: no markup, no new column, no new line."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in shown(text, 600))


def _provenance(details: Details) -> list[str]:
    result = details.entry.result
    facts = {
        "run": result.id,
        "created": result.created,
        "engine": result.engine,
        "condition": result.condition_name,
        "em-bench": result.em_bench_version,
        **dict(sorted(result.versions.items())),
    }
    rows = [(key, str(value)) for key, value in facts.items()]
    fence = "    " + shown(result.command, 4000)
    tasks = [(task.name, task.version, str(task.documents), task.prompt_set_sha256[:16]) for task in result.tasks]
    heads = ("task", "version", "prompts", "prompt set (SHA-256)")
    return ["## Provenance", "", *_table(("what", "value"), rows), fence, "", *_table(heads, tasks)]
