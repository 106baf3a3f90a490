"""The console that commands print to; imported when something is printed, as rich takes a while to load."""

import os
import sys

from rich.console import Console

UNLIMITED = 100_000


class CommandConsole(Console):
    """Tables fold to a terminal's width; a file or a pipe gets whole lines.

    No markup: names of checkpoints and texts of errors are other people's, brackets included.
    """

    def __init__(self) -> None:
        is_limited = sys.stdout.isatty() or "COLUMNS" in os.environ
        super().__init__(highlight=False, markup=False, emoji=False, width=None if is_limited else UNLIMITED)

    def on_broken_pipe(self) -> None:
        """rich would exit with 1; `em_bench.cli.lazy` gives a closed pipe its own exit code."""
        raise BrokenPipeError
