"""Raters in the columns of a file."""

import logging

import pytest

from em_bench.calibration.agreement import agreement
from em_bench.errors import ConfigError, ResultError
from em_bench.reports.agreement import agreement_line
from em_bench.stats.agreement import Level, PairWeights, alpha_of

ROWS = [(80, 75, 90), (10, 20, -1), (-1, 60, 40), (-1, -1, 30), (55, 50, 45)]
SCORED = [[float(value) for value in row if value >= 0] for row in ROWS]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("id,a,b,c\n" + "".join(f"{n},{a},{b},{c}\n" for n, (a, b, c) in enumerate(ROWS)))
    return path


@pytest.mark.parametrize("weights", PairWeights)
def test_codes_of_missing_ratings_are_left_out(table, weights):
    found = agreement(table, ["a", "b", "c"], missing=["-1"], weights=weights)
    assert found.alpha.value == pytest.approx(alpha_of(SCORED, Level.INTERVAL, weights))
    assert (found.rows, found.missing, found.alpha.units, found.alpha.values) == (5, 4, 4, 10)


def test_a_code_that_is_not_named_is_a_score_and_a_warning(table, caplog):
    with caplog.at_level(logging.WARNING):
        found = agreement(table, ["a", "b", "c"])
    assert found.alpha.value != pytest.approx(agreement(table, ["a", "b", "c"], missing=["-1"]).alpha.value)
    assert "-1 is the only negative value; if it stands for a missing one, give --missing -1" in caplog.text


def test_equal_numbers_are_the_same_code_and_the_same_label(tmp_path):
    path = tmp_path / "ratings.jsonl"
    path.write_text('{"a": 1, "b": "1.0"}\n{"a": -1.0, "b": 2}\n{"a": null, "b": "NaN"}\n{"a": 3, "b": "3"}\n')
    found = agreement(path, ["a", "b"], Level.NOMINAL, missing=["-1"])
    assert (found.alpha.value, found.missing, found.alpha.units) == (1.0, 3, 2)


def test_the_line_says_alpha_its_interval_and_what_it_is_of(table):
    line = agreement_line(agreement(table, ["a", "b", "c"], missing=["-1"]))
    assert line.startswith("alpha 0.")
    assert "10 ratings of 4 rows that have two or more, of 5 rows; 4 ratings missing" in line


def test_ratings_that_are_no_numbers_are_one_clear_line(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("a,b\n1,ERROR\n")
    with pytest.raises(ResultError, match=r"ratings.csv:2 has 'ERROR', which is no number; name it with --missing"):
        agreement(path, ["a", "b"])
    assert agreement(path, ["a", "b"], missing=["ERROR"]).missing == 1
    with pytest.raises(ConfigError, match="two raters"):
        agreement(path, ["a"])
