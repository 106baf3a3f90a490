from itertools import product

import numpy as np
import pytest
from scipy.stats import multinomial, norm

from em_bench.stats.power import POWER, Rule, churn_of, decisions, detectable, detectable_by_t, tango_scores
from em_bench.stats.tango import tango_interval, tango_score

RULE = Rule(margin=0.1, pass_level=0.05, regress_level=0.05 / 7)


def test_the_chances_of_a_pass_and_a_regression_are_those_of_every_possible_table():
    n, gained, lost = 25, 0.05, 0.2
    passed = regressed = 0.0
    for gains, losses in product(range(n + 1), repeat=2):
        if gains + losses > n:
            continue
        chance = multinomial.pmf([gains, losses, n - gains - losses], n, [gained, lost, 1 - gained - lost])
        is_pass = tango_interval(gains, losses, n, 0.9)[0] >= -0.1
        score = (losses - gains) / (gains + losses) ** 0.5 if gains + losses else 0
        passed += chance * is_pass
        regressed += chance * (not is_pass and score >= norm.isf(0.05 / 7) and losses - gains > 0.1 * n + 1e-9)
    found = decisions(n, gained, lost, RULE)
    assert (found.passes, found.regresses) == pytest.approx((passed, regressed), abs=1e-6)


def test_scores_of_many_tables_are_those_of_each():
    tables = np.array([[0, 0], [3, 5], [0, 9], [7, 0]], dtype=float)
    found = tango_scores(tables[:, 0], tables[:, 1], 50, -0.1)
    assert found == pytest.approx([tango_score(gained, lost, 50, -0.1) for gained, lost in tables])


@pytest.mark.parametrize(("n", "churn"), [(108, 0.02), (108, 0.0), (756, 0.05), (40, 0.05)])
def test_a_worsening_of_the_detectable_size_is_called_a_regression_four_times_in_five(n, churn):
    worse = detectable(n, churn, RULE)
    gained, lost, _ = np.random.default_rng(1).multinomial(n, [churn, churn + worse, 1 - 2 * churn - worse], 20000).T
    moved = np.maximum(gained + lost, 1)
    significant = (lost - gained) / np.sqrt(moved) >= norm.isf(RULE.regress_level)
    regressions = significant & (lost - gained > 0.1 * n + 1e-9)
    assert regressions.mean() == pytest.approx(POWER, abs=0.03)


def test_nothing_is_detectable_with_too_few_prompts():
    assert detectable(3, 0.0, RULE) is None


def test_a_wider_margin_more_tests_and_fewer_prompts_need_a_larger_worsening():
    size = detectable(108, 0.02, RULE)
    assert detectable(108, 0.02, Rule(0.2, 0.05, 0.05 / 7)) > size
    assert detectable(108, 0.02, Rule(0.1, 0.05, 0.05 / 700)) > size
    assert detectable(50, 0.02, RULE) > size


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (3, 3), (2, 4), (1, 20)])
def test_the_churn_is_read_off_an_interval(gained, lost):
    low, high = (-end for end in tango_interval(gained, lost, 108, 0.9)[::-1])
    found = churn_of((lost - gained) / 108, low, high, 108, 0.9)
    is_chance = lost - gained <= norm.isf(0.05) * (gained + lost) ** 0.5
    assert 108 * found == pytest.approx((gained + lost) / 2 if is_chance else gained, abs=1e-3)


def test_of_scores_the_detectable_worsening_has_the_power_of_a_t_test():
    worse = detectable_by_t(2.0, 40, Rule(0.0, 0.05, 0.05), span=100.0)
    random = np.random.default_rng(2)
    samples = random.normal(worse, 2.0 * 40**0.5, (4000, 40))
    t_values = samples.mean(axis=1) / (samples.std(axis=1, ddof=1) / 40**0.5)
    assert (t_values > 1.685).mean() == pytest.approx(POWER, abs=0.03)
