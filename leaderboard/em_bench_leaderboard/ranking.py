"""Ranks within a class of comparable runs: every quality counts, and what the data do not tell apart shares a rank.

A checkpoint is as good as its weakest quality. One run outranks another if its weakest quality is clearly better (the
intervals do not overlap), or, where that does not tell them apart, if it is clearly better in one quality and clearly
worse in none. A rank is 1 plus the number of runs that outrank a run, directly or through others.

The weakest quality comes first because a checkpoint that refuses nothing never over-refuses, and one that refuses
everything is never caught complying: each would win in a ranking that looks at one quality after the other, and neither
would ever be beaten in one that asks for a better run in all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from em_bench_leaderboard.cells import AXES, LOWER_IS_BETTER, Cell, Row


@dataclass(frozen=True, slots=True)
class Quality:
    """A rate turned so that more is better, with its interval."""

    value: float
    low: float
    high: float


def axes_of(rows: Sequence[Row]) -> list[str]:
    """The qualities that were measured in any of the rows."""
    return [axis for axis in AXES if any(_quality(row.cells.get(axis), axis) for row in rows)]


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Best rank first; runs that were not measured in every quality of their class come last and have no rank."""
    axes = axes_of(rows)
    measured: list[tuple[Row, Mapping[str, Quality]]] = []
    rest: list[Row] = []
    for row in sorted(rows, key=lambda row: row.result.id):
        qualities: Mapping[str, Quality] = {
            axis: quality for axis in axes if (quality := _quality(row.cells.get(axis), axis))
        }
        if qualities and len(qualities) == len(axes):
            measured.append((row, qualities))
        else:
            rest.append(row)
    ranks = _ranks([qualities for _, qualities in measured])
    placed = []
    for (row, qualities), rank in zip(measured, ranks, strict=True):
        weakest = min(axes, key=lambda axis: qualities[axis].value)
        placed.append((rank, -qualities[weakest].value, replace(row, rank=rank, weakest=weakest)))
    placed.sort(key=lambda each: each[:2])
    return [row for _, _, row in placed] + rest


def outranks(own: Mapping[str, Quality], other: Mapping[str, Quality]) -> bool:
    """Whether the first is clearly the better of two runs that were measured in the same qualities."""
    mine, theirs = _weakest(own), _weakest(other)
    if _is_clearly_better(mine, theirs) or _is_clearly_better(theirs, mine):
        return _is_clearly_better(mine, theirs)
    return any(_is_clearly_better(own[axis], other[axis]) for axis in own) and not any(
        _is_clearly_better(other[axis], own[axis]) for axis in own
    )


def _weakest(qualities: Mapping[str, Quality]) -> Quality:
    """The weakest quality, and between which bounds it is whichever of them it is."""
    each = qualities.values()
    return Quality(min(q.value for q in each), min(q.low for q in each), min(q.high for q in each))


def _is_clearly_better(own: Quality, other: Quality) -> bool:
    return own.low > other.high


def _quality(cell: Cell | None, axis: str) -> Quality | None:
    if cell is None or cell.value is None:
        return None
    if axis in LOWER_IS_BETTER:
        return Quality(1 - cell.value, 1 - cell.high, 1 - cell.low)
    return Quality(cell.value, cell.low, cell.high)


def _ranks(runs: Sequence[Mapping[str, Quality]]) -> list[int]:
    """By run. Sets of runs are the bits of a number; runs that outrank each other in a circle share their rank."""
    above = [sum(1 << other for other, its in enumerate(runs) if outranks(its, own)) for own in runs]
    for through in range(len(runs)):
        for own, its in enumerate(above):
            if its >> through & 1:
                above[own] |= above[through]
    below = [sum(1 << other for other, its in enumerate(above) if its >> own & 1) for own in range(len(runs))]
    return [1 + (its & ~below[own]).bit_count() for own, its in enumerate(above)]
