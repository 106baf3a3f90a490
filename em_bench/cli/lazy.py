"""A group whose commands are imported when they are called, so that `em-bench --help` starts at once."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from em_bench.cli.console import EXIT_CLOSED_PIPE

# a heading of `--help` to its commands: the name to the module that holds it and its summary
Sections = Mapping[str, Mapping[str, tuple[str, str]]]


class LazyGroup(TyperGroup):
    """Finds a command in the `app` of its module: one of the app's commands, or else the app itself as a group."""

    sections: ClassVar[Sections] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.entries = {name: entry for section in self.sections.values() for name, entry in section.items()}
        self.commands = dict.fromkeys(self.entries)  # type: ignore[assignment] # typer suggests from these names

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.entries:
            return None
        app = import_module(self.entries[cmd_name][0]).app
        group = typer.main.get_group(app)
        group.name = cmd_name  # the command reference is made from names
        return group.commands.get(cmd_name, group)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for heading, commands in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name, summary) for name, (_, summary) in commands.items()])

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _closed_pipe():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        try:
            with _closed_pipe():
                return super().invoke(ctx)
        except EOFError as error:  # typer would take it for an answer that the user did not give
            raise RuntimeError("unexpected end of input") from error


@contextmanager
def _closed_pipe() -> Iterator[None]:
    """Ends quietly, as `cat` does, when the reader of stdout has gone; typer would exit with 1."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        with suppress(OSError, ValueError):  # or Python complains once more when it flushes at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(EXIT_CLOSED_PIPE) from None
