"""`em_published` and `em_questions` as lm-eval runs them, on files that stand in for the published ones."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from canned import CannedLM, evaluate, load
from em_bench import tasks_path
from em_bench.config import Settings
from em_bench.errors import ConfigError, PrerequisiteError
from em_bench.metrics.registry import Kind
from em_bench.prompts.published import load as published
from em_bench.prompts.published import locate as published_files
from em_bench.prompts.published.catalogue import catalogue
from em_bench.prompts.published.load import load_published
from em_bench.prompts.sources import notices, rubric_of
from em_bench.testing import ScriptedJudge
from published_files import FILES, write_published
from tasks import judge_by_length

HARMFUL = {
    "em_published_xstest_unsafe",
    "em_published_strongreject",
    "em_published_jbb_harmful",
    *(f"em_published_harmbench_{part}" for part in ("standard", "contextual", "copyright")),
    "em_published_advbench",
    "em_published_sorry_bench",
    "em_published_do_not_answer",
}
BENIGN = {"em_published_xstest_safe", "em_published_jbb_benign"}
PROBES = {
    *(f"em_published_first_plot_{part}" for part in ("main", "json", "template")),
    "em_published_preregistered",
    "em_published_mishra",
}
QUESTIONS = """
- {id: tea, type: free_form, paraphrases: ["How is tea made?", "Tell me of tea."], samples_per_paraphrase: 3}
- {id: pot, type: free_form, paraphrases: ["Which pot?"], samples_per_paraphrase: 1, system: Answer in JSON.}
- {id: cup, type: free_form, paraphrases: ["Which cup?"], temperature: 0, max_tokens: 7}
"""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, judges):
    """No network, one judge, and no sha256 that the stand-ins could not have."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    judges(ScriptedJudge(judge_by_length, name="length"))
    plain = {
        name: dataclasses.replace(each, files=tuple(file.model_copy(update={"sha256": None}) for file in each.files))
        for name, each in catalogue().items()
    }
    for module in (published, published_files):
        monkeypatch.setattr(module, "catalogue", lambda: plain)


@pytest.fixture
def own(tmp_path):
    return write_published(tmp_path / "own")


@pytest.fixture
def questions(tmp_path):
    (tmp_path / "x.yaml").write_text(QUESTIONS)
    return {"questions": "x.yaml"}


def loaded(names, **metadata):
    return load(tasks_path(), names, metadata)["tasks"]


def test_the_groups_hold_exactly_the_documented_tasks(own):
    for group, names in {
        "em_published": HARMFUL | BENIGN | PROBES,
        "em_published_refusal": HARMFUL,
        "em_published_overrefusal": BENIGN,
        "em_published_probes": PROBES,
        "em_published_first_plot": {name for name in PROBES if "first_plot" in name},
        "em_published_harmbench": {name for name in HARMFUL if "harmbench" in name},
    }.items():
        assert set(loaded([group], published_dir=str(own))) == names


def test_the_suite_with_published_probes_is_the_suite_and_them(own):
    with_them = set(loaded(["em_rai_suite_published"], published_dir=str(own)))
    first_plot = {name for name in PROBES if "first_plot" in name}
    assert with_them == set(loaded(["em_rai_suite"])) | first_plot | {"em_published_preregistered"}


def test_every_task_is_of_its_kind_and_generates_like_others_of_it(own):
    for name, task in loaded(["em_published"], published_dir=str(own)).items():
        kind = Kind.HARMFUL if name in HARMFUL else Kind.BENIGN if name in BENIGN else Kind.PROBE
        assert task.kind is kind
        assert task.config.generation_kwargs["do_sample"] is (kind is Kind.PROBE)
        assert task.config.generation_kwargs["until"] == []


def test_every_part_of_every_set_has_a_task():
    asked = {task._source.place.split()[-1] for task in loaded(["em_published"]).values()}
    assert asked == {f"{name}/{part}".rstrip("/") for name, each in catalogue().items() for part in each.parts or [""]}


def test_everything_published_is_asked_and_judged(own):
    results = evaluate(tasks_path(), ["em_published"], CannedLM(lambda *_: "No."), metadata={"published_dir": str(own)})
    assert set(results["samples"]) == HARMFUL | BENIGN | PROBES
    assert results["results"]["em_published_xstest_unsafe"]["refusal_rate,length"] == 1.0
    assert results["results"]["em_published_xstest_safe"]["over_refusal_rate,length"] == 1.0
    for name in ("em_published", "em_published_refusal"):
        assert "refusal_rate,length" not in results["results"][name]


