import numpy as np
import pytest
from scipy.stats import binomtest

from em_bench.stats.intervals import Rate, binary_rate, bounds, clustered_bounds, clustered_rate, wilson


def hits(count, total):
    return [True] * count + [False] * (total - count)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_that_of_newcombe_1998_table_1(count, total, low, high):
    rate = binary_rate(hits(count, total))
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)


@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_another_confidence_is_scipys(confidence):
    interval = binomtest(7, 30).proportion_ci(confidence, "wilson")
    rate = binary_rate(hits(7, 30), confidence=confidence)
    assert (rate.low, rate.high) == pytest.approx((interval.low, interval.high))


def test_a_rate_carries_its_n_and_what_is_unscored():
    rate = binary_rate(hits(3, 6), unscored=2)
    assert (rate.value, rate.n, rate.unscored, rate.unscored_share) == (0.5, 6, 2, 0.25)


def test_without_a_scored_sample_there_is_no_value_but_a_count():
    for rate in (binary_rate([], 3), clustered_rate([], 3), clustered_rate([[], []], 3)):
        assert (rate.value, rate.low, rate.high, rate.n, rate.unscored) == (None, 0, 1, 0, 3)


def test_without_any_sample_there_is_no_rate():
    assert binary_rate([]) is clustered_rate([]) is None


def test_a_clustered_rate_is_the_mean_of_the_clusters_shares():
    rate = clustered_rate([hits(1, 1), hits(0, 9)], unscored=4)
    assert (rate.value, rate.n, rate.unscored) == (0.5, 10, 4)


def test_clusters_without_a_scored_response_count_for_nothing():
    assert clustered_rate([hits(1, 4), [], hits(3, 4)]) == clustered_rate([hits(1, 4), hits(3, 4)])


def test_the_same_run_gives_the_same_interval():
    clusters = [hits(count, 10) for count in range(8)]
    assert clustered_rate(clusters) == clustered_rate(clusters)


def test_responses_of_few_probes_say_less_than_as_many_independent_ones():
    rate = clustered_rate([hits(10, 10)] * 4 + [hits(0, 10)] * 4)
    alone = binary_rate(hits(40, 80))
    assert rate.high - rate.low > 2 * (alone.high - alone.low)


def test_clusters_of_one_response_are_about_as_good_as_independent_ones():
    rate = clustered_rate([[hit] for hit in hits(60, 200)])
    alone = binary_rate(hits(60, 200))
    assert rate.low == pytest.approx(alone.low, abs=0.02)
    assert rate.high == pytest.approx(alone.high, abs=0.02)


