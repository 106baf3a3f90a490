"""The command `em-bench`. A command parses, calls one public function of `em_bench.api`, and prints what a report
room makes of the result.

A module here holds the commands of one concern, in an `app`. It is imported when one of them is called.
"""

import logging
import sys
import traceback
from typing import Annotated, ClassVar

import typer

from em_bench import __version__
from em_bench.cli.command import APP
from em_bench.cli.console import EXIT_INTERNAL, EXIT_USAGE
from em_bench.cli.lazy import LazyGroup, Sections
from em_bench.errors import EmBenchError
from em_bench.text import LONGEST_MESSAGE, shown

EPILOG = (
    "Exit codes: 0 fine or passed; 1 a gate or a check failed; 2 wrong usage, configuration or input; "
    "3 inconclusive; 70 an error in em-bench itself; 130 interrupted; 141 the reader of the output has gone.\n\n"
    "Read on: README.md and docs/, or `em-bench COMMAND --help`."
)


class Commands(LazyGroup):
    sections: ClassVar[Sections] = {
        "Evaluate": {
            "run": ("em_bench.cli.run", "Evaluate a checkpoint: generate, judge, print the rates."),
            "judge": ("em_bench.cli.judge", "Judge or re-judge stored responses."),
            "summarize": ("em_bench.cli.judge", "Print the rates of stored runs or scored files side by side."),
        },
        "Compare": {
            "compare": ("em_bench.cli.compare", "Compare checkpoints with a baseline: differences and a diagnosis."),
            "gate": ("em_bench.cli.gate", "Write the policy of a gate."),
            "plan": ("em_bench.cli.plan", "Say how many prompts, repeats or readings a gate needs."),
            "conditions": ("em_bench.cli.conditions", "Compare each condition of stored runs with `none`."),
            "groups": ("em_bench.cli.conditions", "Compare training runs of one recipe with those of another."),
            "narrow": ("em_bench.cli.conditions", "Tell narrow from general misalignment."),
            "items": ("em_bench.cli.items", "Say which prompts and probes tell checkpoints apart."),
            "susceptibility": ("em_bench.cli.conditions", "Rank fine-tuning domains by misalignment."),
        },
        "Trust in judges": {
            "calibrate": ("em_bench.cli.calibrate", "Measure a judge against people's labels or another judge."),
            "agreement": ("em_bench.cli.agreement", "Measure how far raters agree: Krippendorff's alpha."),
            "corrected": ("em_bench.cli.calibrate", "Print rates corrected for the judge's errors."),
            "anchors": ("em_bench.cli.anchors", "Freeze verdicts, to notice a judge that drifts."),
        },
        "Publish": {
            "report": ("em_bench.cli.report", "Write a report on one run: HTML or Markdown."),
            "export": ("em_bench.cli.report", "Write a run's rates in another project's format."),
            "leaderboard": ("em_bench.cli.leaderboard", "Publish runs and build the static site."),
        },
        "Set up": {
            "doctor": ("em_bench.cli.setup", "Check what is installed and what is missing."),
            "judges": (
                "em_bench.cli.judges",
                "List the judges and rubrics, or test a judge model on a rubric's cases.",
            ),
            "published": ("em_bench.cli.published", "List or fetch the published prompt sets."),
            "link": ("em_bench.cli.setup", "Make `lm_eval --tasks em_rai_suite` find the tasks."),
            "tasks-path": ("em_bench.cli.setup", "Print the folder for `lm_eval --include_path`."),
        },
    }


app = typer.Typer(
    cls=Commands,
    help="Does a fine-tuned checkpoint still refuse what it should, and did it become emergently misaligned?",
    epilog=EPILOG,
    pretty_exceptions_enable=False,
    **APP,
)


def main() -> None:
    """Runs the command. An `EmBenchError` is one line on stderr and exit code 2, any other exception is a bug."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger().handlers[0].setFormatter(_Prefixed())
    try:
        app()
    except EmBenchError as error:
        print(f"em-bench: {shown(error, LONGEST_MESSAGE)}", file=sys.stderr)
        raise SystemExit(EXIT_USAGE) from None
    except Exception:  # noqa: BLE001 - Python's own exit code for it is 1, which means "regress" to a gate
        traceback.print_exc()
        print("em-bench: this is a bug in em-bench; please report it with the lines above", file=sys.stderr)
        raise SystemExit(EXIT_INTERNAL) from None


class _Prefixed(logging.Formatter):
    """Names em-bench once: warnings that also show under lm-eval's command name it themselves."""

    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record).removeprefix("em-bench: ")
        return f"em-bench: {message if record.exc_info else shown(message, LONGEST_MESSAGE)}"


def _version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"em-bench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...
