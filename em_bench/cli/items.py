"""`em-bench items`: what single prompts and probes say of checkpoints."""

from pathlib import Path
from typing import Annotated

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.conditions import all_named
from em_bench.cli.console import show, show_json
from em_bench.cli.options import AS_JSON, DEFINITION
from em_bench.paths import writing

app = typer.Typer(**APP)


@command(app, "items", "docs/items.md")
def items_command(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN", help="Runs of several checkpoints, or folders of runs; NAME=PATH names the checkpoint."
        ),
    ],
    judge: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose verdicts count. By default llm where it judged.")
    ] = None,
    definition: DEFINITION = api.Definition.BETLEY,
    short_form: Annotated[
        int | None,
        typer.Option(min=2, metavar="N", help="Pick N prompts of each task that say most of its rate, and test them."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also list every item, the rates by part, and the dead items.")
    ] = False,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Also write a row for each item to this file.")
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Say which prompts and probes tell checkpoints apart.

    Difficulty and discrimination of each item over the checkpoints, and the items that all or none refuse.
    """
    from em_bench.reports.items import csv_text, item_parts

    statistics = api.items(all_named(runs), judge, definition)
    forms = api.short_forms(statistics, short_form) if short_form else []
    if csv_file is not None:
        with writing(csv_file):
            csv_file.write_text(csv_text(statistics, forms), encoding="utf-8", errors="replace")
    if as_json:
        show_json(statistics.to_dict() | {"short_forms": [each.to_dict() for each in forms]})
    else:
        show(item_parts(statistics, forms, everything=everything))
