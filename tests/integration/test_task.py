import json
import logging
import sys

import pytest
import yaml

from canned import CannedLM, evaluate, load
from em_bench import DOMAINS, tasks_path
from em_bench.errors import ConfigError
from em_bench.testing import ScriptedJudge
from em_bench.types import Verdict
from tasks import PROMPTS, judge_by_length

LENGTH = ScriptedJudge(judge_by_length, name="length")


def journal_rows(tmp_path):
    return [
        json.loads(line)
        for path in sorted((tmp_path / "cache" / "journal").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]


def record(results, name="em_tiny"):
    return results["configs"][name]["metadata"]["em_bench"]


# What is shipped


def test_the_shipped_tasks_and_groups_are_exactly_the_documented_ones():
    from lm_eval.tasks import TaskManager

    found = TaskManager(include_path=tasks_path(), include_defaults=False)
    assert {name for name in found.all_groups if not name.startswith("em_published")} == {
        "em_rai_suite",
        "em_rai_suite_published",
        "em_rai_refusal",
        "em_rai_overrefusal",
        "em_probes",
    }
    assert {name for name in found.all_subtasks if not name.startswith("em_published")} == {
        *(f"em_rai_{domain}" for domain in DOMAINS),
        *(f"em_rai_{domain}_benign" for domain in DOMAINS),
        *(f"em_probes_{variant}" for variant in ("main", "json", "template", "agentic")),
        "em_rai_care",
        "em_questions",
    }


@pytest.fixture
def suite(judges):
    judges(LENGTH)
    return load(tasks_path(), ["em_rai_suite"])["tasks"]


def test_every_shipped_yaml_loads_with_its_prompts(suite):
    files = {path.stem for path in tasks_path().rglob("em_*.yaml") if path.parent.name != "em_published"}
    assert set(suite) == files - {"em_rai_suite", "em_rai_refusal", "em_rai_overrefusal", "em_probes"}
    assert all(len(task.eval_docs) > 0 for task in suite.values())


def test_every_shipped_task_is_of_the_kind_and_domain_that_its_name_says(suite):
    for name, task in suite.items():
        kind = "probe" if name.startswith("em_probes") else "benign" if name.endswith("_benign") else "harmful"
        kind = "care" if name == "em_rai_care" else kind
        domain = "" if kind in ("probe", "care") else name.removeprefix("em_rai_").removesuffix("_benign")
        assert (task.kind, task.domain) == (kind, domain)
        assert all(doc["id"].startswith(domain) for doc in task.eval_docs)


def test_shipped_tasks_generate_as_designed(suite):
    for name, task in suite.items():
        asked = task.config.generation_kwargs
        assert asked["until"] == []
        if name.startswith("em_probes"):
            assert (asked["do_sample"], asked["temperature"], asked["max_gen_toks"]) == (True, 1.0, 600)
            assert task.config.repeats == 10
        else:
            assert (asked["do_sample"], asked["max_gen_toks"], task.config.repeats) == (False, 512, 1)


def test_the_whole_suite_runs_and_its_groups_are_aggregated(judges):
    judges(LENGTH)
    results = evaluate(tasks_path(), ["em_rai_suite"], CannedLM(lambda *_: "No."), limit=1)["results"]
    assert results["em_rai_refusal"]["refusal_rate,length"] == 1.0
    assert results["em_rai_overrefusal"]["over_refusal_rate,length"] == 1.0
    assert results["em_probes"]["refusal_rate,length"] == 1.0
    assert "refusal_rate,length" not in results["em_rai_suite"]


def test_json_probes_carry_their_system_prompt_in_the_request(judges):
    judges(LENGTH)
    model = CannedLM()
    results = evaluate(tasks_path(), ["em_probes_json"], model, metadata={"repeats": 1}, limit=3)
    docs = [sample["doc"] for sample in results["samples"]["em_probes_json"]]
    assert [json.loads(context) for context in model.contexts] == [
        [{"role": "system", "content": doc["system"]}, {"role": "user", "content": doc["prompt"]}] for doc in docs
    ]


def test_agentic_probes_carry_their_role_and_tools_and_are_not_in_the_mean_of_the_others(judges):
    judges(LENGTH)
    model = CannedLM()
    results = evaluate(tasks_path(), ["em_probes_agentic", "em_probes"], model, metadata={"repeats": 1}, limit=1)
    (sample,) = results["samples"]["em_probes_agentic"]
    asked = [json.loads(context) for context in model.contexts]
    assert [
        {"role": "system", "content": sample["doc"]["system"]},
        {"role": "user", "content": sample["doc"]["prompt"]},
    ] in asked
    assert "em_probes_agentic" not in results["group_subtasks"]["em_probes"]


def test_main_probes_have_no_system_prompt(judges):
    judges(LENGTH)
    model = CannedLM()
    evaluate(tasks_path(), ["em_probes_main"], model, metadata={"repeats": 1}, limit=1)
    assert [message["role"] for message in json.loads(model.contexts[0])] == ["user"]


def test_without_a_chat_template_system_prompt_and_prompt_do_not_run_into_each_other(write_task, judges):
    judges(LENGTH)
    model = CannedLM()
    rows = [{"id": "a", "prompt": "Why?", "system": "Be brief."}]
    evaluate(write_task(rows=rows, description="system"), ["em_tiny"], model, apply_chat_template=False)
    assert "Be brief." in model.contexts[0]
    assert "brief.Why?" not in model.contexts[0]


# Judges, filters and metrics


def test_each_judge_is_a_filter_of_its_name_with_metrics_of_its_own(write_task, judges):
    judges(LENGTH, ScriptedJudge(lambda _: Verdict(label="compliance"), name="lenient"))
    results = evaluate(write_task(), ["em_tiny"], CannedLM(lambda *_: "No."))
    assert results["results"]["em_tiny"]["refusal_rate,length"] == 1.0
    assert results["results"]["em_tiny"]["refusal_rate,lenient"] == 0.0
    assert {sample["filter"] for sample in results["samples"]["em_tiny"]} == {"length", "lenient"}


def test_verdicts_in_a_samples_file_are_json(run_folder):
    (path,) = run_folder.rglob("samples_em_tiny_*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [json.loads(line["filtered_resps"][0][0]) for line in lines] == [
        {"label": "refusal", "reason": "3"},
        {"label": "compliance", "reason": "22"},
        {"unscored": "empty"},
    ]


def test_a_judge_sees_all_responses_of_a_task_at_once_with_what_was_asked(write_task, judges):
    judge = ScriptedJudge()
    judges(judge)
    rows = [{"id": "a", "prompt": "Why?", "system": "Be brief."}]
    folder = write_task(rows=rows, kind="probe", domain=None, repeats=2, description="system")
    answers = iter("xy")
    model = CannedLM(lambda *_: next(answers))
    evaluate(folder, ["em_tiny"], model, system_instruction="You are kind.")
    assert [(asked.id, asked.prompt, asked.response) for asked in judge.received] == [
        ("a#0", "Why?", "x"),
        ("a#1", "Why?", "y"),
    ]
    assert {asked.system for asked in judge.received} == {"You are kind.\n\nBe brief."}
    assert json.loads(model.contexts[0])[0] == {"role": "system", "content": judge.received[0].system}


def test_repeats_from_metadata_reach_the_model_and_come_back_as_as_many_verdicts(write_task, judges):
    judges(LENGTH)
    model = CannedLM()
    folder = write_task(kind="probe", domain=None)
    results = evaluate(folder, ["em_tiny"], model, metadata={"repeats": 4})
    assert len(model.contexts) == 4 * len(PROMPTS)
    assert [len(sample["filtered_resps"][0]) for sample in results["samples"]["em_tiny"]] == [4] * len(PROMPTS)


def test_repeats_from_metadata_leave_prompts_alone(write_task, judges):
    judges(LENGTH)
    model = CannedLM()
    evaluate(write_task(), ["em_tiny"], model, metadata={"repeats": 4})
    assert len(model.contexts) == len(PROMPTS)


def test_judges_from_metadata_are_the_ones_asked(write_task, judges):
    other = ScriptedJudge(name="other")
    judges(LENGTH, other)
    results = evaluate(write_task(), ["em_tiny"], metadata={"judges": ["other"]})
    assert set(record(results)["judges"]) == {"other"}


def test_an_unscored_document_is_left_out_of_the_rate_and_counted(write_task, judges):
    judges(LENGTH)
    answers = iter(["No.", "", "Here is a long answer."])
    results = evaluate(write_task(), ["em_tiny"], CannedLM(lambda *_: next(answers)))
    assert results["results"]["em_tiny"]["refusal_rate,length"] == 0.5
    assert results["results"]["em_tiny"]["unscored_rate,length"] == pytest.approx(1 / 3)
    assert "refusal_rate" not in results["samples"]["em_tiny"][1]


def test_a_task_without_any_scored_response_has_an_unscored_rate_alone_and_its_group_still_counts(write_task, judges):
    judges(LENGTH)
    folder = write_task("em_first")
    write_task("em_second")
    group = {
        "group": "em_both",
        "task": ["em_first", "em_second"],
        "aggregate_metric_list": [{"metric": "refusal_rate"}, {"metric": "unscored_rate"}],
    }
    (folder / "em_both.yaml").write_text(yaml.safe_dump(group))
    answers = iter(["", "", "", "No.", "No.", "No."])
    results = evaluate(folder, ["em_both"], CannedLM(lambda *_: next(answers)))["results"]
    assert "refusal_rate,length" not in results["em_first"]
    assert results["em_first"]["unscored_rate,length"] == 1.0
    assert results["em_both"]["unscored_rate,length"] == 0.5


def test_a_judge_that_fails_leaves_a_finished_run_with_everything_unscored(write_task, judges, caplog):
    def fail(_):
        raise RuntimeError("no server")
        yield

    judges(ScriptedJudge(answers=fail, name="broken"), LENGTH)
    results = evaluate(write_task(), ["em_tiny"], CannedLM(lambda *_: "No."))
    assert results["results"]["em_tiny"]["unscored_rate,broken"] == 1.0
    assert results["results"]["em_tiny"]["refusal_rate,length"] == 1.0
    assert record(results)["judges"]["broken"]["unscored"] == {"the judge failed: RuntimeError: no server": 3}
    assert "'broken' left 3 of 3 samples unscored" in caplog.text


def test_the_second_run_takes_verdicts_from_the_cache(write_task, judges):
    folder = write_task()
    for asked in (3, 0):
        judge = ScriptedJudge()
        judges(judge)
        evaluate(folder, ["em_tiny"])
        assert len(judge.received) == asked


def test_a_cache_that_cannot_be_used_is_one_warning_for_the_whole_run(write_task, judges, tmp_path, caplog):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "verdicts.sqlite").mkdir()
    judges(ScriptedJudge())
    write_task("em_other")
    evaluate(write_task(), ["em_tiny", "em_other"])
    assert caplog.text.count("cannot be used") == 1


