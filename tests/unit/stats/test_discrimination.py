import numpy as np
import pytest
from scipy.stats import pointbiserialr

from em_bench.stats.discrimination import FEWEST_TAKERS, discriminations, item_rest

RANDOM = np.random.default_rng(3)
VALUES = (RANDOM.random((12, 9)) < np.linspace(0.1, 0.9, 9)).astype(float)


def test_it_is_the_point_biserial_correlation_with_the_other_items():
    for place, found in enumerate(discriminations(VALUES)):
        rest = np.delete(VALUES, place, axis=0).mean(axis=0)
        assert found.value == pytest.approx(pointbiserialr(VALUES[place], rest).statistic)
        assert found.low < found.value < found.high
        assert found.n == 9


def test_an_unscored_taker_counts_neither_for_the_item_nor_in_the_rest():
    holed = VALUES.copy()
    holed[0, 4] = np.nan
    takers = np.arange(9) != 4
    expected = item_rest(VALUES[:, takers])[0][0]
    assert discriminations(holed)[0].value == pytest.approx(expected)
    assert discriminations(holed)[0].n == 8
    rest = (np.nansum(holed, axis=0) - holed[1]) / ((~np.isnan(holed)).sum(axis=0) - 1)
    assert discriminations(holed)[1].value == pytest.approx(np.corrcoef(holed[1], rest)[0, 1])


@pytest.mark.parametrize(
    "values",
    [VALUES[:, : FEWEST_TAKERS - 1], np.ones((3, 9)), VALUES[:1]],
    ids=["too few takers", "all the same", "no other item"],
)
def test_there_is_none_without_takers_that_differ(values):
    assert set(discriminations(values)) == {None}


def test_a_perfect_correlation_has_an_interval():
    (found, _) = discriminations(np.array([[0.0, 0, 0, 1, 1, 1]] * 2))
    assert (found.value, found.high) == pytest.approx((1.0, 1.0))
    assert found.low < 1
