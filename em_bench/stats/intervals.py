"""Intervals for rates. scipy where it has the method; every interval is two-sided at 95 % unless told otherwise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm, t

Floats = NDArray[np.float64]

RESAMPLES = 10_000
FEW = 5
MANY = 200  # clusters; above, their responses are drawn again fifty times each and not for every resample
CELLS = 2_000_000
SEED = 20_251_114  # any fixed number: the same run gives the same interval


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its interval, all in 0..1. `n` counts scored samples, `unscored` those left out.

    `value` is None when nothing was scored: then all that is known is that the share lies between 0 and 1.
    """

    value: float | None
    low: float
    high: float
    n: int
    unscored: int

    @property
    def unscored_share(self) -> float:
        return self.unscored / (self.n + self.unscored)


NOTHING_KNOWN = (0.0, 1.0)


def binary_rate(hits: Sequence[bool], unscored: int = 0, confidence: float = 0.95) -> Rate | None:
    """The share of hits with Wilson's interval; None without any sample."""
    if not hits:
        return Rate(None, *NOTHING_KNOWN, 0, unscored) if unscored else None
    return Rate(sum(hits) / len(hits), *_wilson(sum(hits), len(hits), confidence), len(hits), unscored)


def clustered_rate(
    clusters: Sequence[Sequence[bool]], unscored: int = 0, confidence: float = 0.95, resamples: int = RESAMPLES
) -> Rate | None:
    """The mean over clusters of each one's share of hits, with a bootstrap interval; None without any sample.

    A cluster is a probe with its responses. Probes are drawn again, then the responses within each: 24 probes with 10
    responses are 24 draws of a question, not 240. Percentiles are those of Hesterberg's expanded interval (2015,
    *The American Statistician* 69:371), as those of a plain bootstrap are too narrow for few clusters: see
    `benchmarks/coverage.py`. Where fewer than `FEW` probes differ from all or nothing a bootstrap is too narrow still
    (of 0 hits it has no width at all), and Wilson's interval over the probes bounds it.
    """
    scored = [np.asarray(cluster, dtype=float) for cluster in clusters if len(cluster)]
    if not scored:
        return Rate(None, *NOTHING_KNOWN, 0, unscored) if unscored else None
    shares = np.array([cluster.mean() for cluster in scored])
    sizes = np.array([len(cluster) for cluster in scored])
    n = int(sizes.sum())
    random = np.random.default_rng(SEED)
    again = cluster_means(shares, sizes, resamples, random)
    tail = expanded_tail((1 - confidence) / 2, len(scored))
    low, high = np.quantile(again, [tail, 1 - tail])
    value = float(shares.mean())
    if min(np.count_nonzero(shares > 0), np.count_nonzero(shares < 1)) < FEW:
        probes = len(scored)
        low = min(low, _wilson(math.floor(value * probes), probes, confidence)[0])
        high = max(high, _wilson(math.ceil(value * probes), probes, confidence)[1])
    return Rate(value, float(low), float(high), n, unscored)


def cluster_means(shares: Floats, sizes: NDArray[np.int64], resamples: int, random: np.random.Generator) -> Floats:
    """Means over clusters that are drawn again. The responses of one, drawn again, are a binomial of its own share."""
    if len(shares) <= MANY:
        drawn = random.integers(len(shares), size=(resamples, len(shares)))
        return np.asarray((random.binomial(sizes[drawn], shares[drawn]) / sizes[drawn]).mean(axis=1))
    pool = random.binomial(sizes[:, None], shares[:, None], (len(shares), 50)) / sizes[:, None]
    return resampled_means(pool.ravel(), len(shares), resamples, random)


def resampled_means(pool: Floats, n: int, resamples: int, random: np.random.Generator) -> Floats:
    """Means of n draws from a pool, as many as `resamples`; `CELLS` at a time, which bounds the memory."""
    pool = pool.astype(np.float32)
    step = max(1, CELLS // n)
    sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
    means = [pool[random.integers(len(pool), size=(size, n), dtype=np.int32)].mean(axis=1) for size in sizes]
    return np.asarray(np.concatenate(means), dtype=float)


def expanded_tail(tail: float, clusters: int) -> float:
    """The tail of a bootstrap over so many clusters that holds what `tail` says: it has n for n - 1 and no t in it."""
    if clusters < 2:
        return 0.0
    return float(norm.cdf(-math.sqrt(clusters / (clusters - 1)) * t.isf(tail, clusters - 1)))


def bounds(rate: Rate) -> tuple[float, float]:
    """The lowest and the highest share there could be: no unscored sample a hit, and all of them (Manski's bounds).

    For independent samples; where responses are clustered by probe, `clustered_bounds` says it right.
    """
    hits, total = (rate.value or 0.0) * rate.n, rate.n + rate.unscored
    return (hits / total, (hits + rate.unscored) / total) if total else NOTHING_KNOWN


def clustered_bounds(clusters: Sequence[Sequence[bool | None]]) -> tuple[float, float] | None:
    """The same for the mean over clusters; None in a cluster is an unscored response. None without any response.

    A cluster without a scored response, which `clustered_rate` leaves out, counts here: it could be anything. What a
    definition leaves out of its denominator is left out of the clusters.
    """
    answered = [cluster for cluster in clusters if len(cluster)]
    if not answered:
        return None
    low = [sum(hit is True for hit in cluster) / len(cluster) for cluster in answered]
    high = [sum(hit is not False for hit in cluster) / len(cluster) for cluster in answered]
    return sum(low) / len(low), sum(high) / len(high)


def _wilson(hits: int, n: int, confidence: float) -> tuple[float, float]:
    interval = binomtest(hits, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
