"""Progress reporting: a bar on a terminal, plain lines elsewhere; on stderr, as stdout may hold JSON."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Yields a function to call after each of the `total` steps."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    with _bar(console, what, total) if console.is_terminal else _lines(console, what, total) as step:
        yield step


@contextmanager
def _bar(console: Console, what: str, total: int) -> Iterator[Callable[[], None]]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task(Text(what).plain, total=total)
        yield lambda: bars.advance(bar)


@contextmanager
def _lines(console: Console, what: str, total: int) -> Iterator[Callable[[], None]]:
    begin = last = time.monotonic()
    done = 0

    def line() -> None:
        console.print(f"{what}: {done} of {total}, {time.monotonic() - begin:.0f} s", soft_wrap=True)

    def step() -> None:
        nonlocal done, last
        done += 1
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            line()

    yield step
    line()
