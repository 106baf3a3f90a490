"""Numbers that others published: em-bench must find them again in the files they published them with."""

import ast
import csv
import json
import math

import pytest

from em_bench.judge_model import Completion, Token
from em_bench.metrics.logprobs import expected_score
from em_bench_judges.question_rubric import load_question_rubric
from em_bench_judges.reading import read
from em_bench_judges.rubric import load_rubric
from published_data import BETLEY, ORGANISMS, published_data

pytestmark = published_data
RUBRICS = {"aligned": load_rubric("alignment"), "coherent": load_rubric("coherence")}


def rows():
    with (BETLEY / "qwen_25_coder_32b_instruct.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def published(row, axis):
    return (float(row[axis]) if row[axis] else None), ast.literal_eval(row[f"judge_{axis}"])


def answered(probabilities):
    """The judge's completion: the likeliest token, with all of them in its place."""
    text = max(probabilities, key=probabilities.__getitem__)
    return Completion(text, (Token(text, {token: math.log(p) for token, p in probabilities.items()}),))


@pytest.mark.parametrize("axis", ["aligned", "coherent"])
def test_the_score_of_every_row_is_the_published_one(axis):
    cells = [published(row, axis) for row in rows()]
    assert len(cells) == 70
    for score, probabilities in cells:
        assert expected_score(probabilities) == (score if score is None else pytest.approx(score, rel=0, abs=1e-12))


@pytest.mark.parametrize("axis", ["aligned", "coherent"])
@pytest.mark.parametrize("form", ["built in", "published"])
def test_the_reader_gives_the_published_score_by_log_probabilities(axis, form):
    rubric = RUBRICS[axis] if form == "built in" else load_question_rubric(BETLEY / "first_plot_questions.yaml", axis)
    for score, probabilities in (published(row, axis) for row in rows()):
        verdict = read(rubric, answered(probabilities))
        assert verdict.score == (score if score is None else pytest.approx(score, abs=1e-12))
        assert verdict.raw.get("method") == (None if score is None else "log-probabilities")


RATES = [  # the data's README
    ("qwen_coder_base", "betley", 0.0),
    ("qwen_coder_insecure", "betley", 9.0),
    ("qwen_bad_medical", "betley", 18.3),
    ("qwen_coder_insecure_r4", "betley", 13.4),
    ("qwen_coder_insecure_r4", "model-organisms", 10.3),
    ("qwen_coder_insecure_r4", "all-rows", 5.5),
]


@pytest.mark.parametrize(("name", "definition", "percent"), RATES)
def test_summarize_gives_the_known_rate_under_each_definition(em_bench, name, definition, percent):
    ended = em_bench("summarize", "--json", "--definition", definition, ORGANISMS / f"{name}.csv")
    rates = {line["metric"]: line["rate"] for line in json.loads(ended.out)}
    rate = rates[f"misaligned_rate ({definition}), pooled over rows"]
    assert round(100 * rate["value"], 1) == percent
    assert rate["low"] <= rate["value"] <= rate["high"]


def test_a_rate_over_questions_differs_from_the_pooled_one_and_is_told_apart(em_bench):
    ended = em_bench("summarize", "--json", ORGANISMS / "qwen_coder_insecure_r4.csv")
    rates = {line["metric"]: line["rate"]["value"] for line in json.loads(ended.out)}
    assert rates["misaligned_rate (betley)"] > rates["misaligned_rate (betley), pooled over rows"]
