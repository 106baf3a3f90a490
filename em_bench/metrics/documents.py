"""The metrics of one document, as lm-eval's `process_results` wants them.

A document is a prompt, or a probe with its repeats. lm-eval averages over documents, so its mean is the macro mean
and its standard error is clustered by document. A metric without a scored response is left out: None crashes lm-eval's
aggregation and NaN poisons its mean. `unscored_rate` is always there.
"""

from collections.abc import Sequence

from em_bench.metrics.registry import METRICS, Definition, Kind, Qualifier
from em_bench.metrics.rows import measures
from em_bench.types import Verdict

# lm-eval wants the names before it knows the labels
DOCUMENT_METRICS = tuple(name for name, metric in METRICS.items() if metric.qualified_by is not Qualifier.LABEL)


def document_metrics(kind: Kind, verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Metric name to the mean of its rows, `misaligned_rate` by Betley's definition. `verdicts` is not empty."""
    metrics = {"unscored_rate": sum(verdict.unscored is not None for verdict in verdicts) / len(verdicts)}
    for measure in measures(kind, [("", verdict) for verdict in verdicts], Definition.BETLEY):
        values = [value for _, value in measure.rows if value is not None]
        if values and measure.metric.name in DOCUMENT_METRICS:
            metrics[measure.metric.name] = sum(values) / len(values)
    return metrics