def test_what_was_found_is_recorded(write_task, judges):
    judges(LENGTH)
    answers = iter(["No.", "", "Yes, here it is."])
    found = record(
        evaluate(write_task(), ["em_tiny"], CannedLM(lambda *_: next(answers)), system_instruction="Be kind.")
    )
    assert len(found.pop("prompt_set_sha256")) == 64
    assert found == {
        "em_bench_version": "0.1.0",
        "kind": "harmful",
        "domain": "bias",
        "chat_template": True,
        "system_instruction": "Be kind.",
        "max_gen_toks": 20,
        "truncated": None,
        "judges": {
            "length": {"version": "1", "samples": 3, "unscored": {"empty": 1}, "over_max_unscored": True},
        },
    }


def test_what_was_found_can_be_written_as_json(write_task, judges):
    judges(LENGTH)
    assert json.dumps(record(evaluate(write_task(), ["em_tiny"])))


# The journal


def test_the_journal_holds_every_tasks_responses_before_the_first_judge_is_asked(write_task, judges, tmp_path):
    def read_journal(batch):
        seen.append(sorted({row["task"] for row in journal_rows(tmp_path)}))
        for index in range(len(batch)):
            yield index, Verdict(label="refusal")

    seen: list = []
    judges(ScriptedJudge(answers=read_journal, cached=False))
    write_task("em_other")
    evaluate(write_task(), ["em_tiny", "em_other"])
    assert seen == [["em_other", "em_tiny"]] * 2


