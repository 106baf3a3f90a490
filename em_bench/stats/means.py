"""Means of scores with their intervals; for shares see `em_bench.stats.intervals`."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from em_bench.stats.clusters import ASSUMED_ICC, TINY, Floats, fading, rare_event_worth, t_half_width
from em_bench.stats.intervals import WHOLE_RANGE, Rate, RateMethod, wilson


def clustered_mean(
    clusters: Sequence[Sequence[float]],
    unscored: int = 0,
    scale: tuple[float, float] = (0.0, 100.0),
    confidence: float = 0.95,
) -> Rate | None:
    """The mean over clusters of each one's mean score, in the unit of the scores; None without any sample.

    A cluster is a prompt or a probe with its responses. The interval is the hull of Student's t over the clusters'
    means and Wilson's interval of the mean's position on the `scale`, at the number of responses with the same
    error: next to an end of the scale means are skewed. As long as few clusters differ, Wilson's interval for hits and
    misses bounds it, than which scores of a given mean never vary more; equal scores are no certainty. When nothing is
    scored, and for a single cluster, the interval is the whole scale.
    """
    scored = [np.asarray(cluster, dtype=float) for cluster in clusters if len(cluster)]
    if not scored:
        return Rate(None, *scale, 0, unscored, 0, RateMethod.MEANS) if unscored else None
    means = np.array([cluster.mean() for cluster in scored])
    sizes = np.array([len(cluster) for cluster in scored], dtype=float)
    span = scale[1] - scale[0]
    low, high = _interval((means - scale[0]) / span, sizes, confidence)
    value, ends = float(means.mean()), (scale[0] + span * low, scale[0] + span * high)
    return Rate(value, *ends, int(sizes.sum()), unscored, len(scored), RateMethod.MEANS)


def _interval(positions: Floats, sizes: Floats, confidence: float) -> tuple[float, float]:
    """Of the mean position on the scale, 0..1."""
    if len(positions) < 2:
        return WHOLE_RANGE
    value, tail = float(positions.mean()), (1 - confidence) / 2
    half = t_half_width(positions, tail)
    ends = [(max(0.0, value - half), min(1.0, value + half))]
    if half > TINY:
        ends.append(wilson(value, value * (1 - value) * (float(norm.isf(tail)) / half) ** 2, confidence))
    if left := fading(positions - float(np.median(positions))):
        ends.append(wilson(value, float(rare_event_worth(sizes, ASSUMED_ICC).sum()) / left**2, confidence))
    return min(low for low, _ in ends), max(high for _, high in ends)
