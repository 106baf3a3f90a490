"""`em-bench agreement`: Krippendorff's alpha of raters in a file."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.console import show_json, show_line
from em_bench.cli.options import AS_JSON, choices

app = typer.Typer(**APP)


class LevelName(StrEnum):
    """As `em_bench.stats.agreement.Level`, which is slow to import."""

    INTERVAL = "interval"
    NOMINAL = "nominal"


class WeightsName(StrEnum):
    """As `em_bench.stats.agreement.PairWeights`."""

    VALUE = "value"
    PAIR = "pair"


@command(app, "agreement", "docs/designs.md")
def agreement_command(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="JSONL, CSV or JSON: a row is what the raters rated.")],
    rater: Annotated[
        list[str], typer.Option("--rater", metavar="COLUMN", help="A column with ratings. Repeat it for each rater.")
    ],
    missing: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="A value that stands for no rating, such as -1. May be repeated."),
    ] = None,
    level: Annotated[
        LevelName, typer.Option(metavar=choices(tuple(LevelName)), help="Scores, or labels that are equal or not.")
    ] = LevelName.INTERVAL,
    weights: Annotated[
        WeightsName,
        typer.Option(
            metavar=choices(tuple(WeightsName)),
            help="With missing ratings: every rating counts once, as alpha is defined, or every pair.",
        ),
    ] = WeightsName.VALUE,
    as_json: AS_JSON = False,
) -> None:
    """Measure how far raters agree: Krippendorff's alpha.

    Empty ratings and those with a --missing code are left out.
    """
    from em_bench.reports.agreement import agreement_line
    from em_bench.stats.agreement import Level, PairWeights

    result = api.agreement(path, rater, Level(level), missing or (), PairWeights(weights))
    if as_json:
        show_json(result.to_dict())
    else:
        show_line(agreement_line(result))
