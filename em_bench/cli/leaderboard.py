"""`em-bench leaderboard add/build/serve`, `em-bench report`, `em-bench export`: results to look at and to hand on."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from em_bench.cli.console import AS_JSON, out, writing
from em_bench.errors import ConfigError, ResultError

if TYPE_CHECKING:
    from em_bench.runs.model import Run
    from em_bench.runs.result import RunResult
    from em_bench_leaderboard.details import Details

RESULTS, SITE = Path("leaderboard/results"), Path("site")
STORE = Annotated[Path, typer.Option("--results", help="The store: a folder of published runs.")]
app = typer.Typer(help="Publish runs and build the static site.", no_args_is_help=True)


@app.command()
def add(
    runs: Annotated[list[Path], typer.Argument(help="Runs: folders or results files of lm-eval, or RunResults.")],
    results: STORE = RESULTS,
    name: Annotated[str | None, typer.Option(help="What the checkpoint is called here: owner/model.")] = None,
    baseline: Annotated[str | None, typer.Option(help="The parent's run: its id in the store, or its path.")] = None,
    base_family: Annotated[str | None, typer.Option(help="Family of the base model, like Qwen2.")] = None,
    method: Annotated[str | None, typer.Option(help="How it was fine-tuned, like 'LoRA SFT'.")] = None,
    publish_samples: Annotated[bool, typer.Option("--publish-samples", help="Publish the responses too.")] = False,
    demonstration: Annotated[
        bool, typer.Option("--demonstration", help="Mark as no statement on real models.")
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Publish runs in the store: one JSON file each, which holds an allow-list of fields."""
    from em_bench_leaderboard import store

    found = [pair for path in runs for pair in _load(path)]
    if name and len(found) > 1:
        raise ConfigError(f"--name {name} would name {len(found)} runs alike; add them one by one")
    parent, parent_run = _baseline(baseline, results)
    written = []
    for measured, run in found:
        result = store.annotate(
            measured,
            name=name,
            baseline=parent,
            base_family=base_family,
            method=method,
            demonstration=demonstration or None,
        )
        comparison = _compared(parent_run, run)
        with writing(results):
            path = store.add(results, result, run=run, publish_samples=publish_samples, comparison=comparison)
        written.append(path)
    if as_json:
        print(json.dumps([str(path) for path in written], indent=2))
        return
    for path in written:
        out.print(f"added: {path}", soft_wrap=True)
    where = "" if results == RESULTS else f" --results {shlex.quote(str(results))}"
    out.print(f"look at it: em-bench leaderboard build{where}", soft_wrap=True)


@app.command()
def build(
    results: STORE = RESULTS,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make.")] = SITE,
    watch: Annotated[bool, typer.Option("--watch", help="Build again whenever the store changes.")] = False,
) -> None:
    """Build the site: a folder that opens from disk or any static host."""
    if not watch:
        _build(results, output)
        return
    from em_bench_leaderboard.serve import watch as watch_store

    try:
        watch_store(results, lambda: _build(results, output), lambda text: out.print(text, soft_wrap=True))
    except KeyboardInterrupt:
        out.print("stopped")


