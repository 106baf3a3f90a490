"""A metric's value for each response, and the rate with its interval that these values give."""

from dataclasses import dataclass

from em_bench.metrics.registry import MetricKey
from em_bench.stats.intervals import Rate, binary_rate, bounds, clustered_bounds, clustered_rate
from em_bench.stats.means import clustered_mean

Value = float | bool | None
"""A hit or not, a score, or None where the response is unscored."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric's value for each response, by document. `scale` is that of scores, None where the values are hits.

    A response that the metric's definition leaves out of its denominator has no row.
    """

    metric: MetricKey
    rows: tuple[tuple[str, Value], ...]
    scale: tuple[float, float] | None = None

    def rate(self, *, clustered: bool) -> Rate | None:
        """The rate with its interval: over documents with the responses of each together, or pooled over responses."""
        unscored = sum(value is None for _, value in self.rows)
        clusters = [[value for value in cluster if value is not None] for cluster in self._clusters()]
        if self.scale is not None:
            return clustered_mean(clusters, unscored, self.scale)
        hits = [[bool(value) for value in cluster] for cluster in clusters]
        return (
            clustered_rate(hits, unscored)
            if clustered
            else binary_rate([hit for cluster in hits for hit in cluster], unscored)
        )

    def bounds(self, *, clustered: bool) -> tuple[float, float] | None:
        """The lowest and the highest share there could be, whatever the unscored are; None for means of scores."""
        if self.scale is not None:
            return None
        if clustered:
            return clustered_bounds([[None if v is None else bool(v) for v in cluster] for cluster in self._clusters()])
        rate = self.rate(clustered=False)
        return None if rate is None else bounds(rate)

    def _clusters(self) -> list[list[Value]]:
        clusters: dict[str, list[Value]] = {}
        for document, value in self.rows:
            clusters.setdefault(document, []).append(value)
        return list(clusters.values())
