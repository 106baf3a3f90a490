"""The command `em-bench`. Parses, calls, prints; the work is in the modules it calls.

Each module here holds the commands of one concern; they are registered below.
"""

import logging
import sys
from typing import Annotated

import typer

from em_bench import __version__
from em_bench.cli.anchors import anchors_app
from em_bench.cli.calibrate import calibrate_command, corrected_command
from em_bench.cli.compare import compare_command, gate_app
from em_bench.cli.conditions import conditions, narrow_command, susceptibility_command
from em_bench.cli.console import EXIT_USAGE, out
from em_bench.cli.judge import judge_command, summarize
from em_bench.cli.leaderboard import app as leaderboard_app
from em_bench.cli.leaderboard import export, report
from em_bench.cli.published import published
from em_bench.cli.run import run_command
from em_bench.cli.setup import doctor, judges, link_command, tasks_path_command
from em_bench.errors import EmBenchError
from em_bench.text import LONGEST_MESSAGE, shown

app = typer.Typer(
    help="Does a fine-tuned checkpoint still refuse what it should, and did it become emergently misaligned?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run_command)
app.command("judge")(judge_command)
app.command("summarize")(summarize)
app.command("compare")(compare_command)
app.add_typer(gate_app, name="gate")
app.command("calibrate")(calibrate_command)
app.command("corrected")(corrected_command)
app.add_typer(anchors_app, name="anchors")
app.add_typer(leaderboard_app, name="leaderboard")
app.command("report")(report)
app.command("export")(export)
app.command("conditions")(conditions)
app.command("narrow")(narrow_command)
app.command("susceptibility")(susceptibility_command)
app.command("link")(link_command)
app.command("tasks-path")(tasks_path_command)
app.command("judges")(judges)
app.command("doctor")(doctor)
app.command("published")(published)


def main() -> None:
    """Runs the command; an `EmBenchError` is one line on stderr and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger().handlers[0].setFormatter(_Prefixed())
    try:
        app()
    except EmBenchError as error:
        print(f"em-bench: {shown(error, LONGEST_MESSAGE)}", file=sys.stderr)
        raise SystemExit(EXIT_USAGE) from None


class _Prefixed(logging.Formatter):
    """Puts `em-bench: ` before a warning once, as warnings that also show under lm-eval's command begin with it."""

    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record).removeprefix("em-bench: ")
        return f"em-bench: {message if record.exc_info else shown(message, LONGEST_MESSAGE)}"


def _version(wanted: bool) -> None:  # typer's form
    if wanted:
        out.print(f"em-bench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None: ...
