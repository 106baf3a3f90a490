"""Intervals for rates: scipy where it has the method. Intervals are two-sided, at 95 % by default."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm, t

Floats = NDArray[np.float64]

RESAMPLES = 10_000
FEW = 5  # informative clusters; below, a bootstrap interval is too narrow and another one bounds it
MANY = 200  # clusters; above, the responses of each are resampled fifty times and not for every resample
CELLS = 2_000_000  # numbers in memory at once
SEED = 20_251_114  # any fixed number: the same run gives the same interval


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its interval, all in 0..1. `n` counts scored samples, `unscored` those left out.

    `value` is None when nothing is scored; the interval is then 0 to 1. A mean of scores is in the scores' own unit.
    """

    value: float | None
    low: float
    high: float
    n: int
    unscored: int

    @property
    def unscored_share(self) -> float:
        return self.unscored / (self.n + self.unscored)


WHOLE_RANGE = (0.0, 1.0)


def binary_rate(hits: Sequence[bool], unscored: int = 0, confidence: float = 0.95) -> Rate | None:
    """The share of hits with Wilson's interval; None without any sample."""
    if not hits:
        return Rate(None, *WHOLE_RANGE, 0, unscored) if unscored else None
    return Rate(sum(hits) / len(hits), *_wilson(sum(hits), len(hits), confidence), len(hits), unscored)


def clustered_rate(
    clusters: Sequence[Sequence[bool]], unscored: int = 0, confidence: float = 0.95, resamples: int = RESAMPLES
) -> Rate | None:
    """The mean over clusters of each one's share of hits, with a bootstrap interval; None without any sample.

    A cluster is a probe with its responses. The bootstrap resamples probes, then responses within each: 24 probes with
    10 responses are 24 draws of a question, not 240. Percentiles are Hesterberg's expanded ones (2015, *The American
    Statistician* 69:371), because plain percentiles are too narrow for few clusters: see `benchmarks/coverage.py`.
    Where fewer than `FEW` probes have a hit, or a miss, the bootstrap is too narrow still (with 0 hits it has no
    width), and Wilson's interval over the probes bounds it.
    """
    scored = [np.asarray(cluster, dtype=float) for cluster in clusters if len(cluster)]
    if not scored:
        return Rate(None, *WHOLE_RANGE, 0, unscored) if unscored else None
    shares = np.array([cluster.mean() for cluster in scored])
    sizes = np.array([len(cluster) for cluster in scored])
    n = int(sizes.sum())
    random = np.random.default_rng(SEED)
    means = cluster_means(shares, sizes, resamples, random)
    tail = expanded_tail((1 - confidence) / 2, len(scored))
    low, high = np.quantile(means, [tail, 1 - tail])
    value = float(shares.mean())
    if min(np.count_nonzero(shares > 0), np.count_nonzero(shares < 1)) < FEW:
        probes = len(scored)
        low = min(low, _wilson(math.floor(value * probes), probes, confidence)[0])
        high = max(high, _wilson(math.ceil(value * probes), probes, confidence)[1])
    return Rate(value, float(low), float(high), n, unscored)


def cluster_means(shares: Floats, sizes: NDArray[np.int64], resamples: int, random: np.random.Generator) -> Floats:
    """Means over resampled clusters. Resampled responses of a cluster are binomial with its own share."""
    if len(shares) <= MANY:
        indices = random.integers(len(shares), size=(resamples, len(shares)))
        return np.asarray((random.binomial(sizes[indices], shares[indices]) / sizes[indices]).mean(axis=1))
    pool = random.binomial(sizes[:, None], shares[:, None], (len(shares), 50)) / sizes[:, None]
    return resampled_means(pool.ravel(), len(shares), resamples, random)


def resampled_means(pool: Floats, n: int, resamples: int, random: np.random.Generator) -> Floats:
    """`resamples` means of n draws from a pool, `CELLS` numbers at a time."""
    pool = pool.astype(np.float32)
    step = max(1, CELLS // n)
    sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
    means = [pool[random.integers(len(pool), size=(size, n), dtype=np.int32)].mean(axis=1) for size in sizes]
    return np.asarray(np.concatenate(means), dtype=float)


def expanded_tail(tail: float, clusters: int) -> float:
    """The bootstrap tail that covers `tail`: corrects for n in place of n - 1, and for normal in place of t."""
    if clusters < 2:
        return 0.0
    return float(norm.cdf(-math.sqrt(clusters / (clusters - 1)) * t.isf(tail, clusters - 1)))


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


def _wilson(hits: int, n: int, confidence: float) -> tuple[float, float]:
    interval = binomtest(hits, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