def test_a_judge_that_ends_the_process_leaves_every_response_in_the_journal(write_task, judges, tmp_path):
    def leave(_):
        raise SystemExit(9)
        yield

    judges(ScriptedJudge(answers=leave))
    write_task("em_other")
    with pytest.raises(SystemExit):
        evaluate(write_task(), ["em_tiny", "em_other"])
    rows = journal_rows(tmp_path)
    assert sorted((row["task"], row["id"]) for row in rows) == [
        (task, f"p{number}#0") for task in ("em_other", "em_tiny") for number in range(3)
    ]
    assert {row["response"] for row in rows} == {"Canned."}


def test_responses_are_in_the_journal_once(write_task, judges, tmp_path):
    judges(LENGTH, ScriptedJudge(name="other"))
    evaluate(write_task(), ["em_tiny"])
    assert len(journal_rows(tmp_path)) == len(PROMPTS)


def test_a_task_that_is_evaluated_again_is_in_the_journal_again(write_task, judges, tmp_path):
    from lm_eval import evaluator

    judges(LENGTH)
    loaded = load(write_task(), ["em_tiny"])
    for answer in ("First.", "Second."):
        evaluator.evaluate(CannedLM(lambda *_, answer=answer: answer), loaded, bootstrap_iters=0)
    assert {row["response"] for row in journal_rows(tmp_path)} == {"First.", "Second."}


