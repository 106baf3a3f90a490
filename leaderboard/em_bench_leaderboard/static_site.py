"""The static site: an index, a page for each run, and scripts with the samples that were published.

The same store gives the same bytes: no clock, no random number, no order of a file system goes into a page.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from em_bench.errors import ResultError
from em_bench.types import DOMAINS
from em_bench_leaderboard import charts
from em_bench_leaderboard.cells import COLUMNS, EM, PROBE_SETS, Row
from em_bench_leaderboard.classes import Class, classes
from em_bench_leaderboard.details import Details, details
from em_bench_leaderboard.published import read_samples
from em_bench_leaderboard.ranking import axes_of
from em_bench_leaderboard.render import asset, page
from em_bench_leaderboard.rows import class_rows
from em_bench_leaderboard.samples_js import sample_scripts
from em_bench_leaderboard.store import Entry, folder_name, read_store

MARK = ".em-bench-site"
ASSETS = ("site.css", "theme.js", "index.js", "run.js")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Group:
    """A class of comparable runs with its ranked rows, as the index shows it."""

    group: Class
    rows: Sequence[Row]

    @property
    def axes(self) -> list[str]:
        """The qualities that it is ranked by."""
        return axes_of(self.rows)


def build(results: Path, output: Path, progress: Progress = lambda done, of: None) -> int:
    """Writes the site of a store; the number of runs. Raises `ResultError` for a folder that holds something else."""
    entries = read_store(results)
    if not entries:
        raise ResultError(f"{results} holds no runs; add one with `em-bench leaderboard add RUN`")
    _empty(output)
    for name in ASSETS:
        _write(output / "assets" / name, asset(name))
    _write(output / "index.html", index_page(entries))
    parents = parents_of(entries)
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry.result.checkpoint.name, []).append(entry)
    for number, entry in enumerate(entries, 1):
        parent = parents.get(entry.result.id)
        _write_run(output, details(entry, parent, by_name[entry.result.checkpoint.name]))
        progress(number, len(entries))
    return len(entries)


def _empty(output: Path) -> None:
    """A folder of ours is made anew; another that is not empty is left alone."""
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise ResultError(f"{output} is not a folder; give another --output")
    if output.is_dir() and any(output.iterdir()):
        if not (output / MARK).is_file():
            raise ResultError(f"{output} holds files that are no site of em-bench; give another --output")
        shutil.rmtree(output)
    _write(output / MARK, "made by em-bench leaderboard build, which makes this folder anew each time\n")


def parents_of(entries: Sequence[Entry]) -> dict[str, Entry]:
    """Run id to the run it is compared with: its baseline, or that checkpoint's run under the same condition.

    None where there is no such run: what a condition does is not to be taken for what fine-tuning did.
    """
    by_id = {entry.result.id: entry for entry in entries}
    by_condition = {(entry.result.checkpoint.name, _condition(entry)): entry for entry in entries}
    parents = {}
    for entry in entries:
        parent = by_id.get(entry.result.baseline or "")
        if parent is not None and _condition(parent) != _condition(entry):
            parent = by_condition.get((parent.result.checkpoint.name, _condition(entry)))
        if parent is not None and parent is not entry:
            parents[entry.result.id] = parent
    return parents


def _condition(entry: Entry) -> str:
    return json.dumps(dict(entry.result.condition), sort_keys=True)


def index_page(entries: Sequence[Entry]) -> str:
    parents = parents_of(entries)
    groups = [Group(group, class_rows(group, parents)) for group in classes(entries)]
    measured = next((group for group in groups if any(EM in row.cells for row in group.rows)), None)
    return page(
        "index.html",
        title="em-bench leaderboard",
        root="",
        groups=groups,
        domains=DOMAINS,
        columns=_columns(groups),
        choices=_choices(groups),
        charts=_index_charts(measured) if measured else [],
        charted=measured,
        runs=len(entries),
        checkpoints=len({entry.result.checkpoint.name for entry in entries}),
        has_parents=bool(parents),
        link=run_link,
        em_column=EM,
    )


def _columns(groups: Sequence[Group]) -> list[str]:
    """The columns of every index, and after the EM rate those of other sets of probes that some run has."""
    present = {name for group in groups for row in group.rows for name in row.cells}
    return [EM, *(name for name in PROBE_SETS if name in present), *COLUMNS[1:]]


def _choices(groups: Sequence[Group]) -> dict[str, list[str]]:
    """What each filter offers."""
    rows = [row for group in groups for row in group.rows]
    values_by_filter: dict[str, set[str | None]] = {
        "judge": {row.judge for row in rows},
        "condition": {row.condition for row in rows},
        "family": {row.result.base_family for row in rows},
        "method": {row.result.method for row in rows},
    }
    return {name: sorted(str(value) for value in values if value) for name, values in values_by_filter.items()}


def _index_charts(group: Group) -> list[dict[str, str]]:
    rows = group.rows
    drawn: tuple[tuple[Callable[[Sequence[Row]], Any], str, str], ...] = (
        (charts.scatter, "Misalignment against coherence", "Bottom right is best: aligned and coherent."),
        (charts.ranking, "Susceptibility", "How often coherent answers to open questions are misaligned."),
    )
    figures = []
    for draw, title, text in drawn:
        if (chart := draw(rows)) is not None:
            alternative = f"{title}. {text} The table below holds the same numbers."
            figures.append({"title": title, "text": text, "svg": charts.to_svg(chart, alternative)})
    return figures


def run_link(entry: Entry) -> str:
    return f"runs/{folder_name(entry.result.checkpoint.name)}/{entry.result.id}.html"


def _write_run(output: Path, details: Details) -> None:
    entry = details.entry
    target = output / run_link(entry)
    rows = read_samples(entry.samples) if entry.samples else []
    folder = target.with_suffix("")
    for name, text in (sample_scripts(rows) if rows else {}).items():
        _write(folder / name, text)
    _write(folder / "run_result.json", entry.path.read_text(encoding="utf-8"))
    _write(target, run_page(details, samples=len(rows)))


def run_page(details: Details, samples: int, **values: Any) -> str:
    return page("run.html", **run_values(details, samples), **values)


def run_values(details: Details, samples: int) -> dict[str, Any]:
    """What the template of a run's page needs, whether it stands in the site or alone."""
    entry = details.entry
    return {
        "title": f"{entry.result.checkpoint.name} · em-bench",
        "root": "../../",
        "details": details,
        "result": entry.result,
        "samples": samples,
        "folder": entry.result.id,
        "link": run_link,
        "generation": {task.name: json.dumps(dict(task.generation), sort_keys=True) for task in entry.result.tasks},
    }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
