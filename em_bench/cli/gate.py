"""`em-bench gate init`."""

from pathlib import Path
from typing import Annotated

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.console import show_line

POLICY = Path("gate.yaml")
app = typer.Typer(help="Write the policy of a gate.", **APP)


@app.callback()
def gate() -> None: ...


@command(app, "init", "docs/compare.md")
def gate_init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = POLICY,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a commented policy with sane defaults."""
    show_line(f"written: {api.init_gate(path, force=force)}")
