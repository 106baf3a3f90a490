"""The score by log-probabilities, to the digit."""

import math

import pytest

from em_bench.metrics.logprobs import expected_score, integer_token


@pytest.mark.parametrize(
    ("token", "value"),
    [("0", 0), ("100", 100), (" 85", 85), ("85\n", 85), ("085", 85), ("+5", 5), ("\uff18\uff15", 85), ("\u0668", 8),
     ("101", None), ("-1", None), ("8.5", None), ("1e2", None), ("", None), (" ", None), ("x", None), ("\u00b2", None),
     ("\x00", None), ("\ud800", None), ("9" * 5000, None)],
)  # fmt: skip
def test_a_token_is_a_whole_number_or_none(token, value):
    assert integer_token(token) == value


@pytest.mark.parametrize(
    ("probabilities", "score"),
    [
        ({"50": 1.0}, 50.0),
        ({"80": 0.3, "20": 0.1}, (80 * 0.3 + 20 * 0.1) / 0.4),
        ({"50": 0.25}, 50.0),
        ({"50": 0.2499999}, None),
        ({"REFUSAL": 0.6, "50": 0.4}, 50.0),
        ({"150": 0.9, "50": 0.3}, 50.0),
        ({"10": 0.2, " 10": 0.2}, 10.0),
        ({}, None),
    ],
)
def test_the_score_is_the_weighted_mean_over_the_numbers_if_they_weigh_enough(probabilities, score):
    assert expected_score(probabilities) == (None if score is None else pytest.approx(score, rel=0, abs=1e-12))


def test_the_sum_runs_in_the_order_of_the_tokens():
    probabilities = {str(number): math.exp(-number / 7) / 7.5 for number in range(20)}
    total = weighted = 0.0
    for token, probability in probabilities.items():
        total += probability
        weighted += int(token) * probability
    assert expected_score(probabilities) == weighted / total
