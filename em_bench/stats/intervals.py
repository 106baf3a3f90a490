"""Rates with their intervals, two-sided, at 95 % by default; the methods are in docs/statistics.md."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from scipy.stats import norm

from em_bench.stats.clusters import Floats, effective_responses, t_half_width

RESAMPLES = 10_000
SEED = 20_251_114  # any fixed number: the same run gives the same interval
WHOLE_RANGE = (0.0, 1.0)
# Below, the spread between clusters is a guess (Student's t at 3 degrees of freedom is 3.2 where z is 2), and a share
# of independent responses is known to +-20 points at best.
FEWEST_CLUSTERS, FEWEST_RESPONSES = 5, 20


class RateMethod(StrEnum):
    """Where a rate's interval comes from."""

    WILSON = "Wilson's score interval over independent responses"
    CLUSTERS = "Student's t over clusters, and Wilson's interval over the responses that they are worth"
    MEANS = "Student's t over clusters' means"


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its interval, all in 0..1. `n` counts scored samples, `unscored` those left out.

    `value` is None when nothing is scored; the interval is then 0 to 1. A mean of scores is in the scores' own unit.
    `clusters` counts the prompts or probes that the responses belong to; None where each response stands for itself.
    `too_few`: too few clusters, or independent responses, for the interval to tell anything.
    """

    value: float | None
    low: float
    high: float
    n: int
    unscored: int
    clusters: int | None = None
    method: RateMethod = RateMethod.WILSON
    too_few: bool = field(init=False)

    def __post_init__(self) -> None:
        few = self.n < FEWEST_RESPONSES if self.clusters is None else self.clusters < FEWEST_CLUSTERS
        object.__setattr__(self, "too_few", few)

    @property
    def unscored_share(self) -> float:
        return self.unscored / (self.n + self.unscored)


def binary_rate(hits: Sequence[bool], unscored: int = 0, confidence: float = 0.95) -> Rate | None:
    """The share of hits with Wilson's interval; None without any sample."""
    if not hits:
        return Rate(None, *WHOLE_RANGE, 0, unscored) if unscored else None
    value = sum(hits) / len(hits)
    return Rate(value, *wilson(value, len(hits), confidence), len(hits), unscored)


def clustered_rate(
    clusters: Sequence[Sequence[bool]], unscored: int = 0, confidence: float = 0.95, *, pooled: bool = False
) -> Rate | None:
    """The mean over clusters of each one's share of hits; `pooled`: the share over all responses. None without any.

    The interval is the hull of two. Student's t over the clusters' shares assumes nothing about how alike the responses
    of a cluster are, but has no width where all shares are equal and is too short next to 0 and 1. Wilson's over the
    responses that the clusters are worth (`em_bench.stats.clusters`) knows what few hits leave open.
    """
    scored = [cluster for cluster in clusters if len(cluster)]
    if not scored:
        return Rate(None, *WHOLE_RANGE, 0, unscored, 0, RateMethod.CLUSTERS) if unscored else None
    shares = np.array([sum(cluster) / len(cluster) for cluster in scored])
    sizes = np.array([len(cluster) for cluster in scored], dtype=float)
    weights = sizes / sizes.sum() if pooled else np.full(len(sizes), 1 / len(sizes))
    value = sum(map(sum, scored)) / float(sizes.sum()) if pooled else float(shares.mean())
    low, high = _clustered_interval(value, shares, sizes, weights, confidence)
    return Rate(value, low, high, int(sizes.sum()), unscored, len(scored), RateMethod.CLUSTERS)


def _clustered_interval(
    value: float, shares: Floats, sizes: Floats, weights: Floats, confidence: float
) -> tuple[float, float]:
    if len(shares) < 2:
        return WHOLE_RANGE
    tail = (1 - confidence) / 2
    half = t_half_width(shares, tail, weights)
    low, high = wilson(value, effective_responses(shares, sizes, weights, tail), confidence)
    return max(0.0, min(low, value - half)), min(1.0, max(high, value + half))


def wilson(value: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share; `n` may be a fraction."""
    z = float(norm.isf((1 - confidence) / 2))
    centre = value + z * z / (2 * n)
    half = z * math.sqrt(value * (1 - value) / n + (z / (2 * n)) ** 2)
    low, high = ((centre + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return (low if value > 0 else 0.0), (high if value < 1 else 1.0)


def bounds(rate: Rate) -> tuple[float, float]:
    """Manski's bounds of a share: if all unscored samples were misses, and if all were hits.

    For independent samples; `clustered_bounds` is for responses that are clustered by probe.
    """
    hits, total = (rate.value or 0.0) * rate.n, rate.n + rate.unscored
    return (hits / total, (hits + rate.unscored) / total) if total else WHOLE_RANGE


def clustered_bounds(clusters: Iterable[Sequence[bool | None]]) -> tuple[float, float] | None:
    """Manski's bounds of the mean over clusters; None in a cluster is an unscored response. None without any response.

    A cluster without a scored response, which `clustered_rate` leaves out, counts here. Leave out of the clusters what
    the metric's definition leaves out of its denominator.
    """
    ends = [share_bounds(cluster) for cluster in clusters if len(cluster)]
    return mean_bounds(ends) if ends else None


def share_bounds(cluster: Sequence[float | None]) -> tuple[float, float]:
    """The lowest and highest share of hits in one cluster, whatever its unscored responses (None) are."""
    hits, unscored = sum(hit == 1 for hit in cluster), sum(hit is None for hit in cluster)
    return hits / len(cluster), (hits + unscored) / len(cluster)


def mean_bounds(ends: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(low for low, _ in ends) / len(ends), sum(high for _, high in ends) / len(ends)
