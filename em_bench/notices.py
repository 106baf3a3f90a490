"""How em-bench speaks inside lm-eval's command: warnings that nobody can miss, and errors of one line."""

import atexit
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from em_bench.errors import EmBenchError
from em_bench.text import LONGEST_MESSAGE, shown

log = logging.getLogger(__name__)


def is_lm_eval_command() -> bool:
    command = Path(sys.argv[0])
    return command.name in ("lm_eval", "lm-eval") or command.parts[-2:] == ("lm_eval", "__main__.py")


_held: ContextVar[list[str] | None] = ContextVar("warnings held until the end", default=None)


def warn(message: str) -> None:
    """Warns now and, under lm-eval's command, again below its results table; within `warn_at_end`, then only."""
    message = shown(message, LONGEST_MESSAGE)
    held = _held.get()
    if held is not None:
        held.append(message)
        return
    log.warning("em-bench: %s", message)
    if is_lm_eval_command():
        atexit.register(print, f"em-bench: {message}", file=sys.stderr, flush=True)


@contextmanager
def warn_at_end() -> Iterator[None]:
    """Keeps warnings until what is printed meanwhile is out, so that they are the last that is read."""
    messages: list[str] = []
    token = _held.set(messages)
    try:
        yield
    finally:
        _held.reset(token)
        for message in messages:
            log.warning("em-bench: %s", message)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Under lm-eval's command an `EmBenchError` is one line and exit code 2; in a program it stays an exception."""
    try:
        yield
    except EmBenchError as error:
        if not is_lm_eval_command():
            raise
        print(f"em-bench: {shown(error, LONGEST_MESSAGE)}", file=sys.stderr)
        raise SystemExit(2) from error
