"""The area under the ROC curve and its interval."""

import numpy as np
import pytest

from em_bench.stats.auc import auc


@pytest.mark.parametrize(
    ("lower", "higher", "value"),
    [
        ([1, 2, 3], [4, 5], 1.0),
        ([4, 5], [1, 2, 3], 0.0),
        ([1, 2], [1, 2], 0.5),
        ([1, 1], [1, 1], 0.5),
        ([0, 2], [1], 0.5),
    ],
)
def test_it_is_how_often_the_higher_group_is_above_ties_by_half(lower, higher, value):
    assert auc(lower, higher).value == value


@pytest.mark.parametrize(("lower", "higher"), [([], [1]), ([1], []), ([], [])])
def test_a_group_without_values_has_none(lower, higher):
    assert auc(lower, higher) is None


def test_groups_that_are_separated_completely_still_have_an_interval():
    found = auc(range(20), range(20, 40))
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.85 < found.low < 0.95


def test_more_cases_make_it_narrower():
    few, many = (auc(list(range(n)), [x + 0.5 * n for x in range(n)]) for n in (10, 100))
    assert few.low < many.low < many.value < many.high < few.high


def test_the_interval_covers_the_truth():
    rng, truth, n = np.random.default_rng(1), 0.9, 30
    shift = 1.8124  # of unit normals with an area of 0.9
    draws = [auc(rng.normal(size=n), rng.normal(shift, size=n)) for _ in range(400)]
    assert np.mean([found.low <= truth <= found.high for found in draws]) >= 0.92
