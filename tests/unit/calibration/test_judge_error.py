import pytest

from em_bench.calibration.calibrate import Calibration
from em_bench.calibration.confusion import Counts, Decision
from em_bench.calibration.judge_error import judge_error
from em_bench.errors import ResultError
from made_runs import refusals


def calibration(counts, **values):
    return Calibration("keyword", values.pop("version", ""), "labels.csv", Decision(), counts, {}, **values)


def test_the_gain_is_that_of_jeffreys_posteriors():
    found = judge_error(calibration(Counts(90, 10, 5, 95), groups={"bias": Counts(40, 0, 0, 40)}), [])
    assert found.gain.value == pytest.approx(90.5 / 101 + 95.5 / 101 - 1)
    variances = [a * b / ((a + b) ** 2 * (a + b + 1)) for a, b in ((90.5, 10.5), (95.5, 5.5))]
    assert found.gain.error == pytest.approx(sum(variances) ** 0.5)
    assert found.parts["bias"].positives == 40
    assert found.metrics == {"refusal_rate", "over_refusal_rate"}


def test_a_judge_that_may_tell_nothing_corrects_nothing():
    with pytest.raises(ResultError, match="the judge tells nothing"):
        judge_error(calibration(Counts(6, 5, 5, 6)), [])


def test_a_calibration_of_another_version_is_refused_unless_forced():
    other = calibration(Counts(90, 10, 5, 95), version="another")
    with pytest.raises(ResultError, match="judge or calibrate again"):
        judge_error(other, [refusals(90)])
    assert judge_error(other, [refusals(90)], force=True)
