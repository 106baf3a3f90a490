"""`em-bench leaderboard add`, `build` and `serve`: runs published, and the site made of them."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from em_bench.cli.command import APP, command
from em_bench.cli.console import console, show, show_json, show_line
from em_bench.cli.options import AS_JSON, NAME
from em_bench_leaderboard.options import RESULTS, AddOptions

SITE = Path("site")
STORE = Annotated[Path, typer.Option("--results", metavar="FOLDER", help="The store of published runs.")]
OUTPUT = Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="The folder of the site.")]
app = typer.Typer(help="Publish runs and build the static site.", **APP)


@command(app, "add", "docs/leaderboard.md")
def add_command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Folders or results files of lm-eval, or RunResults.")
    ],
    results: STORE = RESULTS,
    name: NAME = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="RUN", help="The parent's run: its id in the store, or its path.")
    ] = None,
    base_family: Annotated[
        str | None, typer.Option(metavar="NAME", help="The family of the base model, such as Qwen2.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(metavar="TEXT", help="How it was fine-tuned, such as 'LoRA SFT'.")
    ] = None,
    publish_samples: Annotated[bool, typer.Option("--publish-samples", help="Publish the responses too.")] = False,
    demonstration: Annotated[
        bool, typer.Option("--demonstration", help="Mark as no statement about real models.")
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Publish runs in the store.

    Each run becomes one JSON file, which holds an allow-list of fields.
    """
    from em_bench_leaderboard import api

    options = AddOptions(results, name, baseline, base_family, method, publish_samples, demonstration)
    written = api.add(runs, options)
    if as_json:
        show_json([str(path) for path in written])
        return
    show(f"added: {path}" for path in written)
    where = "" if results == RESULTS else f" --results {shlex.quote(str(results))}"
    show_line(f"look at it: em-bench leaderboard build{where}")


@command(app, "build", "docs/leaderboard.md")
def build_command(
    results: STORE = RESULTS,
    output: OUTPUT = SITE,
    watch: Annotated[bool, typer.Option("--watch", help="Build again whenever the store changes.")] = False,
) -> None:
    """Build the site.

    It is a folder that opens from disk or any static host.
    """
    if not watch:
        _build(results, output)
        return
    from em_bench_leaderboard.serve import watch as watch_store

    try:
        watch_store(results, lambda: _build(results, output), show_line)
    except KeyboardInterrupt:
        show_line("stopped")


@command(app, "serve", "docs/leaderboard.md")
def serve_command(
    results: STORE = RESULTS,
    output: OUTPUT = SITE,
    port: Annotated[
        int, typer.Option(metavar="PORT", help="The port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8000,
    as_is: Annotated[bool, typer.Option("--as-is", help="Serve the folder without building it first.")] = False,
) -> None:
    """Build the site and show it on this machine.

    It is served at 127.0.0.1 only.
    """
    from em_bench_leaderboard.serve import server

    if not as_is:
        _build(results, output)
    with server(output, port) as serving:
        show_line(f"http://{serving.server_address[0]!s}:{serving.server_address[1]}/  (Ctrl-C stops)")
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            show_line("stopped")


def _build(results: Path, output: Path) -> None:
    from rich.progress import Progress

    from em_bench_leaderboard import api

    out = console()
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        bar = progress.add_task("pages", total=None)
        count = api.build(results, output, lambda done, of: progress.update(bar, completed=done, total=of))
    show_line(f"built: {output / 'index.html'} ({count} runs)")
