"""The leaderboard's public functions: publish runs, build the site, write reports and exports.

    from em_bench_leaderboard.api import AddOptions, add, build

    add([Path("runs/tuned")], AddOptions(name="owner/tuned", baseline="runs/base"))
    build(Path("leaderboard/results"), Path("site"))

Nothing here prints. Errors are `em_bench.errors.ConfigError` and `ResultError`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from em_bench.errors import ConfigError, ResultError
from em_bench.paths import writing
from em_bench.runs.model import Run
from em_bench_leaderboard import exports, store
from em_bench_leaderboard.details import Details, details
from em_bench_leaderboard.load import Loaded, compared, load, load_one
from em_bench_leaderboard.options import RESULTS, AddOptions, ExportOptions, ReportOptions
from em_bench_leaderboard.published import sample_rows
from em_bench_leaderboard.report import html_report, markdown_report
from em_bench_leaderboard.static_site import build

__all__ = ["RESULTS", "AddOptions", "ExportOptions", "ReportOptions", "add", "build", "export", "report"]


def add(paths: Iterable[Path], options: AddOptions | None = None) -> list[Path]:
    """Publishes runs in the store and returns their files: one JSON file each, which holds an allow-list of fields."""
    options = options or AddOptions()
    loaded = load(paths)
    if options.name and len(loaded) > 1:
        raise ConfigError(f"--name {options.name} would name {len(loaded)} runs alike; add them one by one")
    parent = _parent(options)
    return [_add(each, parent, options) for each in loaded]


@dataclass(frozen=True, slots=True)
class _Parent:
    """The baseline's id in the store, and its samples where a path was given."""

    id: str | None = None
    run: Run | None = None


def _parent(options: AddOptions) -> _Parent:
    if options.baseline is None or not Path(options.baseline).exists():
        return _Parent(options.baseline)
    loaded = load_one(Path(options.baseline))
    return _Parent(store.published_id(options.store, loaded.result), loaded.run)


def _add(loaded: Loaded, parent: _Parent, options: AddOptions) -> Path:
    result = store.annotate(
        loaded.result,
        name=options.name,
        baseline=parent.id,
        base_family=options.base_family,
        method=options.method,
        demonstration=options.demonstration or None,
    )
    comparison = compared(parent.run, loaded.run)
    with writing(options.store):
        return store.add(
            options.store,
            result,
            run=loaded.run,
            publish_samples=options.publish_samples,
            comparison=comparison,
        )


def report(path: Path, output: Path, options: ReportOptions | None = None) -> None:
    """Writes a report on one run to `output`: a single HTML file, or Markdown with pictures beside it."""
    options = options or ReportOptions()
    if output.suffix not in (".html", ".md"):
        raise ConfigError(f"{output} names no format; end it in .html or .md")
    loaded = load_one(path)
    if options.samples and loaded.run is None:
        raise ResultError(f"{path} has no samples; give lm-eval's results folder")
    page = _details(loaded, path, options.baseline)
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.suffix == ".html":
            text = html_report(page, list(sample_rows(loaded.run)) if options.samples and loaded.run else [])
        else:
            text = markdown_report(page, output)
        output.write_text(text, encoding="utf-8", newline="\n")


def _details(loaded: Loaded, path: Path, baseline: Path | None) -> Details:
    if baseline is None:
        entry = store.Entry(loaded.result, path)
        return details(entry, None, [entry])
    before = load_one(baseline)
    result = store.annotate(loaded.result, baseline=before.result.id)
    entry = store.Entry(result, path, compared(before.run, loaded.run))
    return details(entry, store.Entry(before.result, baseline), [entry])


def export(path: Path, options: ExportOptions) -> str:
    """A run's rates as text of another project's format."""
    result = store.annotate(load_one(path).result, name=options.name)
    return exports.export(result, options.format, dataset=options.dataset, judge=options.judge)
