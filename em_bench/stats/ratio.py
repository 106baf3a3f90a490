"""The ratio of two rates whose responses are clustered by question."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from em_bench.stats.intervals import FEW, RESAMPLES, SEED, Floats, cluster_means, clustered_rate, expanded_tail

Clusters = Sequence[Sequence[bool]]
"""The scored responses of each question: a hit or not."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as often. `value` and `high` are None where they have no bound: the denominator may be 0."""

    value: float | None
    low: float
    high: float | None


def ratio(above: Clusters, below: Clusters, confidence: float = 0.95, resamples: int = RESAMPLES) -> Ratio | None:
    """The rate of `above` over that of `below`; None where either has no response.

    The bootstrap resamples the questions of both, then the responses within each. Where fewer than `FEW` questions of
    either have a hit it is too narrow, and the quotients of the rates' own intervals bound it.
    """
    first, second = clustered_rate(above), clustered_rate(below)
    if first is None or second is None:
        return None
    assert first.value is not None and second.value is not None
    random = np.random.default_rng(SEED)
    shares = [_shares(clusters) for clusters in (above, below)]
    means = [cluster_means(*each, resamples, random) for each in shares]
    with np.errstate(divide="ignore", invalid="ignore"):
        quotients = means[0] / means[1]
    low, high = _percentiles(quotients, expanded_tail((1 - confidence) / 2, min(len(each) for each, _ in shares)))
    if min(int(np.count_nonzero(each)) for each, _ in shares) < FEW:
        low = min(low, first.low / second.high if second.high else 0.0)
        high = max(high, first.high / second.low if second.low else np.inf)
    return Ratio(
        first.value / second.value if second.value else None,
        low if np.isfinite(low) else first.low / second.high,
        high if np.isfinite(high) else None,
    )


def _percentiles(quotients: Floats, tail: float) -> tuple[float, float]:
    defined = quotients[~np.isnan(quotients)]  # 0 over 0 is undefined
    if not len(defined):
        return 0.0, np.inf
    # "nearest": a number and infinity have no mean
    low, high = np.quantile(defined, [tail, 1 - tail], method="nearest")
    return float(low), float(high)


def _shares(clusters: Clusters) -> tuple[Floats, NDArray[np.int64]]:
    """Each question's share of hits, and its number of scored responses."""
    sizes = np.array([len(cluster) for cluster in clusters])
    return np.array([sum(cluster) / len(cluster) for cluster in clusters]), sizes
