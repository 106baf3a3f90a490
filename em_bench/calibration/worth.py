"""For how many independent labels those of a calibration stand, where several are of one prompt or probe."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.stats import norm

from em_bench.calibration.confusion import Decision, Pair
from em_bench.stats.intervals import Rate, clustered_rate


@dataclass(frozen=True, slots=True)
class Worth:
    """Independent positives and negatives that the labels are worth."""

    positives: float
    negatives: float


def worth_of(pairs: Iterable[Pair], decision: Decision) -> Worth | None:
    """By prompt; None where no prompt has several labels."""
    right: dict[bool, dict[str, list[bool]]] = {True: {}, False: {}}
    for pair in pairs:
        positive = decision.of(pair.verdict)
        if positive is not None:
            truth = decision.of_label(pair.label)
            right[truth].setdefault(_cluster(pair), []).append(positive == truth)
    clusters = [list(each.values()) for each in right.values()]
    if all(len(labels) == 1 for each in clusters for labels in each):
        return None
    return Worth(*(_worth(each) for each in clusters))


def _cluster(pair: Pair) -> str:
    sample = pair.sample
    return str(sample.metadata.get("cluster") or sample.prompt or sample.id)


def _worth(clusters: list[list[bool]]) -> float:
    rate = clustered_rate(clusters, pooled=True)
    return 0.0 if rate is None else min(float(rate.n), effective_n(rate))


def effective_n(rate: Rate, confidence: float = 0.95) -> float:
    """How many independent samples would give a rate the width of its interval: solved from Wilson's formula.

    Of a rate with Wilson's interval it is `n`; of one over few probes much less than their responses.
    """
    if rate.value is None or rate.high - rate.low >= 1:
        return 0.0
    squared, width = float(norm.isf((1 - confidence) / 2)) ** 2, rate.high - rate.low
    # Wilson's width as a quadratic equation in 1 / n
    a = squared**2 * (width**2 - 1) / 4
    b = squared * (width**2 / 2 - rate.value * (1 - rate.value))
    c = width**2 / 4
    return -2 * a / (b + math.sqrt(b * b - 4 * a * c))
