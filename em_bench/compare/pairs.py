"""The units of a sequential comparison as pairs: what each side's rate of a unit is, and what it could be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from em_bench.compare.order import Unit
from em_bench.compare.sides import Column
from em_bench.metrics.rates import Value

WHOLE = (0.0, 1.0)
Columns = Mapping[str, Column]
"""One side's column of a metric for each task."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One unit, as shares of the scale: the ends of each side's possible rate, and the rates where both are scored.

    `unscored` and `responses` are counts on each side.
    """

    before: tuple[float, float]
    after: tuple[float, float]
    scored: tuple[float, float] | None
    unscored: tuple[int, int]
    responses: tuple[int, int]


def scale_of(columns: Iterable[Column]) -> tuple[float, float]:
    """The lowest and the highest value that any of the columns can have."""
    scales = [column.scale for column in columns if column.scale is not None] or [WHOLE]
    return min(low for low, _ in scales), max(high for _, high in scales)


def pair_of(unit: Unit, before: Columns, after: Columns, scale: tuple[float, float]) -> Pair:
    """Forms of a probe are paired one by one, then averaged."""
    values = [(_values(before, *each), _values(after, *each)) for each in unit.documents]
    means = [(_mean(first, scale), _mean(second, scale)) for first, second in values]
    scored = [(first, second) for first, second in means if first is not None and second is not None]
    sides = [[side[place] for side in values] for place in (0, 1)]
    unscored, responses = ([sum(map(count, side)) for side in sides] for count in (_unscored, len))
    return Pair(
        before=_average([_ends(each, scale) for each in sides[0]]),
        after=_average([_ends(each, scale) for each in sides[1]]),
        scored=_average(scored) if scored else None,
        unscored=(unscored[0], unscored[1]),
        responses=(responses[0], responses[1]),
    )


def _values(side: Columns, task: str, document: str) -> Sequence[Value]:
    return side[task].values.get(document, ()) if task in side else ()


def _unscored(values: Sequence[Value]) -> int:
    return sum(value is None for value in values)


def _shares(values: Sequence[Value], scale: tuple[float, float]) -> list[float]:
    return [(float(value) - scale[0]) / (scale[1] - scale[0]) for value in values if value is not None]


def _ends(values: Sequence[Value], scale: tuple[float, float]) -> tuple[float, float]:
    """The lowest and the highest mean that the responses can have, whatever the unscored ones are."""
    if not values:
        return WHOLE
    total = sum(_shares(values, scale))
    return total / len(values), (total + _unscored(values)) / len(values)


def _mean(values: Sequence[Value], scale: tuple[float, float]) -> float | None:
    shares = _shares(values, scale)
    return sum(shares) / len(shares) if shares else None


def _average(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(first for first, _ in pairs) / len(pairs), sum(second for _, second in pairs) / len(pairs)
