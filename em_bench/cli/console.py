"""What the commands share: the console, the exit codes, `--json`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from em_bench.errors import ConfigError

# no markup: names of checkpoints and texts of errors are somebody else's, brackets included
out = Console(highlight=False, markup=False, emoji=False)
AS_JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Makes of an operating system's error, where `path` is written, a `ConfigError`."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
