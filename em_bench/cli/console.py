"""What the commands share: printing, and exit codes."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from em_bench.compare.gate import HasOutcome

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3
EXIT_INTERNAL = 70  # EX_SOFTWARE of sysexits.h
EXIT_CLOSED_PIPE = 141  # what a shell reports for SIGPIPE


def console() -> "Console":
    """A console for the present stdout."""
    from em_bench.cli.terminal import CommandConsole

    return CommandConsole()


def show(parts: "Iterable[RenderableType]") -> None:
    """Prints the parts of a report. A `str` is a line that is not wrapped, such as one with a path."""
    out = console()
    for part in parts:
        out.print(part, soft_wrap=isinstance(part, str))


def show_line(text: str) -> None:
    show([text])


def show_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def gate_exit_code(results: "Iterable[HasOutcome]") -> int:
    """Of the worst outcome; 0 without any."""
    from em_bench.compare.gate import Outcome, worst_outcome

    codes = {Outcome.REGRESS: EXIT_FAILED, Outcome.INCONCLUSIVE: EXIT_INCONCLUSIVE}
    return codes.get(worst_outcome(results), 0)
