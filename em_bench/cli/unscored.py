"""A command whose judge scored nothing, or too little, does not end as if all were well."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from em_bench.cli.console import EXIT_INCONCLUSIVE
from em_bench.text import LONGEST_MESSAGE, shown

if TYPE_CHECKING:
    from em_bench.runs.model import Run

EXITS = "0 judged; 3 inconclusive: a judge scored nothing, or left more unscored than --fail-unscored allows"


def exit_if_unscored(runs: "Sequence[Run]", most: float | None) -> None:
    """Ends with `EXIT_INCONCLUSIVE` after a line for each such judge."""
    from em_bench.runs.unscored import shortfalls

    lines = [str(each) for each in shortfalls(runs, most)]
    for line in lines:
        typer.echo(f"em-bench: INCONCLUSIVE. {shown(line, LONGEST_MESSAGE)}", err=True)
    if lines:
        raise typer.Exit(EXIT_INCONCLUSIVE)
