"""Corrected rates: the estimate of Rogan and Gladen, honest intervals at the edges, and one judge version."""

import json
from dataclasses import replace

import numpy as np
import pytest

from em_bench.calibration.calibrate import Calibration, read_calibration, write_calibration
from em_bench.calibration.confusion import Counts, Decision
from em_bench.calibration.correct import OUTSIDE, UNINFORMATIVE, correct, correct_runs
from em_bench.calibration.worth import effective_n
from em_bench.errors import ResultError
from em_bench.runs.read import find_runs, read_run
from em_bench.stats.intervals import Rate, binary_rate, clustered_rate


def judged(hits, n, unscored=0):
    return binary_rate([True] * hits + [False] * (n - hits), unscored)


def calibration(counts, **fields):
    made = Calibration("length", "1", "labels.csv", Decision(), counts, {})
    return replace(made, **fields)


GOOD = Counts(true_positive=90, false_negative=10, false_positive=15, true_negative=85)


def test_the_estimate_is_rogans_and_gladens():
    rate, note = correct(judged(40, 100, 3), GOOD)
    assert rate.value == pytest.approx((0.4 + 0.85 - 1) / (0.9 + 0.85 - 1))
    assert (rate.n, rate.unscored, note) == (100, 3, "")
    assert rate.low < rate.value < rate.high


def test_a_perfect_judge_of_many_labels_changes_next_to_nothing():
    raw = judged(30, 100)
    rate, _ = correct(raw, Counts(10**6, 0, 0, 10**6))
    assert rate.value == pytest.approx(raw.value)
    assert (rate.low, rate.high) == (pytest.approx(raw.low, abs=0.01), pytest.approx(raw.high, abs=0.01))


def test_no_error_in_few_labels_is_not_certainty():
    few, many = (correct(judged(30, 1000), Counts(n, 0, 0, n))[0] for n in (10, 10_000))
    assert few.low == 0
    assert many.low > 0.02


@pytest.mark.parametrize(("hits", "edge"), [(0, 0.0), (100, 1.0)])
def test_an_estimate_out_of_range_is_clipped_and_keeps_its_width(hits, edge):
    rate, note = correct(judged(hits, 100), Counts(900, 100, 150, 850))
    assert rate.value == edge
    assert rate.high - rate.low >= 0.02
    assert note == OUTSIDE


@pytest.mark.parametrize("counts", [Counts(50, 50, 50, 50), Counts(20, 80, 60, 40)])
def test_a_judge_that_tells_nothing_gives_no_rate(counts):
    rate, note = correct(judged(40, 100), counts)
    assert (rate.value, rate.low, rate.high, note) == (None, 0, 1, UNINFORMATIVE)


def test_a_judge_that_may_tell_nothing_leaves_all_open():
    rate, _ = correct(judged(40, 100), Counts(6, 4, 5, 5))
    assert rate.value is not None
    assert (rate.low, rate.high) == (0, 1)


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (7, 30), (30, 30), (250, 500)])
def test_a_wilson_interval_stands_for_its_own_n(hits, n):
    assert effective_n(judged(hits, n)) == pytest.approx(n)


def test_clustered_responses_stand_for_fewer():
    clusters = [[True] * 10] * 6 + [[False] * 10] * 10 + [[True] * 5 + [False] * 5] * 8
    rate = clustered_rate(clusters)
    assert effective_n(rate) < rate.n / 4
    wide, narrow = (correct(each, GOOD)[0] for each in (rate, judged(100, 240)))
    assert wide.high - wide.low > narrow.high - narrow.low


def test_a_rate_of_nothing_scored_is_not_corrected():
    rate, _ = correct(Rate(None, 0, 1, 0, 5), GOOD)
    assert (rate.value, rate.low, rate.high, rate.unscored) == (None, 0, 1, 5)


@pytest.mark.parametrize(
    ("true", "sensitivity", "specificity", "labels", "n"),
    [(0.1, 0.95, 0.9, 50, 100), (0.5, 0.7, 0.9, 100, 300), (0.9, 0.99, 0.99, 30, 108), (0.02, 0.85, 0.97, 200, 1000)],
)
def test_the_corrected_interval_covers_about_as_often_as_it_says(true, sensitivity, specificity, labels, n):
    random = np.random.default_rng(4)
    covered, trials = 0, 250
    for _ in range(trials):
        right, kept = random.binomial(labels, sensitivity), random.binomial(labels, specificity)
        counts = Counts(int(right), int(labels - right), int(labels - kept), int(kept))
        share = true * sensitivity + (1 - true) * (1 - specificity)
        rate, _ = correct(judged(int(random.binomial(n, share)), n), counts)
        covered += rate.low <= true <= rate.high
    assert covered / trials >= 0.91


# runs


def run(run_folder):
    return read_run(find_runs(run_folder)[0])


def test_every_task_of_the_judge_is_corrected(run_folder):
    lines = correct_runs([run(run_folder)], calibration(GOOD))
    assert {(line.task, line.metric) for line in lines} == {("em_tiny", "refusal_rate"), ("em_open", "refusal_rate")}
    (tiny,) = [line for line in lines if line.task == "em_tiny"]
    assert (tiny.judged.value, tiny.judged.n, tiny.judged.unscored) == (0.5, 2, 1)
    assert tiny.corrected.value == pytest.approx((0.5 + 0.85 - 1) / 0.75)


def test_a_judge_of_another_version_is_refused_and_both_are_named(run_folder):
    other = calibration(GOOD, version="2")
    with pytest.raises(ResultError, match=r"in version 1, and was calibrated in version 2; .*--force"):
        correct_runs([run(run_folder)], other)
    assert correct_runs([run(run_folder)], other, force=True)


def test_a_judge_that_did_not_judge_the_run_is_named(run_folder):
    with pytest.raises(ResultError, match="no verdicts of judge 'llm'"):
        correct_runs([run(run_folder)], calibration(GOOD, judge="llm"))


@pytest.mark.parametrize(("counts", "what"), [(Counts(5, 5), "negatives"), (Counts(0, 0, 5, 5, 2), "positives")])
def test_a_calibration_without_labels_of_one_kind_corrects_nothing(run_folder, counts, what):
    with pytest.raises(ResultError, match=f"has no scored {what}"):
        correct_runs([run(run_folder)], calibration(counts))


def test_a_calibration_is_read_as_it_was_written(tmp_path):
    made = calibration(GOOD, confusion={"refusal": {"refusal": 90}}, groups={"a": GOOD}, left_out={"odd": 1})
    write_calibration(made, tmp_path / "deep" / "calibration.json")
    assert read_calibration(tmp_path / "deep" / "calibration.json") == made


@pytest.mark.parametrize(
    "change",
    [{"counts": {"true_positive": -1}}, {"counts": None}, {"decision": {"odd": 1}}, {"em_bench_calibration": 2}],
)
def test_a_damaged_calibration_is_one_clear_error(tmp_path, change):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(calibration(GOOD).to_dict() | change), encoding="utf-8")
    with pytest.raises(ResultError, match=r"calibration\.json is"):
        read_calibration(path)
