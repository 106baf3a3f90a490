"""A calibration as the gate uses it."""

from collections.abc import Iterable

from scipy.stats import beta

from em_bench.calibration.calibrate import Calibration
from em_bench.calibration.confusion import Counts
from em_bench.calibration.correct import UNINFORMATIVE, check_usable, check_version, posteriors
from em_bench.calibration.options import REFUSAL
from em_bench.calibration.worth import Worth
from em_bench.compare.judge_error import Gain, JudgeError
from em_bench.errors import ResultError
from em_bench.runs.model import Run


def judge_error(calibration: Calibration, runs: Iterable[Run], *, force: bool = False) -> JudgeError:
    """Raises `ResultError` where it is of another version than the runs' judge (but for `force`), or of no use."""
    check_usable(calibration)
    for run in runs:
        for task in run.tasks.values():
            if calibration.judge in task.judges and not force:
                check_version(run, task, calibration)
    gain = _gain(calibration.counts, calibration.worth)
    if gain.value <= 2 * gain.error:
        raise ResultError(
            f"calibration of judge {calibration.judge!r}: {UNINFORMATIVE}, or might; label more responses"
        )
    positive = calibration.decision.positive
    metrics = {"refusal_rate", "over_refusal_rate"} if positive == REFUSAL else {f"{positive}_rate"}
    parts = {name: _gain(counts) for name, counts in calibration.groups.items()}
    useful = {name: part for name, part in parts.items() if part.value > 2 * part.error}
    return JudgeError(calibration.judge, frozenset(metrics), gain, useful)


def _gain(counts: Counts, worth: Worth | None = None) -> Gain:
    """By the posteriors of sensitivity and specificity."""
    sensitivity, specificity = (beta(*ends) for ends in posteriors(counts, worth))
    return Gain(
        float(sensitivity.mean() + specificity.mean() - 1),
        float((sensitivity.var() + specificity.var()) ** 0.5),
        counts.true_positive + counts.false_negative,
        counts.true_negative + counts.false_positive,
    )