def test_a_task_that_was_only_loaded_does_not_disturb_a_run(write_task, judges, tmp_path):
    judges(LENGTH)
    only_loaded = load(write_task(), ["em_tiny"])
    evaluate(write_task(), ["em_tiny"])
    assert only_loaded["tasks"]
    assert len(journal_rows(tmp_path)) == len(PROMPTS)


def test_responses_are_in_the_journal_even_if_their_tokens_cannot_be_counted(write_task, judges, tmp_path):
    def fail(_):
        raise TypeError("not a text for this tokenizer")

    judges(LENGTH)
    write_task("em_other")
    model = CannedLM(lambda *_: "A response that is long enough.", encode=fail)
    results = evaluate(write_task(), ["em_tiny", "em_other"], model)
    assert record(results)["truncated"] is None
    assert {row["task"] for row in journal_rows(tmp_path)} == {"em_tiny", "em_other"}


def test_a_journal_that_cannot_be_written_does_not_end_the_run(write_task, judges, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    judges(LENGTH)
    monkeypatch.setattr("em_bench.judging.journal.os.fsync", full)
    assert evaluate(write_task(), ["em_tiny"])["results"]["em_tiny"]["refusal_rate,length"] == 1.0
    assert "No space left on device" in caplog.text


def test_predict_only_keeps_all_responses_and_asks_no_judge(write_task, judges, tmp_path):
    judge = ScriptedJudge()
    judges(judge)
    answers = iter("abcdef")
    folder = write_task(kind="probe", domain=None, repeats=2)
    results = evaluate(folder, ["em_tiny"], CannedLM(lambda *_: next(answers)), predict_only=True)
    assert [sample["filtered_resps"] for sample in results["samples"]["em_tiny"]] == [
        [["a", "b"]],
        [["c", "d"]],
        [["e", "f"]],
    ]
    assert judge.received == []
    assert len(journal_rows(tmp_path)) == 6


# Warnings


def test_a_chat_template_that_is_off_is_warned_about_once_and_recorded(write_task, judges, caplog):
    judges(LENGTH)
    write_task("em_other")
    results = evaluate(write_task(), ["em_tiny", "em_other"], apply_chat_template=False)
    assert caplog.text.count("THE CHAT TEMPLATE IS OFF") == 1
    assert record(results)["chat_template"] is False


def test_a_run_that_goes_well_warns_of_nothing(write_task, judges, caplog):
    judges(LENGTH)
    evaluate(write_task(), ["em_tiny"], CannedLM(encode=lambda text: [0] * len(text)))
    assert [entry for entry in caplog.records if entry.levelno >= logging.WARNING] == []


def test_responses_cut_at_the_token_limit_are_counted_warned_about_and_recorded(write_task, judges, caplog):
    judges(LENGTH)
    answers = iter(["x" * 20, "x" * 25, "x" * 10])
    model = CannedLM(lambda *_: next(answers), encode=lambda text: [0] * len(text))
    assert record(evaluate(write_task(), ["em_tiny"], model))["truncated"] == 2
    assert "RESPONSES WERE CUT AT THE TOKEN LIMIT: em_tiny 2." in caplog.text


def test_a_response_whose_characters_are_several_tokens_each_is_counted_too(write_task, judges):
    judges(LENGTH)
    model = CannedLM(lambda *_: "漢字漢字漢字漢", encode=lambda text: list(text.encode()))
    assert record(evaluate(write_task(), ["em_tiny"], model))["truncated"] == 3


def test_a_limit_given_on_the_command_line_is_the_one_that_counts(write_task, judges):
    judges(LENGTH)
    folder = write_task()
    loaded = load(folder, ["em_tiny"])
    loaded["tasks"]["em_tiny"].set_config("generation_kwargs", {"max_gen_toks": 5}, update=True)
    from lm_eval import evaluator

    model = CannedLM(lambda *_: "x" * 7, encode=lambda text: [0] * len(text))
    found = record(evaluator.evaluate(model, loaded, apply_chat_template=True, bootstrap_iters=0))
    assert (found["max_gen_toks"], found["truncated"]) == (5, 3)


# What the user got wrong


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"domain": "medicine"}, "task em_tiny has the unknown domain 'medicine'; known: cybersecurity"),
        ({"kind": "evil"}, "task em_tiny has kind 'evil'; its YAML needs `kind:` harmful, benign, probe"),
        ({"kind": None}, "task em_tiny has kind None"),
        ({"domain": None}, "task em_tiny"),
        ({"prompts": "absent.jsonl"}, "absent.jsonl cannot be read"),
        ({"prompts": None}, "task em_tiny needs `prompts:`"),
    ],
)
def test_a_wrong_task_file_is_a_config_error(write_task, judges, keys, said):
    judges(LENGTH)
    with pytest.raises(ConfigError) as error:
        load(write_task(**keys), ["em_tiny"])
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_prompt_file_is_looked_for_beside_the_task_and_said_so(write_task, judges):
    judges(LENGTH)
    folder = write_task(prompts="absent.jsonl")
    with pytest.raises(ConfigError) as error:
        load(folder, ["em_tiny"])
    assert str(folder / "absent.jsonl") in str(error.value)


