"""The area under the ROC curve: how often one group's value is above the other's, ties by half."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

STEPS = 60  # halvings of an interval of length 1


@dataclass(frozen=True, slots=True)
class Auc:
    """0.5 is chance, 1 that every `higher` value is above every `lower` one; with its 95 % interval."""

    value: float
    low: float
    high: float
    n_lower: int
    n_higher: int


def auc(lower: Sequence[float], higher: Sequence[float], confidence: float = 0.95) -> Auc | None:
    """None where a group is empty. The interval is by Newcombe's method 5 (2006, *Statistics in Medicine* 25:559),
    which has a width where the groups are separated completely.
    """
    if not len(lower) or not len(higher):
        return None
    differences = np.subtract.outer(np.array(higher, dtype=float), np.array(lower, dtype=float))
    value = float(((differences > 0) + 0.5 * (differences == 0)).mean())
    z = float(norm.ppf((1 + confidence) / 2))
    low, high = (_bound(value, end, z, len(lower), len(higher)) for end in (0.0, 1.0))
    return Auc(value, low, high, len(lower), len(higher))


def _bound(value: float, end: float, z: float, m: int, n: int) -> float:
    """The value farthest towards `end` from which `value` is no more than z standard errors away."""
    inside, outside = value, end
    for _ in range(STEPS):
        middle = (inside + outside) / 2
        if abs(value - middle) <= z * _standard_error(middle, m, n):
            inside = middle
        else:
            outside = middle
    return inside


def _standard_error(theta: float, m: int, n: int) -> float:
    """Hanley and McNeil's, with both sizes as (m + n) / 2."""
    size = (m + n) / 2 - 1
    spread = 1 + size * (1 - theta) / (2 - theta) + size * theta / (1 + theta)
    return math.sqrt(theta * (1 - theta) * spread / (m * n))
