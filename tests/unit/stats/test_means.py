"""Means of scores: the value, the interval, and the interval of few or equal scores."""

import tracemalloc

import numpy as np
import pytest

from em_bench.stats.means import clustered_mean


def test_each_cluster_has_the_same_weight_and_n_counts_responses():
    rate = clustered_mean([[10.0], [30.0, 50.0]], unscored=2)
    assert (rate.value, rate.n, rate.unscored) == (25.0, 3, 2)


def test_the_interval_is_the_same_each_time_and_holds_the_mean():
    clusters = [[float(10 * number), float(5 * number)] for number in range(10)]
    rate = clustered_mean(clusters)
    assert rate == clustered_mean(clusters)
    assert rate.low < rate.value < rate.high


def test_more_probes_make_it_narrower_and_more_responses_of_one_probe_hardly():
    random = np.random.default_rng(1)

    def width(probes, responses):
        clusters = [list(random.normal(mean, 5, responses)) for mean in random.normal(50, 15, probes)]
        rate = clustered_mean(clusters)
        return rate.high - rate.low

    assert width(64, 5) < 0.7 * width(16, 5)
    assert width(16, 50) > 0.6 * width(16, 5)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_equal_scores_are_no_certainty(value):
    rate = clustered_mean([[value]] * 3, scale=(0.0, 1.0))
    assert rate.high - rate.low > 0.4
    assert 0 <= rate.low <= value <= rate.high <= 1


def test_a_single_probe_says_next_to_nothing():
    rate = clustered_mean([[50.0] * 100])
    assert rate.high - rate.low > 70


def test_nothing_scored_is_the_whole_scale_and_nothing_at_all_is_none():
    rate = clustered_mean([[], []], unscored=4, scale=(1.0, 5.0))
    assert (rate.value, rate.low, rate.high, rate.n, rate.unscored) == (None, 1.0, 5.0, 0, 4)
    assert clustered_mean([]) is None


@pytest.mark.parametrize("n", [11, 20])
@pytest.mark.parametrize("score", [0.1, 0.7, 5.0])
def test_equal_scores_at_the_end_of_their_scale_have_an_interval(n, score):
    """Rounding leaves a spread of 1e-16."""
    rate = clustered_mean([[score]] * n, scale=(0.0, score))
    assert rate.low < rate.value
    assert rate.high == pytest.approx(score)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Of 200 samples of 12 probes with 5 responses; 95 % of them would be 190."""
    random = np.random.default_rng(7)
    hits = 0
    for _ in range(200):
        clusters = [list(np.clip(random.normal(mean, 10, 5), 0, 100)) for mean in random.uniform(20, 80, 12)]
        rate = clustered_mean(clusters)
        hits += rate.low <= 50 <= rate.high
    assert 182 <= hits <= 200


def test_many_prompts_take_little_memory():
    random = np.random.default_rng(1)
    tracemalloc.start()
    rate = clustered_mean([[score] for score in random.uniform(0, 100, 5_000)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 48.5 < rate.low < rate.value < rate.high < 51.5
    assert peak < 300e6