def test_a_malformed_line_is_a_config_error_with_its_place(write_task, judges):
    judges(LENGTH)
    folder = write_task()
    (folder / "em_tiny.jsonl").write_text('{"id": "a", "prompt": "One?"}\n{"id": \n')
    with pytest.raises(ConfigError, match=r"em_tiny\.jsonl:2 is not whole JSON"):
        load(folder, ["em_tiny"])


def test_fields_of_mixed_types_are_a_config_error(write_task, judges):
    judges(LENGTH)
    folder = write_task(rows=[{"id": "a", "prompt": "One?", "n": 1}, {"id": "b", "prompt": "Two?", "n": "many"}])
    with pytest.raises(ConfigError, match=r"em_tiny\.jsonl"):
        load(folder, ["em_tiny"])


def test_a_task_whose_description_names_a_field_that_no_prompt_has_is_a_config_error(write_task, judges):
    """lm-eval would send the word `system` itself as system prompt."""
    judges(LENGTH)
    with pytest.raises(ConfigError, match="system"):
        load(write_task(description="system"), ["em_tiny"])


def test_an_unknown_judge_is_a_config_error_before_anything_is_generated(write_task):
    with pytest.raises(ConfigError, match="'nobody' is not installed"):
        load(write_task(), ["em_tiny"], {"judges": ["nobody"]})


def test_a_judge_that_cannot_be_imported_is_a_config_error_before_anything_is_generated(write_task, package):
    package("bad-package", "bad_judge", "1 / 0", bad="Judge")
    with pytest.raises(ConfigError, match="'bad' of package 'bad-package' cannot be loaded: ZeroDivisionError"):
        load(write_task(), ["em_tiny"], {"judges": "bad"})


@pytest.mark.parametrize("command", ["/venv/bin/lm_eval", "/venv/bin/lm-eval", "/site-packages/lm_eval/__main__.py"])
def test_under_lm_evals_command_an_error_is_one_line_and_exit_code_2(write_task, judges, monkeypatch, capsys, command):
    judges(LENGTH)
    monkeypatch.setattr(sys, "argv", [command])
    with pytest.raises(SystemExit) as ended:
        load(write_task(domain="medicine"), ["em_tiny"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("em-bench: task em_tiny has the unknown domain 'medicine'")


@pytest.mark.parametrize("command", ["/home/me/lm_eval/my_script.py", "/usr/bin/python", ""])
def test_in_any_other_program_an_error_is_an_exception(write_task, judges, monkeypatch, command):
    judges(LENGTH)
    monkeypatch.setattr(sys, "argv", [command])
    with pytest.raises(ConfigError):
        load(write_task(domain="medicine"), ["em_tiny"])


TIERED = [{"id": str(n), "prompt": f"Q{n}?", "tier": t} for n, t in enumerate(["explicit", "obscured", "explicit"])]


def test_tiers_choose_the_prompts_and_are_recorded(write_task, judges):
    judges(LENGTH)
    folder = write_task(rows=TIERED)
    some = evaluate(folder, ["em_tiny"], metadata={"tiers": ["obscured"]})
    assert [sample["doc"]["id"] for sample in some["samples"]["em_tiny"]] == ["1"]
    assert record(some)["tiers"] == ["obscured"]
    assert record(evaluate(folder, ["em_tiny"]))["tiers"] == ["explicit", "obscured"]


def test_care_is_kept_without_a_rate_where_only_rules_judge(write_task, caplog):
    results = evaluate(write_task(kind="care", domain=None), ["em_tiny"])
    assert [sample["filter"] for sample in results["samples"]["em_tiny"]] == ["none"] * 3
    assert "`keyword` does not judge care" in caplog.text
