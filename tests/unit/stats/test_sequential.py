import itertools
import math

import numpy as np
import pytest

from em_bench.stats.sequential import FRACTIONS, adjusted_log_e_values, anytime_interval, log_e_values

# suites with a mean of exactly `null`, and one far above it
SUITES = [
    ([0.0] * 6 + [1.0, -1.0], 0.0),
    ([0.0] * 4 + [1.0, 1.0, -1.0, -1.0], 0.0),
    ([0.0] * 7 + [1.0], 0.125),
    ([0.0] * 5 + [1.0, 1.0, -1.0], 0.125),
    ([-1.0] * 6 + [1.0] * 2, -0.5),
    ([0.5, 0.5, -0.25, 0.0, 0.25, -1.0], 0.0),
    ([1.0] * 3 + [0.0] * 3, 0.1),
]


def orders(suite):
    """All distinct orders, each as likely."""
    return np.array(sorted(set(itertools.permutations(suite))))


def by_hand(values, null, size):
    """The same process, one value and one fraction after the other."""
    wealth = []
    for fraction in FRACTIONS:
        money, total, course = 1.0, 0.0, []
        for number, value in enumerate(values):
            lowest = null if size is None else min(null, (size * null - total) / (size - number))
            money *= 1 + fraction * (lowest - value) / (1 - lowest)
            total += value
            course.append(money)
        wealth.append(course)
    return np.log(np.mean(wealth, axis=0))


@pytest.mark.parametrize(("suite", "null"), SUITES)
@pytest.mark.parametrize("alpha", [0.9, 0.7, 0.5, 0.3, 0.1])
def test_over_all_orders_of_a_suite_the_e_value_ever_crosses_with_probability_alpha_at_most(suite, null, alpha):
    crossed = (log_e_values(orders(suite), null, size=len(suite)) >= math.log(1 / alpha)).any(axis=1)
    assert crossed.mean() <= alpha


@pytest.mark.parametrize(("suite", "null"), SUITES)
def test_over_all_orders_of_a_suite_the_e_value_is_at_most_one_on_average_at_any_time(suite, null):
    means = np.exp(log_e_values(orders(suite), null, size=len(suite))).mean(axis=0)
    assert (means <= 1 + 1e-9).all()


def test_over_all_orders_of_three_parts_rounds_of_one_from_each_keep_alpha_for_the_mean_of_all():
    parts = [[0.0, 1.0, 1.0], [0.0, 0.0, -1.0], [0.0, 1.0, -1.0]]
    drawn = np.array([np.transpose(each) for each in itertools.product(*(itertools.permutations(p) for p in parts))])
    values = drawn.reshape(len(drawn), 9)
    log_e = log_e_values(values, 1 / 9, size=9, strata=3)
    assert log_e.shape == (6**3, 3)
    assert (np.exp(log_e).mean(axis=0) <= 1 + 1e-9).all()
    for alpha in (0.9, 0.5):
        assert (log_e >= math.log(1 / alpha)).any(axis=1).mean() <= alpha


@pytest.mark.parametrize(("lost", "gained", "null"), [(0.1, 0.0, 0.1), (0.3, 0.2, 0.1), (0.2, 0.2, 0.0)])
def test_of_independent_differences_at_the_bound_the_e_value_is_at_most_one_on_average(lost, gained, null):
    values = np.array(list(itertools.product((1.0, 0.0, -1.0), repeat=6)))
    chances = np.array([lost, 1 - lost - gained, gained])[(1 - values).astype(int)].prod(axis=1)
    without_end = np.exp(log_e_values(values, null))
    assert chances @ without_end == pytest.approx(np.ones(6))
    assert (chances @ np.exp(log_e_values(values, null, size=10)) <= 1 + 1e-9).all()


@pytest.mark.parametrize("size", [None, 40])
def test_the_vectorised_process_is_the_one_calculated_step_by_step(size):
    values = np.random.default_rng(3).choice([-1.0, 0.0, 1.0], 40, p=[0.1, 0.6, 0.3])
    assert log_e_values(values, 0.1, size=size) == pytest.approx(by_hand(values, 0.1, size))


def test_108_unchanged_prompts_are_within_ten_points_after_half_of_them():
    log_e = log_e_values(np.zeros(108), 0.1, size=108)
    assert np.argmax(log_e >= math.log(20)) == pytest.approx(39, abs=3)


@pytest.mark.parametrize("size", [None, 60])
def test_the_interval_has_the_bounds_that_no_step_rejected(size):
    values = np.random.default_rng(5).choice([-1.0, 0.0, 1.0], 60, p=[0.05, 0.7, 0.25])
    low, high = anytime_interval(values, 0.9, size=size)
    needed = math.log(2 / 0.1)
    for step, rejected in ((-1e-4, True), (1e-4, False)):
        assert (by_hand(-values, -(low + step), size).max() >= needed) == rejected
        assert (by_hand(values, high - step, size).max() >= needed) == rejected
    assert -1 < low < values.mean() < high < 1


def test_without_values_the_interval_is_everything():
    assert anytime_interval([]) == (-1.0, 1.0)


def test_a_suite_cannot_hold_more_values_than_it_has():
    with pytest.raises(ValueError, match="more values than the 3"):
        log_e_values(np.zeros(4), 0.0, size=3)


def test_adjusted_e_values_are_the_least_averages_over_all_families_that_hold_one():
    values = [0.2, 8.0, 30.0, 1.5, 30.0]
    expected = [
        min(
            np.mean([values[i] for i in family])
            for count in range(1, len(values) + 1)
            for family in itertools.combinations(range(len(values)), count)
            if index in family
        )
        for index in range(len(values))
    ]
    assert np.exp(adjusted_log_e_values(np.log(values))) == pytest.approx(expected)


def test_nothing_to_adjust_is_nothing():
    assert adjusted_log_e_values([]) == []


@pytest.mark.parametrize(("null", "sign", "churn"), [(0.1, 1, 0.0), (0.1, 1, 0.1), (0.0, -1, 0.1)])
def test_in_simulated_suites_at_the_boundary_the_test_is_wrong_at_most_as_often_as_alpha(null, sign, churn):
    random = np.random.default_rng(1)
    drawn = random.random((1000, 108))
    values = sign * np.where(drawn < churn, -1.0, np.where(drawn < 2 * churn + null, 1.0, 0.0))
    crossed = (log_e_values(values, sign * null, size=108) >= math.log(20)).any(axis=1)
    assert crossed.mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)