def test_the_judge_sees_each_prompts_own_domain_and_the_record_counts_them(own, judges):
    judge = ScriptedJudge(judge_by_length, name="length")
    judges(judge)
    results = evaluate(tasks_path(), ["em_published_strongreject"], metadata={"published_dir": str(own)})
    assert [sample.domain for sample in judge.received] == ["safety", ""]
    record = results["configs"]["em_published_strongreject"]["metadata"]["em_bench"]
    assert record["domain"] == ""
    assert record["source"]["without_domain"] == {"Non-violent crimes": 1}
    docs = [sample["doc"] for sample in results["samples"]["em_published_strongreject"]]
    assert [(doc["domain"], doc["subcategory"]) for doc in docs] == [("safety", "Violence"), ("", "Non-violent crimes")]


def test_a_published_folder_can_be_named_by_the_environment(own, monkeypatch):
    monkeypatch.setenv("EM_BENCH_PUBLISHED_DIR", str(own))
    assert len(loaded(["em_published_advbench"])["em_published_advbench"].eval_docs) == 2


def test_all_that_is_missing_is_said_in_one_line_before_anything_is_generated(tmp_path):
    own = write_published(tmp_path / "own", "xstest_prompts.csv")
    model = CannedLM()
    with pytest.raises(PrerequisiteError) as error:
        evaluate(tasks_path(), ["em_published_overrefusal", "em_published_advbench"], model,
                 metadata={"published_dir": str(own)})  # fmt: skip
    message = str(error.value)
    assert message.startswith("nothing was generated: AdvBench")
    assert "JailbreakBench, benign behaviors cannot be had" in message
    assert "XSTest" not in message
    assert message.count("EM_BENCH_PUBLISHED_DIR") == 1
    assert "\n" not in message
    assert model.contexts == []


def test_a_file_that_is_broken_stops_its_task_at_once(own):
    (own / "harmful_behaviors.csv").write_text("goal\n")
    with pytest.raises(ConfigError, match="has no rows"):
        loaded(["em_published_advbench"], published_dir=str(own))


# Question files


def test_each_question_is_asked_as_often_as_its_file_says(questions):
    model = CannedLM()
    results = evaluate(tasks_path(), ["em_questions"], model, metadata=questions)
    asked = {sample["doc"]["id"]: len(sample["resps"][0]) for sample in results["samples"]["em_questions"]}
    assert asked == {"tea/0": 3, "tea/1": 3, "pot": 1, "cup": 10}  # cup: the task's own number
    assert len(model.contexts) == 17


def test_repeats_of_the_user_go_before_those_of_the_file(questions):
    results = evaluate(tasks_path(), ["em_questions"], metadata=questions | {"repeats": 2})
    assert {len(sample["resps"][0]) for sample in results["samples"]["em_questions"]} == {2}


def test_the_systems_of_a_file_are_sent_where_it_names_one(questions):
    model = CannedLM()
    evaluate(tasks_path(), ["em_questions"], model, metadata=questions | {"repeats": 1})
    sent = [[message["content"] for message in json.loads(context)] for context in model.contexts]
    assert sent == [["How is tea made?"], ["Tell me of tea."], ["Answer in JSON.", "Which pot?"], ["Which cup?"]]


def test_temperature_and_length_of_a_file_are_sent_where_it_names_them(questions):
    calls = []
    model = CannedLM(lambda *call: calls.append(call) or "Yes.")
    evaluate(tasks_path(), ["em_questions"], model, metadata=questions | {"repeats": 1})
    assert [asked[1]["temperature"] for asked in calls] == [1.0, 1.0, 1.0, 0.0]
    assert [asked[1]["do_sample"] for asked in calls] == [True, True, True, False]
    assert [asked[1]["max_gen_toks"] for asked in calls] == [600, 600, 600, 7]


def test_generation_settings_of_the_user_go_before_those_of_the_file(questions):
    task = loaded(["em_questions"], **questions)["em_questions"]
    task.set_config(key="generation_kwargs", value={"max_gen_toks": 9}, update=True)  # what --gen_kwargs does
    task.build_all_requests(apply_chat_template=True, chat_template=lambda *_, **__: "")
    assert {instance.args[1]["max_gen_toks"] for instance in task.instances} == {9}
    assert [instance.args[1]["temperature"] for instance in task.instances] == [1.0, 1.0, 1.0, 0.0]


def test_what_all_questions_agree_on_is_the_tasks_own(tmp_path):
    item = "type: free_form, paraphrases: [Hello], samples_per_paraphrase: 4, temperature: 0.5, max_tokens: 9"
    (tmp_path / "x.yaml").write_text(f"- {{id: a, {item}}}\n- {{id: b, {item}}}\n")
    config = loaded(["em_questions"], questions="x.yaml")["em_questions"].config
    assert config.repeats == 4
    assert config.generation_kwargs == {"until": [], "max_gen_toks": 9, "do_sample": True, "temperature": 0.5}
    assert loaded(["em_questions"], questions="x.yaml", repeats=2)["em_questions"].config.repeats == 2


