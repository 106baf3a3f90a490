"""Rates corrected for a judge's measured errors, with the uncertainty of the measurement carried through.

The estimate is that of Rogan and Gladen (1978, *American Journal of Epidemiology* 107:71):

    rate = (judged + specificity - 1) / (sensitivity + specificity - 1)

Its interval is of 10,000 draws: the judged rate, the sensitivity and the specificity are each drawn from the Beta
distribution that Jeffreys' prior and the counts give, and the interval runs between the 2.5 and 97.5 percentiles. A
plain bootstrap of both samples would take a judge that made no error in 30 labels for one that makes none. That the
calibration's uncertainty belongs into the interval of an LLM judge's rate is the point of Lee et al. (2025, arXiv
2511.21140). `benchmarks/coverage.py` measures how often the interval holds the true rate.

What is assumed: the judge errs on the run as it erred on the labelled responses.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from em_bench.calibration.calibrate import Calibration
from em_bench.calibration.confusion import Counts, Decision
from em_bench.calibration.options import REFUSAL
from em_bench.calibration.worth import Worth, effective_n
from em_bench.errors import ResultError
from em_bench.metrics.rates import Measure
from em_bench.metrics.registry import Kind, MetricKey, refusal_metric
from em_bench.runs.clusters import clusters_of
from em_bench.runs.model import Run, TaskRun
from em_bench.stats.intervals import RESAMPLES, SEED, Rate

UNINFORMATIVE = "the judge tells nothing: sensitivity and specificity add up to no more than 1"
OUTSIDE = "judged outside of what this judge's errors allow: the calibration may not fit this run"


@dataclass(frozen=True, slots=True)
class CorrectedLine:
    """One rate of a run as judged and as corrected. `note` says what is wrong with the correction, if anything."""

    checkpoint: str
    task: str
    kind: Kind
    judge: str
    metric: str
    judged: Rate
    corrected: Rate
    note: str = ""


def correct_runs(runs: Iterable[Run], calibration: Calibration, *, force: bool = False) -> list[CorrectedLine]:
    """The rates of the calibrated judge on every task. `force` takes a judge of another version too.

    Raises `ResultError` when no task has verdicts of that judge, when its version is another, or when the calibration
    has no labelled positives or no labelled negatives.
    """
    check_usable(calibration)
    lines = []
    for run in runs:
        tasks = [task for task in run.tasks.values() if calibration.judge in task.judges]
        if not tasks:
            raise ResultError(
                f"{run.path} holds no verdicts of judge {calibration.judge!r}, which the calibration is of; add them "
                "with `em-bench judge`"
            )
        for task in tasks:
            if not force:
                check_version(run, task, calibration)
            lines += _lines(run, task, calibration)
    return lines


def correct(judged: Rate, counts: Counts, confidence: float = 0.95, worth: Worth | None = None) -> tuple[Rate, str]:
    """The corrected rate, and a note on it or "". `n` and `unscored` are those of the judged rate.

    The judged rate may be of clustered responses: its interval then says for how many independent ones they stand.
    `worth` says the same of the labels; without it they are independent.
    """
    n = effective_n(judged, confidence)
    random = np.random.default_rng(SEED)
    value = judged.value or 0.0
    drawn = random.beta(value * n + 0.5, (1 - value) * n + 0.5, RESAMPLES)
    sensitivity, specificity = (random.beta(*ends, RESAMPLES) for ends in posteriors(counts, worth))
    gain = sensitivity + specificity - 1
    rates = np.clip((drawn + specificity - 1) / np.where(gain > 0, gain, 1), 0, 1)
    tail = (1 - confidence) / 2
    # where the judge may tell nothing, the rate may be anything
    low = float(np.quantile(np.where(gain > 0, rates, 0), tail))
    high = float(np.quantile(np.where(gain > 0, rates, 1), 1 - tail))
    estimate = _rogan_gladen(value, counts)
    if estimate is None or judged.value is None:
        return Rate(None, 0.0, 1.0, judged.n, judged.unscored), UNINFORMATIVE if estimate is None else ""
    share = min(max(estimate, 0.0), 1.0)
    # a judge with errors cannot know more than one without: where all draws lie at an edge there would be no width
    bare = beta.ppf([tail, 1 - tail], share * n + 0.5, (1 - share) * n + 0.5)
    interval = (0.0 if share == 0 else min(low, share, bare[0]), 1.0 if share == 1 else max(high, share, bare[1]))
    outside = (
        OUTSIDE
        if (estimate < 0 and judged.high < _edge(counts)[0]) or (estimate > 1 and judged.low > _edge(counts)[1])
        else ""
    )
    return Rate(share, float(interval[0]), float(interval[1]), judged.n, judged.unscored), outside


def posteriors(counts: Counts, worth: Worth | None) -> tuple[tuple[float, float], tuple[float, float]]:
    """The Beta distributions of sensitivity and specificity by Jeffreys' prior: the parameters of each."""
    positives, negatives = counts.true_positive + counts.false_negative, counts.true_negative + counts.false_positive
    shares = [1.0, 1.0] if worth is None else [worth.positives / max(1, positives), worth.negatives / max(1, negatives)]
    return (
        (shares[0] * counts.true_positive + 0.5, shares[0] * counts.false_negative + 0.5),
        (shares[1] * counts.true_negative + 0.5, shares[1] * counts.false_positive + 0.5),
    )


