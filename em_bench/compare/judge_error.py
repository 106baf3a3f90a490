"""A judge's measured errors in the gate: what a difference of its verdicts says about the true difference.

A judge with sensitivity Se and specificity Sp shows (Se + Sp - 1) of every true difference, if it errs alike on both
sides (Rogan and Gladen 1978, *American Journal of Epidemiology* 107:71, of the difference). The corrected difference is
divided by that gain. Its interval adds the calibration's own uncertainty by the delta method, each side by itself
(as MOVER does; Donner and Zou 2012, *Statistical Methods in Medical Research* 21:347).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from scipy.stats import norm

from em_bench.compare.differences import Difference
from em_bench.stats.paired import Paired

LEAST = 20
"""Labelled positives, and negatives, that a part of the suite needs for a gain of its own."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Sensitivity + specificity - 1, its standard error, and the labels that it is of."""

    value: float
    error: float
    positives: float
    negatives: float


@dataclass(frozen=True, slots=True)
class JudgeError:
    """The gain of one judge on some metrics. `parts` are those of single tasks or domains."""

    judge: str
    metrics: frozenset[str]
    gain: Gain
    parts: Mapping[str, Gain] = field(default_factory=dict)

    def of(self, each: Difference) -> Gain | None:
        """The gain that a difference was seen with; None of another judge or metric."""
        if each.key.judge != self.judge or each.key.metric.name not in self.metrics:
            return None
        own = (self.parts.get(name) for name in (each.key.task, each.key.domain) if name)
        enough = (part for part in own if part and min(part.positives, part.negatives) >= LEAST)
        return next(enough, self.gain)


def corrected(each: Difference, gain: Gain, confidence: float) -> Difference:
    """The true difference, with the uncertainty of the calibration. p values stay: no change is no change."""
    extremes = each.extremes
    return replace(
        each,
        change=_corrected(each.change, gain, confidence),
        extremes=None
        if extremes is None
        else (_corrected(extremes[0], gain, confidence), _corrected(extremes[1], gain, confidence)),
    )


def _corrected(change: Paired, gain: Gain, confidence: float) -> Paired:
    critical = norm.isf((1 - confidence) / 2)
    value = change.value / gain.value
    by_gain = critical * value * gain.error / gain.value
    low = value - math.hypot((change.value - change.low) / gain.value, by_gain)
    high = value + math.hypot((change.high - change.value) / gain.value, by_gain)
    return replace(change, value=value, low=float(low), high=float(high))
