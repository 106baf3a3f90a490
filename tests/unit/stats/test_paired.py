import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, norm, permutation_test

from em_bench.stats.multiplicity import holm
from em_bench.stats.paired import (
    Method,
    method_for,
    paired_bounds,
    paired_by,
    paired_difference,
    paired_probe_difference,
)
from em_bench.stats.tango import tango_interval, tango_score

TABLES = [(0, 12, 100), (3, 9, 54), (1, 0, 20), (30, 25, 300), (0, 7, 7), (2, 2, 10)]


def pairs(gained, lost, n):
    return [(False, True)] * gained + [(True, False)] * lost + [(True, True)] * (n - gained - lost)


@pytest.mark.parametrize(("gained", "lost", "n"), TABLES)
def test_p_is_the_exact_mcnemar_of_scipy_and_statsmodels(gained, lost, n):
    found = paired_difference(pairs(gained, lost, n))
    assert found.p == pytest.approx(binomtest(gained, gained + lost).pvalue)
    from statsmodels.stats.contingency_tables import mcnemar

    table = [[n - gained - lost, lost], [gained, 0]]
    assert found.p == pytest.approx(mcnemar(table, exact=True).pvalue)


@pytest.mark.parametrize(("gained", "lost", "n"), TABLES)
def test_at_the_ends_of_tangos_interval_the_score_is_critical(gained, lost, n):
    low, high = tango_interval(gained, lost, n)
    assert low < (gained - lost) / n < high or -1 in (low, high)
    for end, expected in ((low, norm.isf(0.025)), (high, -norm.isf(0.025))):
        assert abs(end) == 1 or tango_score(gained, lost, n, end) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("n", [1, 10, 100])
def test_where_nothing_changed_the_interval_is_wilsons_of_none_of_n(n):
    low, high = tango_interval(0, 0, n)
    assert (-low, high) == pytest.approx([binomtest(0, n).proportion_ci(method="wilson").high] * 2)


def test_interval_and_difference_turn_round_with_the_runs():
    one, other = paired_difference(pairs(3, 9, 54)), paired_difference(pairs(9, 3, 54))
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
    assert (one.p, one.p_less, one.p_greater) == pytest.approx((other.p, other.p_greater, other.p_less))


def test_of_no_pairs_there_is_no_difference():
    assert paired_difference([]) is None
    assert paired_probe_difference([]) is None
    assert paired_probe_difference([([], [1]), ([0], [])]) is None


@pytest.mark.parametrize(
    ("pairs", "is_mean", "method"),
    [
        ([([True], [False]), ([None], [])], False, Method.SCORE),
        ([([True], [False]), ([True, None], [True])], False, Method.BOOTSTRAP),
        ([([90.0], [40.0])], True, Method.BOOTSTRAP),
    ],
)
def test_only_single_binary_verdicts_have_the_score_interval(pairs, is_mean, method):
    assert method_for(pairs, is_mean=is_mean) is method


@pytest.mark.parametrize("method", Method)
def test_pairs_that_one_side_leaves_unscored_do_not_count(method):
    found = paired_by(method, [([True], [None]), ([None], [False]), ([False], [True])])
    assert (found.value, found.n) == (1.0, 1)


def test_the_bounds_take_unscored_responses_at_their_worst_and_best():
    assert paired_bounds([([True], [None]), ([True, None], [True, True])]) == (-0.5, 0.25)
    assert paired_bounds([([True], [])]) is None


def probes(count, responses, seed=0, before=0.1, after=0.3):
    random = np.random.default_rng(seed)
    return [(random.random(responses) < before, random.random(responses) < after) for _ in range(count)]


@pytest.mark.parametrize("count", [6, 12, 40])
def test_p_of_probes_is_scipys_sign_flip_test(count):
    clusters = probes(count, 5)
    means = np.array([b.mean() - a.mean() for a, b in clusters])
    expected = permutation_test((means,), np.mean, permutation_type="samples", rng=np.random.default_rng(1))
    assert paired_probe_difference(clusters).p == pytest.approx(expected.pvalue, abs=0.01)


def test_with_many_responses_the_interval_is_scipys_bootstrap_over_probes():
    random = np.random.default_rng(3)
    clusters = [([0.0] * 50, [value] * 50) for value in random.uniform(-0.2, 0.6, 200)]
    found = paired_probe_difference(clusters)
    means = np.array([b[0] for _, b in clusters])
    expected = bootstrap((means,), np.mean, method="percentile", rng=random).confidence_interval
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.004)


def test_a_probe_counts_as_much_as_any_other():
    assert paired_probe_difference([([0], [1]), ([0] * 9, [0] * 9)]).value == 0.5


def test_probes_that_did_not_change_leave_room_for_what_was_not_seen():
    found = paired_probe_difference([([0] * 10, [0] * 10)] * 24)
    assert (found.value, found.low, found.high) == pytest.approx((0, *tango_interval(0, 0, 24 * 10 / 3.25)))
    assert (found.p, found.n) == (1.0, 24)


def test_scores_have_their_own_scale():
    found = paired_probe_difference([([90.0], [40.0])] * 2 + [([90.0], [90.0])] * 18, scale=100.0)
    assert found.value == -5
    assert found.low == pytest.approx(100 * tango_interval(0, 1, 20)[0])


def test_the_same_data_give_the_same_interval():
    assert paired_probe_difference(probes(9, 4)) == paired_probe_difference(probes(9, 4))


def test_holm_is_the_one_of_statsmodels():
    from statsmodels.stats import multitest

    p = [0.01, 0.04, 0.03, 0.005, 0.9, 0.9]
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])
    assert holm([]) == []
