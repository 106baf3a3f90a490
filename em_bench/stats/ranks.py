"""Ranks that the data leave open: intervals that hold all true ranks together.

An item is certainly below as many others as are significantly higher, and above as many as are significantly lower
(Klein, Wright and Wieczorek 2020, *JRSS A* 183:589). Both directions of every pair are tested, by Holm's method over
all of them, so that with 95 % confidence no test is wrong, and then every interval holds its item's true rank.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from em_bench.stats.multiplicity import holm


@dataclass(frozen=True, slots=True)
class Rank:
    """The place by value alone (equal values share it), the ranks that the data leave open, and of how many."""

    place: int
    low: int
    high: int
    of: int


def ranks(values: Sequence[float], p_higher: Mapping[tuple[int, int], float], confidence: float = 0.95) -> list[Rank]:
    """The highest value ranks first. `p_higher[i, j]` is small where item i is higher than j; without one the two
    cannot be distinguished.
    """
    pairs = list(p_higher)
    adjusted = dict(zip(pairs, holm([p_higher[pair] for pair in pairs]), strict=True))
    higher = {pair for pair, p in adjusted.items() if p <= 1 - confidence}
    result = []
    for item, value in enumerate(values):
        place = 1 + sum(other > value for other in values)
        low = 1 + sum(below == item for _, below in higher)
        high = len(values) - sum(above == item for above, _ in higher)
        result.append(Rank(place, min(low, place), max(high, place), len(values)))
    return result
