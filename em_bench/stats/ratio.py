"""The ratio of two independent rates, from their own intervals (MOVER).

Fieller's method with each rate's distance to the end of its own interval in place of a standard error (Donner and Zou
2012, *Statistical Methods in Medical Research* 21:347), so whatever the rates' intervals know is in the ratio's.
"""

import math
from dataclasses import dataclass

from em_bench.stats.intervals import Rate


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as often. `value` and `high` are None where they have no bound: the denominator may be 0."""

    value: float | None
    low: float
    high: float | None


def ratio(above: Rate | None, below: Rate | None) -> Ratio | None:
    """The rate of `above` over that of `below`; None where either has no value."""
    if above is None or below is None or above.value is None or below.value is None:
        return None
    product = above.value * below.value
    # u (2 p - u) and l (2 p - l): the squares that Fieller's has, p^2 less the squared distance to the interval's end
    low_above, high_above = (end * (2 * above.value - end) for end in (above.low, above.high))
    low_below, high_below = (end * (2 * below.value - end) for end in (below.low, below.high))
    # Fieller's lower end, written so that nothing is divided by high_below, which may be 0
    divisor = product + math.sqrt(max(product**2 - low_above * high_below, 0.0))
    low = low_above / divisor if divisor > 0 else 0.0
    high = (product + math.sqrt(max(product**2 - high_above * low_below, 0.0))) / low_below if low_below > 0 else None
    return Ratio(above.value / below.value if below.value else None, low, high)
