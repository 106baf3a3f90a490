"""How well an item tells takers apart: its correlation with the score of the other items.

For items with two outcomes it is the corrected point-biserial (item-rest) correlation of classical test theory.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from em_bench.stats.clusters import TINY, Floats

FEWEST_TAKERS = 5
LARGEST = 1 - 1e-9  # Fisher's z of 1 is infinite


@dataclass(frozen=True, slots=True)
class Discrimination:
    """A correlation with its interval, over `n` takers."""

    value: float
    low: float
    high: float
    n: int


def discriminations(values: Floats, confidence: float = 0.95) -> list[Discrimination | None]:
    """Of each row (an item) of `values` over its columns (takers); NaN is unscored.

    None where fewer than `FEWEST_TAKERS` are scored, or all have the same value or the same rest score.
    """
    correlations, counts = item_rest(values)
    return [
        None if math.isnan(value) or n < FEWEST_TAKERS else _with_interval(value, int(n), confidence)
        for value, n in zip(correlations, counts, strict=True)
    ]


def item_rest(values: Floats) -> tuple[Floats, Floats]:
    """Of each item, the correlation of its values with the mean of the other items' (NaN where there is none), and over
    how many takers.
    """
    scored = ~np.isnan(values)
    filled = np.where(scored, values, 0.0)
    others = scored.sum(axis=0) - scored
    usable = scored & (others > 0)
    rest = np.where(usable, (filled.sum(axis=0) - filled) / np.maximum(others, 1), 0.0)
    n = usable.sum(axis=1)
    item = _centred(filled, usable, n)
    rest = _centred(rest, usable, n)
    scale = np.sqrt((item**2).sum(axis=1) * (rest**2).sum(axis=1))
    correlations = np.where(scale > TINY, (item * rest).sum(axis=1) / np.maximum(scale, TINY), np.nan)
    return correlations, n.astype(float)


def _centred(values: Floats, usable: NDArray[np.bool_], n: NDArray[np.int_]) -> Floats:
    means = np.where(usable, values, 0.0).sum(axis=1) / np.maximum(n, 1)
    return np.where(usable, values - means[:, None], 0.0)


def _with_interval(value: float, n: int, confidence: float) -> Discrimination:
    """Fisher's z with the variance (1 + r^2 / 2) / (n - 3) of Bonett and Wright (2000, *Psychometrika* 65:23).

    Theirs is for ranks. With 1 / (n - 3), which is for normal variables, the interval of an item with two outcomes is
    too short (docs/items.md).
    """
    z = math.atanh(max(-LARGEST, min(LARGEST, value)))
    half = float(norm.isf((1 - confidence) / 2)) * math.sqrt((1 + value**2 / 2) / (n - 3))
    return Discrimination(value, math.tanh(z - half), math.tanh(z + half), n)
