"""A metric's value for each response, and the rate with its interval that these values give."""

from collections.abc import Mapping
from dataclasses import dataclass

from em_bench.metrics.registry import MetricKey
from em_bench.stats.intervals import Rate, binary_rate, bounds, clustered_bounds, clustered_rate
from em_bench.stats.means import clustered_mean

Value = float | bool | None
"""A hit or not, a score, or None where the response is unscored."""
Clusters = Mapping[str, str]
"""Documents to the probes that they are forms of; one that is not named is its own."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric's value for each response, by document. `scale` is that of scores, None where the values are hits.

    A response that the metric's definition leaves out of its denominator has no row.
    """

    metric: MetricKey
    rows: tuple[tuple[str, Value], ...]
    scale: tuple[float, float] | None = None

    def rate(self, clusters: Clusters | None = None, *, pooled: bool = False) -> Rate | None:
        """The rate with its interval. Responses to one document, or to one probe, are a cluster.

        Each cluster has the same weight, or each response where they are `pooled`. Hits of clusters with one response
        each are independent, and have Wilson's interval.
        """
        unscored = sum(value is None for _, value in self.rows)
        grouped = self._grouped(clusters)
        scored = [[value for value in values if value is not None] for values in grouped]
        if self.scale is not None:
            return clustered_mean(scored, unscored, self.scale)
        hits = [[bool(value) for value in values] for values in scored]
        if all(len(values) == 1 for values in grouped):
            return binary_rate([hit for values in hits for hit in values], unscored)
        return clustered_rate(hits, unscored, pooled=pooled)

    def bounds(self, clusters: Clusters | None = None, *, pooled: bool = False) -> tuple[float, float] | None:
        """The lowest and the highest share there could be, whatever the unscored are; None for means of scores."""
        if self.scale is not None:
            return None
        if not pooled:
            return clustered_bounds(
                [[None if v is None else bool(v) for v in each] for each in self._grouped(clusters)]
            )
        rate = self.rate(clusters, pooled=True)
        return None if rate is None else bounds(rate)

    def _grouped(self, clusters: Clusters | None) -> list[list[Value]]:
        grouped: dict[str, list[Value]] = {}
        for document, value in self.rows:
            grouped.setdefault((clusters or {}).get(document, document), []).append(value)
        return list(grouped.values())
