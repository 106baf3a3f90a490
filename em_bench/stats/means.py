"""Means of scores with their intervals; for shares see `em_bench.stats.intervals`."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from em_bench.stats.intervals import FEW, RESAMPLES, SEED, Rate, binary_rate, expanded_tail

INNER, AT_ONCE = 1_000, 2_000_000
_Floats = np.ndarray[Any, np.dtype[np.float64]]


def clustered_mean(
    clusters: Sequence[Sequence[float]],
    unscored: int = 0,
    scale: tuple[float, float] = (0.0, 100.0),
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
) -> Rate | None:
    """The mean over clusters of each one's mean score, in the unit of the scores; None without any sample.

    A cluster is a prompt or a probe with its responses. The bootstrap resamples clusters, then responses within each,
    with the expanded percentiles of `em_bench.stats.intervals.clustered_rate`. Where fewer than `FEW` clusters are off
    an end of the `scale` it is too narrow (with equal scores it has no width), and Wilson's interval of the mean's
    position on the scale bounds it: scores of a given mean never vary more than hits and misses do. When nothing is
    scored the interval is the whole scale.
    """
    scored = [np.asarray(cluster, dtype=float) for cluster in clusters if len(cluster)]
    if not scored:
        return Rate(None, *scale, 0, unscored) if unscored else None
    means = np.array([cluster.mean() for cluster in scored])
    random = np.random.default_rng(SEED)
    inner = np.stack([_inner_means(cluster, random) for cluster in scored])
    resampled = np.concatenate([_resampled(inner, count, random) for count in _batches(resamples, len(scored))])
    tail = expanded_tail((1 - confidence) / 2, len(scored))
    low, high = (float(end) for end in np.quantile(resampled, [tail, 1 - tail]))
    value = float(means.mean())
    if min(np.count_nonzero(means > scale[0]), np.count_nonzero(means < scale[1])) < FEW or len(scored) < FEW:
        widest = _wilson_on_scale(value, len(scored), scale, confidence)
        low, high = min(low, widest[0]), max(high, widest[1])
    return Rate(value, low, high, sum(map(len, scored)), unscored)


def _batches(resamples: int, clusters: int) -> list[int]:
    """Resamples per batch, which bounds the memory for any number of clusters."""
    size = max(1, AT_ONCE // clusters)
    return [min(size, resamples - done) for done in range(0, resamples, size)]


def _resampled(inner: _Floats, count: int, random: np.random.Generator) -> _Floats:
    indices = random.integers(len(inner), size=(count, len(inner)))
    means: _Floats = inner[indices, random.integers(INNER, size=indices.shape)].mean(axis=1)
    return means


def _inner_means(cluster: _Floats, random: np.random.Generator) -> _Floats:
    if len(cluster) == 1:
        return np.repeat(cluster, INNER)
    means: _Floats = random.choice(cluster, size=(INNER, len(cluster))).mean(axis=1)
    return means


def _wilson_on_scale(value: float, n: int, scale: tuple[float, float], confidence: float) -> tuple[float, float]:
    low, high = scale
    hits_alike = n * (value - low) / (high - low)
    ends = [
        binary_rate([True] * hits + [False] * (n - hits), 0, confidence)
        for hits in (math.floor(hits_alike), math.ceil(hits_alike))
    ]
    assert ends[0] is not None and ends[1] is not None
    return low + (high - low) * ends[0].low, low + (high - low) * ends[1].high
