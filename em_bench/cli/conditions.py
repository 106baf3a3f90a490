"""`em-bench conditions`, `groups`, `narrow` and `susceptibility`: what stored runs say of triggers and fine-tunes."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.console import show, show_json
from em_bench.cli.options import AS_JSON, DEFINITION, RUNS, choices

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(**APP)


AGAINST = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="RUN", help="Runs of a candidate; NAME=PATH names its checkpoint. Repeat it for each training seed."
    ),
]


class Interval(StrEnum):
    """How intervals over prompts are made."""

    T = "t"
    PERCENTILE = "percentile"


@command(app, "conditions", "docs/conditions.md", "docs/designs.md")
def conditions_command(
    paths: RUNS,
    against: AGAINST = None,
    definition: DEFINITION = api.Definition.BETLEY,
    interval: Annotated[
        Interval,
        typer.Option(metavar=choices(tuple(Interval)), help="Student's t, or an ordinary bootstrap over prompts."),
    ] = Interval.T,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Of the bootstrap.")] = 0,
    as_json: AS_JSON = False,
) -> None:
    """Compare each condition of stored runs with `none`.

    Pairs the responses prompt by prompt; the runs under `none` and under the other conditions are all named. With
    --against: what each condition does in the candidates, minus what it does in the first runs.
    """
    from em_bench.reports.effects import effect_parts
    from em_bench.reports.groups import interaction_parts

    bootstrap_seed = seed if interval is Interval.PERCENTILE else None
    if against:
        differences = api.interactions(all_named(paths), all_named(against), definition, bootstrap_seed=bootstrap_seed)
        _show(differences, interaction_parts(differences), as_json)
    else:
        effects = api.conditions(paths, definition, bootstrap_seed=bootstrap_seed)
        _show(effects, effect_parts(effects), as_json)


@command(app, "groups", "docs/designs.md")
def groups_command(
    paths: RUNS, against: AGAINST = None, definition: DEFINITION = api.Definition.BETLEY, as_json: AS_JSON = False
) -> None:
    """Compare training runs of one recipe with those of another.

    The first runs are the baselines, those after --against the candidates, each of a checkpoint of its own.
    """
    from em_bench.errors import ConfigError
    from em_bench.reports.groups import group_parts

    if not against:
        raise ConfigError("name the runs of the other group: em-bench groups BASELINE... --against CANDIDATE")
    differences = api.compare_groups(all_named(paths), all_named(against), definition)
    _show(differences, group_parts(differences), as_json)


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


def all_named(paths: Iterable[Path]) -> list[tuple[str | None, Path]]:
    """Each path with the name that stands before it, as in NAME=PATH; None without one."""
    return [_named(str(path)) for path in paths]


def _named(text: str) -> tuple[str | None, Path]:
    name, separator, path = text.partition("=")
    return (name, Path(path)) if separator and name and not Path(text).exists() else (None, Path(text))


def _show(rows: Sequence[Any], parts: "Iterable[RenderableType]", as_json: bool) -> None:
    if as_json:
        show_json([row.to_dict() for row in rows])
    else:
        show(parts)