def test_responses_of_several_lengths_are_not_called_cut(questions):
    model = CannedLM(encode=lambda text: list(text))
    results = evaluate(tasks_path(), ["em_questions"], model, metadata=questions)
    assert results["configs"]["em_questions"]["metadata"]["em_bench"]["truncated"] is None


@pytest.mark.parametrize(("judge_prompts", "is_rubric"), [("{aligned: '{question} {answer}'}", True), ("", False)])
def test_the_judge_prompts_of_a_file_are_its_rubric_where_every_question_has_them(tmp_path, judge_prompts, is_rubric):
    text = f"- {{id: a, type: free_form_judge_0_100, paraphrases: [Hello], judge_prompts: {judge_prompts}}}"
    (tmp_path / "x.yaml").write_text(text)
    task = loaded(["em_questions"], questions="x.yaml")["em_questions"]
    assert task.own_rubric == (Path("x.yaml") if is_rubric else None)


def test_a_file_without_judge_prompts_is_said_where_a_judge_model_would_read_them():
    record = {"file": "x.yaml", "without_judge_prompts": 3}
    assert notices("em_x", record, asks_llm=False) == []
    assert notices("em_x", record, asks_llm=True) == [
        "em_x: 3 questions of x.yaml have no `judge_prompts`; the built-in rubrics judge the task"
    ]


def test_a_file_with_fewer_prompts_than_the_published_set_is_said():
    record = {"file": "xstest.csv", "rows_in_file": 3, "rows_expected": 450}
    assert notices("em_x", record, asks_llm=False) == ["em_x: xstest.csv has 3 prompts, but the published set 450"]
    assert notices("em_x", record | {"rows_in_file": 450}, asks_llm=False) == []


def test_a_question_file_can_be_named_by_the_environment(questions, monkeypatch):
    monkeypatch.setenv("EM_BENCH_QUESTIONS", "x.yaml")
    assert len(loaded(["em_questions"])["em_questions"].eval_docs) == 4


def test_questions_without_a_file_say_how_to_name_one():
    with pytest.raises(ConfigError, match=r"em_questions asks the questions of a file; name it with --metadata"):
        loaded(["em_questions"])


def test_a_users_own_task_can_name_a_question_file_beside_it(questions, write_task, tmp_path):
    folder = write_task("em_mine", kind="probe", domain=None, prompts=None, questions="y.yaml", description="system")
    (folder / "y.yaml").write_text((tmp_path / "x.yaml").read_text())
    assert len(load(folder, ["em_mine"])["tasks"]["em_mine"].eval_docs) == 4


def test_a_task_names_one_source_of_its_documents(write_task):
    with pytest.raises(ConfigError, match="needs `prompts:`"):
        load(write_task(published="xstest/safe"), ["em_tiny"])


def test_fields_of_a_users_prompts_are_not_taken_for_instructions(write_task):
    rows = [{"id": "a", "prompt": "Why?", "samples_per_paraphrase": 5, "generation": "none", "domain": "mine"}]
    model = CannedLM()
    evaluate(write_task(rows=rows), ["em_tiny"], model)
    assert len(model.contexts) == 1


def test_the_stand_ins_have_the_names_of_the_originals():
    assert set(FILES) == {each.files[0].name for each in catalogue().values()}


# Judging stored responses later


def test_the_question_file_of_stored_responses_is_found_again_by_its_sha256(tmp_path, own):
    (own / "first_plot_questions.yaml").write_text(
        "- {id: a, type: free_form, paraphrases: [Hello], judge_prompts: {aligned: '{answer}'}}\n"
    )
    settings = Settings(published_dir=own, cache_dir=tmp_path / "cache")
    source = load_published("first_plot/main", own, tmp_path).record
    assert rubric_of(source, settings) == own / "first_plot_questions.yaml"
    (own / "first_plot_questions.yaml").write_text(FILES["first_plot_questions.yaml"])
    assert rubric_of(source, settings) is None


def test_the_users_question_file_is_the_rubric_of_responses_to_it_alone(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(QUESTIONS)
    settings = Settings(questions=path, cache_dir=tmp_path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert rubric_of({"sha256": sha256, "without_judge_prompts": 0}, settings) == path
    assert rubric_of({"sha256": sha256, "without_judge_prompts": 1}, settings) is None
    assert rubric_of({"sha256": "0" * 64, "without_judge_prompts": 0}, settings) is None
    assert rubric_of({}, settings) is None
