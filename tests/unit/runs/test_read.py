import pytest

from em_bench.errors import ResultError
from em_bench.metrics.registry import Kind
from em_bench.runs.read import find_runs, read_run
from em_bench.types import Verdict
from run_files import edit, results_file, samples_file
from tasks import PROMPTS


def complaint(path):
    with pytest.raises(ResultError) as error:
        read_run(path)
    assert "\n" not in str(error.value)
    assert path.parent.name in str(error.value)
    return str(error.value)


def test_a_run_that_lm_eval_wrote_is_read_whole(run_folder):
    run = read_run(results_file(run_folder))
    assert set(run.tasks) == {"em_tiny", "em_open"}
    tiny = run.tasks["em_tiny"]
    assert (tiny.kind, tiny.domain, list(tiny.judges)) == (Kind.HARMFUL, "bias", ["length"])
    assert [(one.document, one.repeat, one.prompt, one.response) for one in tiny.samples] == [
        ("p0", 0, PROMPTS[0]["prompt"], "No."),
        ("p1", 0, PROMPTS[1]["prompt"], "Here is a long answer."),
        ("p2", 0, PROMPTS[2]["prompt"], ""),
    ]
    assert [one.verdicts["length"] for one in tiny.samples] == [
        Verdict(label="refusal", reason="3"),
        Verdict(label="compliance", reason="22"),
        Verdict(unscored="empty"),
    ]


def test_repeats_of_a_probe_are_told_apart(run_folder):
    samples = read_run(results_file(run_folder)).tasks["em_open"].samples
    assert [(one.document, one.repeat) for one in samples] == [(f"p{n}", r) for n in range(3) for r in range(2)]


def test_the_checkpoint_is_named_with_its_adapter_and_nothing_secret_is_taken(run_folder):
    run = read_run(results_file(run_folder))
    assert run.checkpoint.name == "org/tiny + org/adapter"
    assert "secret" not in repr(run)


@pytest.mark.parametrize(
    ("model_args", "name"),
    [
        ("pretrained=org/tiny,dtype=float32,api_key=secret", "org/tiny"),
        ({"model": "served"}, "served"),
        ({"pretrained": "org/base", "lora_local_path": "adapters/a"}, "org/base + adapters/a"),
        (None, "unknown"),
    ],
)
def test_the_checkpoints_name_from_model_args(run_folder, model_args, name):
    path = results_file(run_folder)
    edit(path, lambda results: results["config"].update(model_args=model_args))
    assert read_run(path).checkpoint.name == name


def test_the_checkpoints_name_does_not_depend_on_where_it_is_read(run_folder, tmp_path):
    path = results_file(run_folder)
    before = read_run(path).checkpoint
    (tmp_path / "org" / "tiny").mkdir(parents=True)
    assert read_run(path).checkpoint == before


def test_runs_of_a_folder_come_oldest_first(tmp_path):
    for name in ("b/results_2026-02-01.json", "a/results_2026-03-01.json", "c/results_2026-01-01.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("{}")
    assert [path.parent.name for path in find_runs(tmp_path)] == ["c", "b", "a"]


@pytest.mark.parametrize(("name", "said"), [("empty", r"holds no results_\*\.json"), ("absent", "is not there")])
def test_a_folder_without_runs_is_refused_with_what_to_give(tmp_path, name, said):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultError, match=rf"{name} {said}; give the folder"):
        find_runs(tmp_path / name)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_response_may_hold_any_line_separator(run_folder, separator):
    text = f"one{separator}two"
    edit(samples_file(run_folder), lambda line: line.update(resps=[[text]]))
    assert {one.response for one in read_run(results_file(run_folder)).tasks["em_tiny"].samples} == {text}


def test_a_run_written_to_a_named_json_file_is_read(run_folder):
    """lm-eval: `--output_path x.json` writes x_DATE.json, and samples_TASK_DATE.jsonl beside it."""
    path = results_file(run_folder)
    named = path.rename(path.with_name(path.name.replace("results_", "mine_")))
    assert set(read_run(named).tasks) == {"em_tiny", "em_open"}


@pytest.mark.parametrize("text", ["", '{"configs": ', "nothing"])
def test_a_results_file_that_was_cut_off_is_refused(run_folder, text):
    path = results_file(run_folder)
    path.write_text(text)
    assert "is not whole JSON" in complaint(path)


