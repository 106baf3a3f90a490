"""The tables of a terminal: their cells fold when the terminal is narrow, and are never cropped."""

from collections.abc import Collection

from rich.table import Column, Table
from rich.text import Text


def folding_table(*columns: str, right: Collection[int] = ()) -> Table:
    """A table without lines; `right` are the places of the columns of numbers. Names are text, not rich's markup."""
    return Table(
        *(
            Column(Text(name), justify="right" if place in right else "left", overflow="fold")
            for place, name in enumerate(columns)
        ),
        box=None,
        pad_edge=False,
    )


def add_row(table: Table, *cells: str | Text) -> None:
    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))