def check_usable(calibration: Calibration) -> None:
    """Raises `ResultError` for a calibration without a scored response of either kind."""
    for what, rate in (("positives", calibration.counts.sensitivity), ("negatives", calibration.counts.specificity)):
        if rate is None or not rate.n:
            raise ResultError(
                f"the calibration of judge {calibration.judge!r} by {calibration.reference} has no scored {what} "
                f"({calibration.decision}), so its errors on them are not known; label some"
            )


def _rogan_gladen(judged: float, counts: Counts) -> float | None:
    """Not clipped to 0..1; None when the judge tells nothing."""
    sensitivity, specificity = counts.sensitivity, counts.specificity
    if sensitivity is None or specificity is None or sensitivity.value is None or specificity.value is None:
        return None
    gain = sensitivity.value + specificity.value - 1
    return (judged + specificity.value - 1) / gain if gain > 1e-9 else None


def _edge(counts: Counts) -> tuple[float, float]:
    """Between which rates this judge's verdicts lie, whatever the responses: never a true positive, or only those."""
    sensitivity, specificity = counts.sensitivity, counts.specificity
    return 1 - (specificity.high if specificity else 1.0), sensitivity.high if sensitivity else 1.0


def _lines(run: Run, task: TaskRun, calibration: Calibration) -> list[CorrectedLine]:
    judge, decision = calibration.judge, calibration.decision
    judged = decided_rate(task, judge, decision)
    if judged is None or judged.value is None:
        return []
    corrected, note = correct(judged, calibration.counts, worth=calibration.worth)
    metric = refusal_metric(task.kind) if decision.positive == REFUSAL else f"{decision.positive}_rate"
    return [CorrectedLine(run.checkpoint.name, task.name, task.kind, judge, metric, judged, corrected, note)]


def decided_rate(task: TaskRun, judge: str, decision: Decision) -> Rate | None:
    """The share of a task's responses that a judge calls positive, over probes or prompts."""
    verdicts = task.verdicts_of(judge)
    rows = tuple((document, decision.of(verdict) if verdict else None) for document, verdict in verdicts)
    return Measure(MetricKey(f"{decision.positive}_rate"), rows).rate(clusters_of(task))


def check_version(run: Run, task: TaskRun, calibration: Calibration) -> None:
    """Raises `ResultError` for a task that another version of the judge has read."""
    version = task.judges[calibration.judge].version
    if version not in calibration.version.split(" | "):
        raise ResultError(
            f"{run.path}: judge {calibration.judge!r} judged {task.name} in version {version}, and was calibrated in "
            f"version {calibration.version}; judge or calibrate again, or go on with --force"
        )