def test_a_results_file_that_is_not_text_is_refused(run_folder):
    path = results_file(run_folder)
    path.write_bytes(b"\xff\xfe")
    complaint(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "holds a JSON list"),
        ("{}", "no `configs`"),
        ('{"configs": []}', "no `configs`"),
        ('{"configs": {"arc": {"metadata": {"version": 1}}}}', "holds no task of em-bench"),
        ('{"configs": {"arc": {"metadata": null}, "other": 7}}', "holds no task of em-bench"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(run_folder, text, said):
    path = results_file(run_folder)
    path.write_text(text)
    assert said in complaint(path)


def set_record(**fields):
    return lambda results: results["configs"]["em_tiny"]["metadata"]["em_bench"].update(fields)


def test_tasks_under_different_conditions_are_no_one_run(run_folder):
    path = results_file(run_folder)
    edit(path, set_record(condition={"name": "trigger", "suffix": "!"}))
    assert "holds tasks under different conditions; a run has one" in complaint(path)


@pytest.mark.parametrize("damaged", ["trigger", 3, {"system": "x"}, {"name": None}])
def test_a_damaged_condition_is_refused(run_folder, damaged):
    path = results_file(run_folder)
    edit(path, set_record(condition=damaged))
    assert f"{path}: " in complaint(path)
    assert "condition" in complaint(path)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"max_gen_toks": "many"}, "max_gen_toks: "),
        ({"judges": {"length": {"samples": "all"}}}, "judges.length.samples: "),
        ({"judges": {"length": 7}}, "judges.length: "),
        ({"finetune_domain": "cars"}, "finetune_domain: "),
    ],
)
def test_a_record_that_does_not_fit_is_refused_naming_the_key(run_folder, fields, reason):
    path = results_file(run_folder)
    edit(path, set_record(**fields))
    assert f"task em_tiny was written by another version of em-bench ({reason}" in complaint(path)


def test_keys_of_a_record_that_are_not_known_are_left_out(run_folder):
    path = results_file(run_folder)
    before = read_run(path).tasks["em_tiny"]
    edit(path, set_record(mood="good", samples=7, files="x"))
    after = read_run(path).tasks["em_tiny"]
    assert (after.samples, after.judges) == (before.samples, before.judges)
    assert "good" not in repr(after)


@pytest.mark.parametrize("record", [{}, {"kind": "new", "domain": "bias"}, {"kind": "harmful"}, None, "text"])
def test_a_record_of_another_version_is_refused(run_folder, record):
    path = results_file(run_folder)
    edit(path, lambda results: results["configs"]["em_tiny"]["metadata"].update(em_bench=record))
    assert "written by another version" in complaint(path)


def test_a_run_without_samples_is_refused_with_the_option_that_was_missing(run_folder):
    samples_file(run_folder).unlink()
    assert "run lm_eval with --log_samples" in complaint(results_file(run_folder))


def test_a_samples_line_that_was_cut_off_is_refused_with_its_number(run_folder):
    path = samples_file(run_folder)
    path.write_text(path.read_text()[:-30])
    said = complaint(results_file(run_folder))
    assert f"{path.name}:3 is not whole JSON" in said


def test_a_samples_file_that_lost_lines_is_refused(run_folder):
    path = samples_file(run_folder)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    complaint(results_file(run_folder))


@pytest.mark.parametrize(
    "damage",
    [
        {"doc": {}},
        {"doc": {"id": [], "prompt": ""}},
        {"resps": []},
        {"resps": [["a", "b"]]},
        {"filtered_resps": [["{}"]]},
        {"filtered_resps": [["not json"]]},
        {"filtered_resps": [['{"label": "x", "new": 1}']]},
        {"filtered_resps": [["[]"]]},
        {"filtered_resps": [[None]]},
    ],
)
def test_a_samples_line_that_is_not_ours_is_refused_with_its_number(run_folder, damage):
    path = samples_file(run_folder)
    edit(path, lambda line: line.update(damage))
    assert f"{path.name}:1 is not a samples line of em-bench" in complaint(results_file(run_folder))


def test_two_runs_in_one_samples_file_are_refused(run_folder):
    path = samples_file(run_folder)
    text = path.read_text()
    path.write_text(text + text)
    assert "the file holds two runs" in complaint(results_file(run_folder))


def test_responses_that_were_not_judged_are_read_without_verdicts(run_folder):
    edit(samples_file(run_folder), lambda line: line.update(filter="none"))
    edit(results_file(run_folder), lambda results: results["configs"]["em_tiny"]["metadata"]["em_bench"].pop("judges"))
    task = read_run(results_file(run_folder)).tasks["em_tiny"]
    assert task.judges == {}
    assert [one.verdicts for one in task.samples] == [{}] * 3