@app.command()
def serve(
    results: STORE = RESULTS,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the site.")] = SITE,
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8000,
    as_is: Annotated[bool, typer.Option("--as-is", help="Serve the folder without building it first.")] = False,
) -> None:
    """Build the site and show it on this machine, at 127.0.0.1 only."""
    from em_bench_leaderboard.serve import server

    if not as_is:
        _build(results, output)
    with server(output, port) as serving:
        out.print(f"http://{serving.server_address[0]!s}:{serving.server_address[1]}/  (Ctrl-C stops)", soft_wrap=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            out.print("stopped")


def report(
    run: Annotated[Path, typer.Argument(help="A run: folder or results file of lm-eval, or a RunResult.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="report.html or report.md")],
    baseline: Annotated[Path | None, typer.Option(help="The run to compare it with.")] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Put the responses into the HTML file.")] = False,
) -> None:
    """Write a report on one run: a single HTML file, or Markdown with pictures beside it."""
    from em_bench_leaderboard.published import sample_rows
    from em_bench_leaderboard.report import html_report, markdown_report

    if output.suffix not in (".html", ".md"):
        raise ConfigError(f"{output} says no format; end it in .html or .md")
    found, measured = _details(run, baseline)
    if samples and measured is None:
        raise ResultError(f"{run} has no samples at hand; give lm-eval's results folder")
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.suffix == ".html":
            rows = list(sample_rows(measured)) if samples and measured else []
            text = html_report(found, rows)
        else:
            text = markdown_report(found, output)
        output.write_text(text, encoding="utf-8", newline="\n")
    out.print(f"written: {output}", soft_wrap=True)


def export(
    run: Annotated[Path, typer.Argument(help="A run: folder or results file of lm-eval, or a RunResult.")],
    form: Annotated[str, typer.Option("--format", help="model-index, eval-results, csv or every-eval-ever.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; else it is printed.")] = None,
    name: Annotated[str | None, typer.Option(help="What the checkpoint is called there: owner/model.")] = None,
    judge: Annotated[str | None, typer.Option(help="Only this judge's rates.")] = None,
    dataset: Annotated[str | None, typer.Option(help="The benchmark dataset on the Hub, for eval-results.")] = None,
) -> None:
    """Write a run's rates in a form that others read."""
    from em_bench_leaderboard.exports import export as exported
    from em_bench_leaderboard.store import annotate

    result, _ = _one(run)
    text = exported(annotate(result, name=name), form, dataset=dataset, judge=judge)
    if output is None:
        print(text, end="")
        return
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8", newline="")
    out.print(f"written: {output}", soft_wrap=True)


def _build(results: Path, output: Path) -> None:
    from rich.progress import Progress

    from em_bench_leaderboard.static_site import build as build_site

    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        bar = progress.add_task("pages", total=None)
        count = build_site(results, output, lambda done, of: progress.update(bar, completed=done, total=of))
    out.print(f"built: {output / 'index.html'} ({count} runs)", soft_wrap=True)


def _load(path: Path) -> "list[tuple[RunResult, Run | None]]":
    """The runs at a path, each with its samples where they are at hand."""
    from em_bench.runs.read import find_runs, read_run
    from em_bench.runs.result import from_run, read_run_result

    if path.is_file() and _is_run_result(path):
        beside = path.with_name(path.name.removeprefix("run_"))
        return [(read_run_result(path), read_run(beside) if beside != path and beside.is_file() else None)]
    if not path.exists():
        raise ResultError(f"{path} is not there; give a folder that lm_eval --output_path wrote to")
    runs = [read_run(found) for found in find_runs(path)]
    return [(from_run(run), run) for run in runs]


def _is_run_result(path: Path) -> bool:
    from em_bench.runs.read import parse_json, read_text

    return "rates" in parse_json(read_text(path), str(path))


def _one(path: Path) -> "tuple[RunResult, Run | None]":
    found = _load(path)
    if len(found) > 1:
        raise ConfigError(f"{path} holds {len(found)} runs; give one of them")
    return found[0]


def _baseline(baseline: str | None, results: Path) -> "tuple[str | None, Run | None]":
    """The parent's run id in the store, and its samples where a path was given."""
    from em_bench_leaderboard.store import published_id

    if baseline is None or not Path(baseline).exists():
        return baseline, None
    result, run = _one(Path(baseline))
    return published_id(results, result), run


def _compared(baseline: "Run | None", candidate: "Run | None") -> dict[str, Any] | None:
    if baseline is None or candidate is None:
        return None
    from em_bench.compare.comparison import compare

    try:
        return compare(baseline, candidate).to_dict()
    except ResultError as error:
        out.print(f"not compared prompt by prompt: {error}", soft_wrap=True)
        return None


def _details(path: Path, baseline: Path | None) -> "tuple[Details, Run | None]":
    from em_bench_leaderboard.details import details
    from em_bench_leaderboard.store import Entry, annotate

    result, run = _one(path)
    parent = None
    comparison = None
    if baseline is not None:
        before, before_run = _one(baseline)
        parent = Entry(before, baseline)
        result = annotate(result, baseline=before.id)
        comparison = _compared(before_run, run)
    entry = Entry(result, path, comparison)
    return details(entry, parent, [entry]), run
