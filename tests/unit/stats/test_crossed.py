"""Groups of runs on the same prompts, both of them samples."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind

from em_bench.stats.crossed import crossed


def test_without_variance_between_runs_it_is_the_t_interval_over_prompts():
    random = np.random.default_rng(0)
    before, after = (np.tile(random.random(12), (3, 1)) for _ in range(2))
    test = ttest_1samp(after[0] - before[0], 0)
    interval, difference = test.confidence_interval(), crossed(before, after)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))
    assert (difference.p, difference.run_share) == pytest.approx((test.pvalue, 0.0))


def test_without_variance_between_prompts_it_is_welchs_t_interval_over_runs():
    random = np.random.default_rng(1)
    before, after = (np.tile(random.random((runs, 1)), 12) for runs in (3, 5))
    test = ttest_ind(after[:, 0], before[:, 0], equal_var=False)
    interval, difference = test.confidence_interval(), crossed(before, after)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))
    assert (difference.p, difference.freedom, difference.run_share) == pytest.approx((test.pvalue, test.df, 1.0))


def test_with_both_the_variances_are_added():
    random = np.random.default_rng(2)
    before, after = random.random((3, 10)), random.random((4, 10))
    by_prompt = after.mean(axis=0) - before.mean(axis=0)
    errors = [
        by_prompt.std(ddof=1) / 10**0.5,
        before.mean(axis=1).std(ddof=1) / 3**0.5,
        after.mean(axis=1).std(ddof=1) / 2,
    ]
    difference = crossed(before, after)
    error = np.sqrt(np.square(errors).sum())
    freedom = error**4 / sum(each**4 / own for each, own in zip(errors, (9, 2, 3), strict=True))
    assert difference.freedom == pytest.approx(freedom)
    assert difference.high - difference.value == pytest.approx(np.abs(difference.low - difference.value))
    assert difference.run_share == pytest.approx(1 - errors[0] ** 2 / error**2)


def test_a_group_of_one_run_adds_no_variance_between_runs():
    random = np.random.default_rng(3)
    before, after = random.random((1, 10)), random.random((3, 10))
    assert crossed(before, after).freedom < 11
    assert crossed(before, after[:1]) is None


def test_one_prompt_or_no_variance_at_all_tell_nothing():
    assert crossed(np.ones((3, 1)), np.zeros((3, 1))) is None
    assert crossed(np.ones((3, 5)), np.zeros((3, 5))) is None
