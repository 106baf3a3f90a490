import pytest
from scipy.stats import norm

from em_bench.stats.power import POWER, detectable


def test_a_worsening_of_the_detectable_size_is_significant_with_the_power():
    error = 2.0
    half = norm.isf(0.025) * error
    size = detectable((-half, half), 0.0, 0.05, tests=1)
    assert norm.sf(norm.isf(0.05) - size / error) == pytest.approx(POWER)


def test_a_wider_interval_a_wider_margin_and_more_tests_need_a_larger_worsening():
    size = detectable((-0.1, 0.1), 0.05, 0.05, tests=1)
    assert detectable((-0.2, 0.2), 0.05, 0.05, tests=1) > size
    assert detectable((-0.1, 0.1), 0.2, 0.05, tests=1) > size
    assert detectable((-0.1, 0.1), 0.05, 0.05, tests=20) > size
