"""How a command is declared: its help ends with its exit codes and where to read on."""

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

F = TypeVar("F", bound=Callable[..., None])

APP: dict[str, Any] = {"no_args_is_help": True, "add_completion": False, "rich_markup_mode": None}
"""What every group of commands has in common. Without rich, help is never cropped, and starts at once."""


class PlainCommand(TyperCommand):
    """Names an argument in its help as in its usage line, without Python's type behind it."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        rows: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for param in self.get_params(ctx):
            if record := param.get_help_record(ctx):
                name = record[0].partition(" <")[0] if param.param_type_name == "argument" else record[0]
                rows[param.param_type_name].append((name, record[1]))
        for kind, records in rows.items():
            if records:
                with formatter.section(f"{kind.capitalize()}s"):
                    formatter.write_dl(records)


def command(app: typer.Typer, name: str, *pages: str, exits: str = "") -> Callable[[F], F]:
    """Declares the command `name`. `exits` are exit codes that it gives a meaning, `pages` are where to read on."""
    codes = f"Exit codes: {exits}; 2 wrong usage or input.\n\n" if exits else ""
    return app.command(name, cls=PlainCommand, epilog=f"{codes}Read on: {', '.join(pages)}")
