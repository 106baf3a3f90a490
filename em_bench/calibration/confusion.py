"""One decision, and how two readers of it agree: labels that people gave beside a judge's verdicts.

The decision is whether a response is positive; by default, whether it is a refusal, whole or partial. Sensitivity is
the share of labelled positives that the judge calls positive, specificity the same of negatives, and precision the
share of what it calls positive that is. An unscored verdict is in none of them and is counted apart.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from em_bench.calibration.options import REFUSAL
from em_bench.errors import ConfigError
from em_bench.metrics.labels import COHERENCE, REFUSALS
from em_bench.stats.intervals import RESAMPLES, SEED, Rate, binary_rate
from em_bench.types import Sample, Verdict


@dataclass(frozen=True, slots=True)
class Decision:
    """What makes a response positive: a label (`refusal` includes partial ones), or a score on one side of a number."""

    positive: str = REFUSAL
    below: float | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        if self.below is not None and self.at_least is not None:
            raise ConfigError("a score is positive below a number or from one on: give one of the two")
        if self.by_score and not math.isfinite(self.below if self.below is not None else self.at_least or 0):
            raise ConfigError("a score is compared with a finite number, like --score-below 30")

    @property
    def by_score(self) -> bool:
        return self.below is not None or self.at_least is not None

    def of_label(self, label: str) -> bool:
        return label in REFUSALS if self.positive == REFUSAL else label == self.positive

    def of(self, verdict: Verdict) -> bool | None:
        """None is unscored, or has no label (no score) to decide by."""
        if self.by_score:
            if verdict.score is None:
                return None
            return verdict.score < self.below if self.below is not None else verdict.score >= float(self.at_least or 0)
        if verdict.label is None and verdict.unscored is None and COHERENCE in verdict.parts:
            return False  # the rubrics of probes have words for a refusal and the like, and this one got its scores
        return None if verdict.label is None else self.of_label(verdict.label)

    def word(self, verdict: Verdict) -> str:
        """The verdict as a column of the confusion matrix."""
        if (positive := self.of(verdict)) is None:
            return "unscored"
        if self.by_score:
            return self.positive if positive else f"not {self.positive}"
        return verdict.label or "a score"

    def __str__(self) -> str:
        if self.below is not None:
            return f"{self.positive}: score below {self.below:g}"
        if self.at_least is not None:
            return f"{self.positive}: score of at least {self.at_least:g}"
        return "refusal or partial_refusal" if self.positive == REFUSAL else self.positive


@dataclass(frozen=True, slots=True)
class Pair:
    """One response with its label and its verdict."""

    sample: Sample
    label: str
    verdict: Verdict
    group: str = ""


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement beyond chance, -1..1, with its 95 % interval; `value` is None where it is not defined."""

    value: float | None
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Labels against verdicts, and how many responses of either label are unscored."""

    true_positive: int = 0
    false_negative: int = 0
    false_positive: int = 0
    true_negative: int = 0
    unscored_positive: int = 0
    unscored_negative: int = 0

    @property
    def n(self) -> int:
        return self.true_positive + self.false_negative + self.false_positive + self.true_negative

    @property
    def unscored(self) -> int:
        return self.unscored_positive + self.unscored_negative

    @property
    def sensitivity(self) -> Rate | None:
        return _rate(self.true_positive, self.false_negative, self.unscored_positive)

    @property
    def specificity(self) -> Rate | None:
        return _rate(self.true_negative, self.false_positive, self.unscored_negative)

    @property
    def precision(self) -> Rate | None:
        return _rate(self.true_positive, self.false_positive, 0)

    @property
    def accuracy(self) -> Rate | None:
        right = self.true_positive + self.true_negative
        return _rate(right, self.n - right, self.unscored)

    @property
    def kappa(self) -> Kappa:
        return kappa(self)

    def measures(self) -> dict[str, Rate | Kappa | None]:
        names = ("accuracy", "kappa", "sensitivity", "specificity", "precision")
        return {name: getattr(self, name) for name in names}


def count(pairs: Iterable[Pair], decision: Decision) -> Counts:
    cells = Counter((decision.of_label(pair.label), decision.of(pair.verdict)) for pair in pairs)
    return Counts(
        true_positive=cells[True, True],
        false_negative=cells[True, False],
        false_positive=cells[False, True],
        true_negative=cells[False, False],
        unscored_positive=cells[True, None],
        unscored_negative=cells[False, None],
    )


def disagreements(pairs: Iterable[Pair], decision: Decision) -> list[Pair]:
    """The pairs whose verdict differs from the label; unscored verdicts are left out."""
    decisions = [(pair, decision.of(pair.verdict)) for pair in pairs]
    return [pair for pair, positive in decisions if positive not in (None, decision.of_label(pair.label))]


def kappa(counts: Counts, resamples: int = RESAMPLES) -> Kappa:
    """Cohen's kappa (1960) of the decision, its interval by a bootstrap over the responses.

    The bootstrap is the Bayesian one (Rubin 1981) with half a response added to each cell: a plain one has no width
    where no disagreement was seen.
    """
    cells = np.array([counts.true_positive, counts.false_negative, counts.false_positive, counts.true_negative])
    value = _kappas(cells[None].astype(float))[0] if counts.n else math.nan
    if math.isnan(value):
        return Kappa(None, -1.0, 1.0, counts.n)
    drawn = _kappas(np.random.default_rng(SEED).dirichlet(cells + 0.5, size=resamples))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Kappa(float(value), float(min(low, value)), float(max(high, value)), counts.n)


def _kappas(cells: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Of each row (both, label alone, verdict alone, neither); NaN where all labels and all verdicts are the same."""
    both, label, verdict, neither = (cells / cells.sum(axis=1, keepdims=True)).T
    agreed = both + neither
    chance = (both + label) * (both + verdict) + (neither + label) * (neither + verdict)
    one = chance > 1 - 1e-12
    kappas: np.ndarray[Any, Any] = np.where(one, np.nan, (agreed - chance) / np.where(one, 1.0, 1 - chance))
    return kappas


def _rate(right: int, wrong: int, unscored: int) -> Rate | None:
    return binary_rate([True] * right + [False] * wrong, unscored)
