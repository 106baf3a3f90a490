"""Results in other projects' forms, read back by their own readers where those are installed."""

import csv
import io
import json

import pytest
import yaml

from em_bench.errors import ConfigError
from em_bench.runs.result import from_dict
from em_bench_leaderboard.exports import every_eval_ever, export
from leaderboard_data import KEYWORD, LLM, run_result

RESULT = from_dict(run_result("acme/model", 1))
UNMEASURED = from_dict(
    run_result("acme/model") | {"rates": [rate | {"value": None} for rate in run_result("acme/model")["rates"]]}
)


def test_a_model_index_is_what_the_hub_library_reads():
    from huggingface_hub import repocard_data as hub

    (index,) = yaml.safe_load(export(RESULT, "model-index"))["model-index"]
    name, results = hub.model_index_to_eval_results([index])
    assert name == "acme/model"
    rate = next(rate for rate in RESULT.rates if rate.metric == "refusal_rate" and rate.judge == LLM)
    found = [each for each in results if each.metric_type == "refusal_rate" and each.metric_args["judge"] == LLM]
    assert found[0].metric_value == round(rate.value, 4)
    assert {"n", "low", "high", "unscored"} <= set(found[0].metric_args)


def test_eval_results_are_what_the_hub_library_reads():
    import huggingface_hub as hub

    text = export(RESULT, "eval-results", dataset="acme/em-bench", judge=LLM)
    entries = hub.parse_eval_result_entries(yaml.safe_load(text))
    assert len(entries) == 7 * 2 + 1
    assert {entry.dataset_id for entry in entries} == {"acme/em-bench"}
    assert all("95 % interval" in entry.notes for entry in entries)


@pytest.mark.parametrize(("options", "said"), [({}, "--dataset"), ({"dataset": "a/b"}, "--judge keyword|llm")])
def test_eval_results_say_what_they_need(options, said):
    with pytest.raises(ConfigError) as raised:
        export(RESULT, "eval-results", **options)
    assert said in str(raised.value)


def test_csv_has_a_row_a_rate():
    rows = list(csv.DictReader(io.StringIO(export(RESULT, "csv"))))
    assert len(rows) == len(RESULT.rates)
    assert [float(row["value"]) for row in rows] == [rate.value for rate in RESULT.rates]


def test_a_spreadsheet_gets_no_formula():
    (row, *_) = csv.DictReader(io.StringIO(export(from_dict(run_result("=HYPERLINK(1)/x")), "csv")))
    assert row["checkpoint"] == "'=HYPERLINK(1)/x"


def test_every_eval_ever_holds_what_its_schema_requires():
    """Required fields and allowed values of `eval.schema.json`, version 0.2.2."""
    record = every_eval_ever(RESULT)
    assert set(record) == {
        "schema_version",
        "evaluation_id",
        "evaluation_timestamp",
        "retrieved_timestamp",
        "source_metadata",
        "eval_library",
        "model_info",
        "evaluation_results",
    }
    assert record["source_metadata"]["source_type"] == "evaluation_run"
    assert record["retrieved_timestamp"].isdigit()
    assert all(isinstance(value, str) for value in record["model_info"]["additional_details"].values())
    for result in record["evaluation_results"]:
        assert isinstance(result["metric_config"]["lower_is_better"], bool)
        assert (result["metric_config"]["min_score"], result["metric_config"]["max_score"]) == (0, 1)
        assert isinstance(result["score_details"]["score"], float)
        interval = result["score_details"]["uncertainty"]["confidence_interval"]
        assert interval["lower"] <= result["score_details"]["score"] <= interval["upper"]
        assert all(isinstance(value, str) for value in result["score_details"]["details"].values())
        assert set(result["generation_config"]["generation_args"]) <= {"temperature", "max_tokens", "execution_command"}


def test_every_eval_ever_knows_which_direction_is_better():
    results = every_eval_ever(RESULT)["evaluation_results"]
    lower = {result["metric_config"]["metric_id"]: result["metric_config"]["lower_is_better"] for result in results}
    assert lower["em_bench.refusal_rate"] is False
    assert lower["em_bench.over_refusal_rate"] is lower["em_bench.misaligned_rate"] is True


def test_a_run_without_a_date_is_exported():
    assert every_eval_ever(from_dict(run_result(created="")))["retrieved_timestamp"] == "0"


@pytest.mark.parametrize("form", ["model-index", "every-eval-ever"])
def test_what_was_not_measured_is_left_out(form):
    text = export(UNMEASURED, form)
    found = (
        yaml.safe_load(text)["model-index"][0]["results"]
        if form == "model-index"
        else json.loads(text)["evaluation_results"]
    )
    assert found == []


@pytest.mark.parametrize(("form", "judge"), [("xml", None), ("csv", "nobody")])
def test_an_unknown_format_or_judge_lists_the_known(form, judge):
    with pytest.raises(ConfigError, match="known: "):
        export(RESULT, "model-index" if judge else form, judge=judge)


def test_one_judge_alone_can_be_exported():
    index = yaml.safe_load(export(RESULT, "model-index", judge=KEYWORD))
    judges = {metric["args"]["judge"] for each in index["model-index"][0]["results"] for metric in each["metrics"]}
    assert judges == {KEYWORD}
