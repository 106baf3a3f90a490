import json
from dataclasses import replace

import jsonschema
import pytest

from em_bench.errors import ResultError
from em_bench.runs.read import find_runs
from em_bench.runs.result import (
    SCHEMA_VERSION,
    Checkpoint,
    content_id,
    from_dict,
    json_schema,
    read_run_result,
    run_result_path,
    to_dict,
    write_run_result,
)
from places import ROOT
from run_files import edit, results_file, samples_file

PUBLISHED = ROOT / "docs" / "run_result.schema.json"


@pytest.fixture
def result(run_folder):
    return read_run_result(run_folder)


def test_a_run_becomes_a_result_that_its_schema_allows(result):
    jsonschema.validate(to_dict(result), json_schema())
    assert result.schema_version == SCHEMA_VERSION
    assert result.checkpoint == Checkpoint("org/tiny + org/adapter", "org/tiny", "org/adapter", None)
    assert (result.engine, result.condition["name"], result.demonstration) == ("hf", "none", False)
    tiny = next(task for task in result.tasks if task.name == "em_tiny")
    assert (tiny.documents, tiny.responses, tiny.version, tiny.chat_template) == (3, 3, "1.0", True)
    assert tiny.generation == {"max_gen_toks": 20, "repeats": 1}
    (judge,) = tiny.judges
    assert (judge.name, judge.samples, judge.unscored) == ("length", 3, {"empty": 1})


def test_every_rate_has_n_interval_and_the_range_that_unscored_samples_leave(result):
    rate = next(rate for rate in result.rates if (rate.task, rate.metric) == ("em_tiny", "refusal_rate"))
    assert (rate.value, rate.n, rate.unscored, rate.documents) == (0.5, 2, 1, 3)
    assert 0 <= rate.low < 0.5 < rate.high <= 1
    assert (rate.worst, rate.best) == pytest.approx((1 / 3, 2 / 3))


def test_rates_of_parts_are_those_of_subcategories(run_folder):
    edit(samples_file(run_folder), lambda line: line["doc"].update(subcategory=f"part {line['doc']['id'] == 'p0'}"))
    rates = {rate.subset: rate for rate in read_run_result(run_folder).rates if rate.metric == "refusal_rate"}
    assert (rates["part True"].value, rates["part True"].n) == (1.0, 1)
    assert (rates["part False"].value, rates["part False"].n) == (0.0, 1)


def test_rates_of_tiers_say_that_they_are(run_folder):
    edit(samples_file(run_folder), lambda line: line["doc"].update(tier="hard" if line["doc"]["id"] == "p0" else "x"))
    result = read_run_result(run_folder)
    assert {rate.subset for rate in result.rates if rate.subset_of == "tier"} == {"hard", "x"}
    assert from_dict(to_dict(result)) == result


def test_fields_of_tiers_are_not_in_results_without_any(result):
    values = to_dict(result)
    assert not any("subset_of" in rate for rate in values["rates"])
    assert not any("tiers" in task for task in values["tasks"])


def test_nothing_secret_is_in_it(run_folder):
    edit(
        results_file(run_folder),
        lambda results: results["config"].update(
            model_args={"pretrained": "/home/me/secret/tiny", "base_url": "http://secret", "api_key": "secret"},
            gen_kwargs={"temperature": 0.5, "extra_headers": "secret"},
        ),
    )
    text = json.dumps(to_dict(read_run_result(run_folder)))
    assert "secret" not in text
    assert "/home" not in text
    assert "--model_args pretrained=tiny" in text


def test_it_is_read_as_it_was_written(result, tmp_path):
    assert read_run_result(write_run_result(result, tmp_path / "run_result_x.json")) == result


def test_the_file_beside_a_run_is_not_taken_for_a_run(run_folder, result):
    path = run_result_path(results_file(run_folder))
    write_run_result(result, path)
    assert path.name.startswith("run_result_20")
    assert find_runs(run_folder) == [results_file(run_folder)]


def test_fields_of_a_later_version_are_ignored(result):
    values = to_dict(result) | {"mood": "good"}
    values["tasks"][0]["mood"] = "good"
    assert from_dict(values) == result


def test_a_higher_schema_version_is_refused_with_what_to_do(result):
    with pytest.raises(ResultError, match=r"x\.json has schema version 2, .*upgrade"):
        from_dict(to_dict(result) | {"schema_version": 2}, "x.json")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"tasks": None}, "tasks: "),
        ({"checkpoint": {}}, r"checkpoint\.name: "),
        ({"rates": [{"task": "x"}]}, r"rates\.0\."),
        ({"created": 7}, "created: "),
        ({"schema_version": "one"}, "schema_version: "),
    ],
)
def test_what_is_no_result_is_refused_with_the_place(result, damage, said):
    with pytest.raises(ResultError, match=f"x.json is not a RunResult of em-bench: {said}") as error:
        from_dict(to_dict(result) | damage, "x.json")
    assert "\n" not in str(error.value)


def test_nan_is_no_rate(result):
    values = to_dict(result)
    values["rates"][0]["low"] = float("nan")
    with pytest.raises(ResultError, match=r"rates\.0\.low"):
        from_dict(values)


def test_the_id_goes_by_what_was_measured_and_not_by_what_is_noted(result):
    assert len(result.id) == 16
    assert content_id(replace(result, method="LoRA SFT", baseline="x")) == result.id
    assert content_id(replace(result, engine="vllm")) != result.id


def test_the_published_schema_is_current():
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == json_schema(), (
        "write it again: python -m em_bench.runs.result > docs/run_result.schema.json"
    )
