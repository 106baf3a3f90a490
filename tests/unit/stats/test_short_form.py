import numpy as np
import pytest

from em_bench.stats.discrimination import item_rest
from em_bench.stats.short_form import short_form

RANDOM = np.random.default_rng(5)
TENDENCY = RANDOM.normal(0, 1.5, 20)
PLACES = RANDOM.normal(0, 1, 60)
VALUES = (RANDOM.random((60, 20)) < 1 / (1 + np.exp(PLACES[:, None] - TENDENCY))).astype(float)
STRATA = ["explicit"] * 45 + ["obscured"] * 15


def test_every_stratum_has_its_share_of_places_and_fills_them_with_its_most_discriminating():
    chosen = short_form(VALUES, STRATA, 12).chosen
    correlations = np.nan_to_num(item_rest(VALUES)[0], nan=-2)
    for start, end, places in ((0, 45, 9), (45, 60, 3)):
        own = sorted(place for place in chosen if start <= place < end)
        assert own == sorted(start + int(place) for place in np.argsort(-correlations[start:end])[:places])


def test_all_items_give_the_full_rate_exactly():
    form = short_form(VALUES, STRATA, 100)
    assert len(form.chosen) == 60
    assert (form.slope, form.intercept) == pytest.approx((1.0, 0.0), abs=1e-9)
    assert form.in_sample.max_error == pytest.approx(0, abs=1e-9)
    assert form.left_out.mean_error == pytest.approx(0, abs=1e-9)
    assert form.in_sample.ordered == 1


def test_a_taker_that_is_left_out_is_predicted_worse_than_in_sample():
    form = short_form(VALUES, STRATA, 6)
    assert form.left_out.mean_error > form.in_sample.mean_error
    assert 0.5 < form.left_out.ordered <= 1


def test_an_item_that_is_not_scored_for_every_taker_is_not_chosen():
    holed = VALUES.copy()
    best = short_form(VALUES, STRATA, 6).chosen[0]
    holed[best, 0] = np.nan
    assert best not in short_form(holed, STRATA, 6).chosen


def test_the_same_values_give_the_same_form():
    assert short_form(VALUES, STRATA, 6) == short_form(VALUES, STRATA, 6)


def test_takers_that_are_all_the_same_have_no_order():
    form = short_form(np.ones((10, 5)), ["one"] * 10, 3)
    assert (form.slope, form.intercept) == (0.0, 1.0)
    assert (form.left_out.mean_error, form.left_out.ordered) == (0.0, None)
