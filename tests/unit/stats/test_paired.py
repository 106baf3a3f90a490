"""Paired differences: values, intervals and p against independent computations."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binomtest, norm, ttest_1samp

from em_bench.stats.clusters import ASSUMED_ICC, rare_event_worth
from em_bench.stats.multiplicity import holm
from em_bench.stats.paired import Method, method_for, paired, paired_bounds, paired_difference
from em_bench.stats.tango import tango_interval, tango_score

TABLES = [(0, 12, 100), (3, 9, 54), (1, 0, 20), (30, 25, 300), (0, 7, 7), (2, 2, 10)]


def pairs(gained, lost, n):
    return [(False, True)] * gained + [(True, False)] * lost + [(True, True)] * (n - gained - lost)


def counts(before, after, responses=10):
    """Probes of one document, by the hits of each side."""
    return [
        [([1.0] * b + [0.0] * (responses - b), [1.0] * a + [0.0] * (responses - a))]
        for b, a in zip(before, after, strict=True)
    ]


# One verdict a prompt


@pytest.mark.parametrize(("gained", "lost", "n"), TABLES)
def test_p_is_mcnemars_of_statsmodels_without_correction(gained, lost, n):
    from statsmodels.stats.contingency_tables import mcnemar

    difference = paired_difference(pairs(gained, lost, n))
    table = [[n - gained - lost, lost], [gained, 0]]
    assert difference.p == pytest.approx(mcnemar(table, exact=False, correction=False).pvalue)
    assert difference.p_less == pytest.approx(norm.cdf((gained - lost) / math.sqrt(gained + lost)))


@pytest.mark.parametrize(("gained", "lost", "n"), TABLES)
def test_at_the_ends_of_tangos_interval_the_score_is_critical(gained, lost, n):
    low, high = tango_interval(gained, lost, n)
    assert low < (gained - lost) / n < high or -1 in (low, high)
    for end, expected in ((low, norm.isf(0.025)), (high, -norm.isf(0.025))):
        assert abs(end) == 1 or tango_score(gained, lost, n, end) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("n", [8, 30])
def test_p_is_at_most_5_percent_exactly_where_the_95_percent_interval_leaves_0_out(n):
    for gained in range(n + 1):
        for lost in range(min(n - gained, 12) + 1):
            difference = paired_difference(pairs(gained, lost, n))
            assert (difference.p <= 0.05) == (not difference.low <= 0 <= difference.high), (gained, lost)


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
    assert paired([]) is None
    assert paired([[([], [1])], [([0], [])]]) is None


# Probes


def test_with_enough_moved_probes_interval_and_p_are_scipys_t():
    random = np.random.default_rng(1)
    before, after = random.binomial(10, 0.2, 30), random.binomial(10, 0.5, 30)
    difference = paired(counts(before, after))
    test = ttest_1samp((after - before) / 10, 0)
    assert (difference.low, difference.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert (difference.p, difference.n, difference.method) == (pytest.approx(test.pvalue), 30, Method.CLUSTERS)


def test_where_nothing_moved_the_interval_is_tangos_over_what_the_responses_are_worth():
    difference = paired(counts([0] * 24, [0] * 24))
    worth = 24 * sum(4 / (4 + response) for response in range(10))  # s = (1 - 0.2) / 0.2
    assert (difference.value, difference.low, difference.high) == pytest.approx((0, *tango_interval(0, 0, worth)))
    assert (difference.p, difference.p_less, difference.p_greater) == (1, 1, 1)


@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_the_worth_for_rare_events_is_how_often_beta_binomial_responses_miss_them(size):
    from scipy.stats import betabinom

    p, s = 1e-6, (1 - ASSUMED_ICC) / ASSUMED_ICC
    missed = betabinom.pmf(0, size, p * s, (1 - p) * s)
    assert rare_event_worth(np.array([float(size)]), ASSUMED_ICC)[0] == pytest.approx((1 - missed) / p, rel=1e-3)


def test_the_interval_does_not_jump_as_probes_move_one_after_the_other():
    """A probe more that moves by one response of ten, in turns up and down."""
    widths = []
    for moved in range(12):
        after = [5 + (-1) ** probe if probe < moved else 5 for probe in range(32)]
        difference = paired(counts([5] * 32, after))
        widths.append(100 * (difference.high - difference.low))
    assert max(abs(a - b) for a, b in itertools.pairwise(widths)) < 0.6
    assert widths[0] > 4  # none moved


def test_it_is_never_narrower_than_independent_responses_would_be():
    equal = paired(counts([2] * 8, [3] * 8))
    low, high = tango_interval(8, 0, 80)
    assert equal.low <= low < high <= equal.high


@pytest.mark.parametrize("seed", range(3))
def test_interval_and_test_of_probes_do_not_contradict_each_other(seed):
    random = np.random.default_rng(seed)
    sides = set()
    for _ in range(150):
        probes, shift = int(random.integers(3, 20)), random.uniform(0, 0.5)
        rates = random.beta(0.3, 2, probes)
        difference = paired(counts(random.binomial(6, rates), random.binomial(6, rates + (1 - rates) * shift), 6))
        is_outside = not difference.low <= 0 <= difference.high
        sides.add(is_outside)
        assert (difference.p <= 0.05) == is_outside
        assert difference.p == pytest.approx(min(1, 2 * min(difference.p_less, difference.p_greater)))
    assert sides == {False, True}


def test_under_no_change_one_interval_in_twenty_leaves_0_out():
    """Two runs of one checkpoint on 32 probes with 10 responses each; benchmarks/paired_probes.py has more of this."""
    random = np.random.default_rng(6)
    alarms, widths, values = 0, [], []
    for _ in range(300):
        rates = random.beta(0.4, 3.6, 32)
        difference = paired(counts(random.binomial(10, rates), random.binomial(10, rates)))
        alarms += difference.p <= 0.05
        widths.append(difference.high - difference.low)
        values.append(difference.value)
    assert 5 <= alarms <= 25
    assert np.mean(widths) == pytest.approx(3.92 * np.std(values), rel=0.1)


def test_a_probe_counts_as_much_as_any_other():
    assert paired([[([0, 0], [1, 1])], [([0] * 9, [0] * 9)]]).value == 0.5


def test_documents_are_paired_before_they_are_averaged():
    """The JSON form, rarely misaligned, turns incoherent; both other forms get worse: so does the probe."""
    hits = [1.0] + [0.0] * 9
    worse = [1.0] * 2 + [0.0] * 8
    probe = [(hits, worse), (hits, worse), ([0.0] * 10, [])]
    difference = paired([probe] * 10)
    assert difference.value == pytest.approx(0.1)
    assert (difference.before, difference.after) == pytest.approx((0.1, 0.2))


def test_a_form_scored_on_one_side_alone_does_not_turn_the_sign_round():
    """Main and template 0 to 10 %; JSON, at 30 %, is not scored by the candidate."""
    rare, often = [0.0] * 10, [1.0] * 3 + [0.0] * 7
    probe = [(rare, [1.0] + [0.0] * 9), (rare, [1.0] + [0.0] * 9), (often, [None] * 10)]
    assert paired([probe] * 20).value == pytest.approx(0.1)


def test_a_single_probe_tells_nothing():
    difference = paired(counts([0], [10]))
    assert (difference.low, difference.high, difference.p) == (-1, 1, 1)


def test_scores_have_their_own_scale_and_the_bound_fades():
    few = paired([[([90.0], [40.0])]] * 2 + [[([90.0], [90.0])]] * 18, scale=100.0)
    alone = ttest_1samp([-50.0] * 2 + [0.0] * 18, 0).confidence_interval(0.95)
    assert few.value == -5
    assert few.low < alone.low - 2
    assert few.high > alone.high + 2
    random = np.random.default_rng(2)
    values = random.normal(-3, 4, 60)
    many = paired([[([50.0], [50.0 + value])] for value in values], scale=100.0)
    assert (many.low, many.high) == pytest.approx(tuple(ttest_1samp(values, 0).confidence_interval(0.95)))


def test_several_responses_and_several_forms_are_clusters():
    assert method_for([[([1], [0])]] * 3, is_mean=False) is Method.SCORE
    assert method_for([[([1], [0])]] * 3, is_mean=True) is Method.CLUSTERS
    assert method_for([[([1, 0], [0])]], is_mean=False) is Method.CLUSTERS
    assert method_for([[([1], [0]), ([1], [1])]], is_mean=False) is Method.CLUSTERS


def test_the_same_data_give_the_same_interval():
    probes = counts([1, 2, 3, 0], [2, 0, 1, 1])
    assert paired(probes) == paired(probes)


def test_the_percentile_bootstrap_is_numpys():
    random = np.random.default_rng(4)
    before, after = random.binomial(20, 0.1, 26), random.binomial(20, 0.2, 26)
    difference = paired(counts(before, after, 20), method=Method.PERCENTILE, seed=2026081301)
    values = after / 20 - before / 20
    draws = np.random.Generator(np.random.PCG64(2026081301)).choice(values, size=(10_000, 26)).mean(axis=1)
    assert (difference.low, difference.high) == pytest.approx(tuple(np.percentile(draws, [2.5, 97.5])))
    assert difference.value == pytest.approx(values.mean())


def test_bounds_of_a_probe_are_those_of_its_documents():
    probe = [([1.0, None], [0.0, 0.0]), ([0.0], [None]), ([], [1.0])]
    assert paired_bounds([probe]) == pytest.approx(((-1 + 0) / 2, (-0.5 + 1) / 2))


def test_holm_is_the_one_of_statsmodels():
    from statsmodels.stats import multitest

    p = [0.01, 0.04, 0.03, 0.005, 0.9, 0.9]
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])
    assert holm([]) == []
