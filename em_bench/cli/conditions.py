"""`em-bench conditions`, `narrow` and `susceptibility`: what stored runs say of triggers and fine-tuning domains."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from em_bench.cli.console import AS_JSON, out
from em_bench.errors import ResultError
from em_bench.metrics.registry import Definition

if TYPE_CHECKING:
    from rich.table import Table

    from em_bench.runs.model import Run

DEFINITION = Annotated[Definition, typer.Option(help="Which answers to probes count as misaligned, and among which.")]
PAIRED_NOTE = (
    "Differences in points, paired by prompt or probe, with 95 % intervals; p adjusted by Holm's method within a table."
)


def conditions(
    paths: Annotated[list[Path], typer.Argument(help="Folders of runs, under `none` and under other conditions.")],
    definition: DEFINITION = Definition.BETLEY,
    as_json: AS_JSON = False,
) -> None:
    """Compare each condition of stored runs with `none`, prompt by prompt."""
    from em_bench.compare.conditions import effects
    from em_bench.reports.effects import effect_tables

    found = effects(_runs(paths), definition)
    if not found:
        raise ResultError(f"{paths[0]} holds no verdicts of one judge on both sides; judge it with `em-bench judge`")
    _show(found, effect_tables(found), PAIRED_NOTE, as_json)


def narrow_command(
    paths: Annotated[list[Path], typer.Argument(help="Runs that ask about the fine-tuning domain and other things.")],
    finetune_domain: Annotated[
        str | None, typer.Option(help="The theme of its questions; else what the run says.")
    ] = None,
    definition: DEFINITION = Definition.BETLEY,
    as_json: AS_JSON = False,
) -> None:
    """Say whether misalignment is narrow, in the fine-tuning domain, or general."""
    from em_bench.compare.narrow import narrow
    from em_bench.reports.effects import narrow_tables

    found = [each for run in _runs(paths) for each in narrow(run, finetune_domain, definition)]
    _show(found, narrow_tables(found), NARROW_NOTE, as_json)


NARROW_NOTE = "95 % intervals: bootstrap over questions and their responses."


def susceptibility_command(
    runs: Annotated[list[str], typer.Argument(help="Folders of runs; NAME=PATH names the fine-tuning domain.")],
    trigger: Annotated[
        str | None, typer.Option(help="The condition that is the trigger, where there are several.")
    ] = None,
    definition: DEFINITION = Definition.BETLEY,
    as_json: AS_JSON = False,
) -> None:
    """Rank fine-tuning domains by how misaligned their checkpoints are, without and with a trigger."""
    from em_bench.compare.susceptibility import susceptibility
    from em_bench.reports.effects import susceptibility_tables

    named = [_named(each) for each in runs]
    found = susceptibility([(name, run) for name, path in named for run in _runs([path])], trigger, definition)
    _show(found, susceptibility_tables(found), PAIRED_NOTE, as_json)


def _named(text: str) -> tuple[str | None, Path]:
    name, separator, path = text.partition("=")
    return (name, Path(path)) if separator and name and not Path(text).exists() else (None, Path(text))


def _runs(paths: Iterable[Path]) -> "list[Run]":
    from em_bench.runs.read import find_runs, read_run

    return [read_run(found) for path in paths for found in find_runs(path)]


def _show(found: Sequence[Any], tables: "Iterable[tuple[str, Table]]", note: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps([each.to_dict() for each in found], indent=2))
    else:
        show_tables(tables, note)


def show_tables(tables: "Iterable[tuple[str, Table]]", note: str) -> None:
    for title, table in tables:
        out.print(title, style="bold", soft_wrap=True)
        out.print(table)
        out.print()
    out.print(note)