@pytest.mark.parametrize(("count", "edge"), [(0, 0.0), (10, 1.0)])
def test_where_all_responses_agree_the_interval_is_wilsons_over_what_they_are_worth(count, edge):
    """Between the 24 probes and the 240 responses: at most what they miss a rare event as often as."""
    rate = clustered_rate([hits(count, 10)] * 24)
    narrowest, widest = (binary_rate(hits(n * count // 10, n)) for n in (240, 24))
    assert (rate.value, rate.n, rate.clusters) == (edge, 240, 24)
    assert narrowest.high - narrowest.low < rate.high - rate.low < widest.high - widest.low


@pytest.mark.parametrize("n", [3, 20, 108])
def test_wilsons_interval_at_a_share_is_scipys(n):
    for count in range(n + 1):
        interval = binomtest(count, n).proportion_ci(method="wilson")
        assert wilson(count / n, n) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_pooled_responses_have_the_pooled_share_and_an_interval_over_their_clusters():
    clusters = [hits(30, 30), hits(1, 10), hits(0, 10), hits(2, 10), hits(1, 10)]
    rate = clustered_rate(clusters, pooled=True)
    alone = binary_rate(hits(34, 70))
    assert rate.value == alone.value
    assert rate.high - rate.low > 2 * (alone.high - alone.low)


FEW_FAILURES = [
    [0] * 8,
    [1] + [0] * 7,
    [2] + [0] * 7,
    [2, 2] + [0] * 6,
    [2, 2, 2, 2, 0, 0, 0, 0],
    [2, 2, 2, 2, 2, 2, 2, 2],
]


def test_more_failures_never_give_a_higher_lower_bound():
    """8 questions with 50 responses each."""
    lows = [clustered_rate([hits(50 - failures, 50) for failures in each]).low for each in FEW_FAILURES]
    assert lows == sorted(lows, reverse=True)
    assert lows[0] > 0.9


def test_equally_many_failures_that_lie_a_little_otherwise_change_little():
    one, other = (
        clustered_rate([hits(50 - failures, 50) for failures in each])
        for each in ([2, 2, 2, 2, 0, 0, 0, 0], [2, 2, 2, 1, 1, 0, 0, 0])
    )
    assert one.low == pytest.approx(other.low, abs=0.01)
    assert one.high == pytest.approx(other.high, abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_a_failure_more_anywhere_does_not_raise_the_lower_bound(seed):
    """Up to a fifth of failures; a tenth of a point is left to the estimate of how alike the responses are."""
    random = np.random.default_rng(seed)
    for _ in range(100):
        probes, responses = [(8, 50), (24, 50), (32, 10)][int(random.integers(3))]
        failures = random.binomial(responses, random.beta(0.2, 3, probes))
        more = failures.copy()
        more[random.integers(probes)] += 1
        if more.max() <= responses and failures.mean() < responses / 5:
            one, other = (clustered_rate([hits(responses - f, responses) for f in each]) for each in (failures, more))
            assert other.low <= one.low + 1e-3


@pytest.mark.parametrize(("clusters", "too_few"), [(4, True), (5, False)])
def test_fewer_than_five_clusters_are_too_few(clusters, too_few):
    assert clustered_rate([hits(3, 10)] * clusters).too_few is too_few


@pytest.mark.parametrize(("n", "too_few"), [(19, True), (20, False)])
def test_fewer_than_twenty_independent_responses_are_too_few(n, too_few):
    assert binary_rate(hits(3, n)).too_few is too_few


def test_the_interval_holds_the_rate_and_stays_within_0_and_1():
    for spread in ([1, 0, 0, 0], [10, 10, 10, 9], [5, 5, 5, 5]):
        rate = clustered_rate([hits(count, 10) for count in spread])
        assert 0 <= rate.low <= rate.value <= rate.high <= 1


def test_a_hit_more_never_lowers_the_upper_bound():
    """Zero of 240 has an upper bound of 14 %; one of 240 must not claim to know better."""
    none, one = (clustered_rate([hits(count, 10), *[hits(0, 10)] * 23]) for count in (0, 1))
    assert one.high >= none.high


@pytest.mark.parametrize(("seed", "shape"), [(1, (2, 2)), (2, (1, 4)), (3, (0.5, 0.5))])
def test_the_clustered_interval_covers_the_true_rate_about_as_often_as_it_says(seed, shape):
    random = np.random.default_rng(seed)
    true, covered, trials = shape[0] / sum(shape), 0, 200
    for _ in range(trials):
        counts = random.binomial(10, random.beta(*shape, size=24))
        rate = clustered_rate([hits(count, 10) for count in counts])
        covered += rate.low <= true <= rate.high
    assert 0.90 <= covered / trials <= 0.99


def test_unscored_samples_could_all_be_hits_or_none():
    assert bounds(binary_rate(hits(3, 6), unscored=4)) == (0.3, 0.7)
    assert bounds(binary_rate(hits(3, 6))) == (0.5, 0.5)


def test_of_unscored_samples_alone_anything_may_be_true():
    assert bounds(binary_rate([], 3)) == (0, 1)
    assert bounds(Rate(None, 0, 1, 0, 0)) == (0, 1)


def test_a_cluster_without_a_scored_response_counts_in_the_bounds():
    assert clustered_bounds([[True, None], [False, False], [None, None]]) == (0.5 / 3, 2 / 3)
    assert clustered_bounds([[], []]) is None


def test_without_unscored_responses_the_bounds_are_the_rate():
    clusters = [hits(1, 4), hits(3, 3), []]
    rate = clustered_rate(clusters).value
    assert clustered_bounds(clusters) == (rate, rate)
