"""`em-bench conditions`, `narrow` and `susceptibility`: what stored runs say about triggers and fine-tuning domains."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.console import show, show_json
from em_bench.cli.options import AS_JSON, DEFINITION, RUNS

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(**APP)


@command(app, "conditions", "docs/conditions.md")
def conditions_command(paths: RUNS, definition: DEFINITION = api.Definition.BETLEY, as_json: AS_JSON = False) -> None:
    """Compare each condition of stored runs with `none`.

    Pairs the responses prompt by prompt; the runs under `none` and under the other conditions are all named.
    """
    from em_bench.reports.effects import effect_parts

    effects = api.conditions(paths, definition)
    _show(effects, effect_parts(effects), as_json)


@command(app, "narrow", "docs/conditions.md")
def narrow_command(
    paths: RUNS,
    finetune_domain: Annotated[
        str | None, typer.Option(metavar="THEME", help="The fine-tuning domain. By default the one the run records.")
    ] = None,
    definition: DEFINITION = api.Definition.BETLEY,
    as_json: AS_JSON = False,
) -> None:
    """Tell narrow from general misalignment.

    The runs ask about the fine-tuning domain and about other things; narrow misalignment stays in the domain.
    """
    from em_bench.reports.effects import narrow_parts

    rows = api.narrow(paths, finetune_domain, definition)
    _show(rows, narrow_parts(rows), as_json)


@command(app, "susceptibility", "docs/conditions.md")
def susceptibility_command(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN", help="Folders of runs; NAME=PATH names the fine-tuning domain.")
    ],
    trigger: Annotated[
        str | None, typer.Option(metavar="CONDITION", help="The condition that is the trigger, if there are several.")
    ] = None,
    definition: DEFINITION = api.Definition.BETLEY,
    as_json: AS_JSON = False,
) -> None:
    """Rank fine-tuning domains by misalignment.

    Ranks by the misaligned answers to unrelated questions, with and without a trigger.
    """
    from em_bench.reports.effects import susceptibility_parts

    rows = api.susceptibility([_named(each) for each in runs], trigger, definition)
    _show(rows, susceptibility_parts(rows), as_json)


def _named(text: str) -> tuple[str | None, Path]:
    name, separator, path = text.partition("=")
    return (name, Path(path)) if separator and name and not Path(text).exists() else (None, Path(text))


def _show(rows: Sequence[Any], parts: "Iterable[RenderableType]", as_json: bool) -> None:
    if as_json:
        show_json([row.to_dict() for row in rows])
    else:
        show(parts)
