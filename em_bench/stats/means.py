"""Means of scores with their intervals; for shares see `em_bench.stats.intervals`."""

from collections.abc import Sequence

import numpy as np

from em_bench.stats.clusters import ASSUMED_ICC, fading, rare_event_worth, t_half_width
from em_bench.stats.intervals import Rate, RateMethod, wilson


def clustered_mean(
    clusters: Sequence[Sequence[float]],
    unscored: int = 0,
    scale: tuple[float, float] = (0.0, 100.0),
    confidence: float = 0.95,
) -> Rate | None:
    """The mean over clusters of each one's mean score, in the unit of the scores; None without any sample.

    A cluster is a prompt or a probe with its responses. The interval is Student's t over the clusters' means. It has no
    width where all are equal, so as long as few differ Wilson's interval of the mean's position on the `scale` bounds
    it: scores of a given mean never vary more than hits and misses do. When nothing is scored, and for a single
    cluster, the interval is the whole scale.
    """
    scored = [np.asarray(cluster, dtype=float) for cluster in clusters if len(cluster)]
    if not scored:
        return Rate(None, *scale, 0, unscored, 0, RateMethod.MEANS) if unscored else None
    means = np.array([cluster.mean() for cluster in scored])
    value, half = float(means.mean()), t_half_width(means, (1 - confidence) / 2)
    low, high = value - half, value + half
    if left := fading(means - float(np.median(means))):
        sizes = np.array([len(cluster) for cluster in scored], dtype=float)
        span = scale[1] - scale[0]
        worth = float(rare_event_worth(sizes, ASSUMED_ICC).sum()) / left**2
        ends = wilson((value - scale[0]) / span, worth, confidence)
        low, high = min(low, scale[0] + span * ends[0]), max(high, scale[0] + span * ends[1])
    n = sum(map(len, scored))
    return Rate(value, max(low, scale[0]), min(high, scale[1]), n, unscored, len(scored), RateMethod.MEANS)
