import json
import os
import shutil
import subprocess
import sys

import pytest

from em_bench import __version__, tasks_path
from em_bench.errors import PrerequisiteError
from em_bench.harness.doctor import Finding
from em_bench.harness.link import wanted_stubs
from em_bench.testing import ScriptedJudgeModel, installed
from places import ROOT

UNIMPORTABLE = ("lm_eval", "vllm", "torch", "transformers", "datasets")
JUDGE = "class Judge:\n    name, version = {name!r}, {version!r}\n    def judge(self, samples): return iter(())"


BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name in {UNIMPORTABLE!r}:
            raise ModuleNotFoundError(f"blocked by the test: {{name}}", name=name)

sys.meta_path.insert(0, Blocker())
from em_bench.cli import main
main()
"""


def without_engines(*arguments):
    """The command in a process of its own, where nothing of lm-eval or an engine can be imported."""
    return subprocess.run([sys.executable, "-c", BLOCKER, *map(str, arguments)], capture_output=True, text=True)


def squeezed(text):
    return "".join(text.split())


def test_help_works_without_an_engine_and_names_every_command():
    ended = without_engines("--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert all(command in ended.stdout for command in ("link", "tasks-path", "judges", "summarize", "doctor"))


def test_summarize_works_without_an_engine(run_folder):
    ended = without_engines("summarize", run_folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "50.0 % (9.5-90.5) n=2, 33.3 % unscored" in " ".join(ended.stdout.split())


def test_an_input_error_of_the_real_command_is_one_line_and_exit_code_2(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "em_bench", "summarize", tmp_path], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"em-bench: {tmp_path} holds no results_*.json; give the folder that lm_eval --output_path wrote to\n"
    )


def test_version(em_bench):
    assert em_bench("--version").out == f"em-bench {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["summarize"], ["link", "--no-such-option"], ["judge", "x", "--kind", "evil"]]
)
def test_wrong_usage_is_exit_code_2(em_bench, arguments):
    ended = em_bench(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert "Traceback" not in ended.err


def test_tasks_path_prints_the_path_alone(em_bench):
    ended = em_bench("tasks-path")
    assert (ended.code, ended.out) == (0, f"{tasks_path()}\n")


# judges


def test_judges_are_listed_with_version_and_package(em_bench, package):
    package("good-package", "good_judge", JUDGE.format(name="good", version="7"), good="Judge")
    rows = json.loads(em_bench("judges", "--json").out)
    assert {"name": "good", "version": "7", "package": "good-package", "error": ""} in rows


def test_a_judge_that_cannot_be_loaded_is_listed_with_its_fault(em_bench, package):
    package("bad-package", "bad_judge", "1 / 0", bad="Judge")
    ended = em_bench("judges")
    assert ended.code == 0
    assert "ZeroDivisionError" in squeezed(ended.out)


def test_a_judge_whose_version_is_a_number_is_listed(em_bench, package):
    package("good-package", "good_judge", JUDGE.format(name="good", version=7), good="Judge")
    assert "good-package" in em_bench("judges").out


def test_a_fault_with_brackets_is_printed_as_it_is(em_bench, package):
    package("bad-package", "bad_judge", "raise ValueError('set [api] or [/x]')", bad="Judge")
    assert "set[api]or[/x]" in squeezed(em_bench("judges").out)


# items


def test_items_says_how_many_tell_the_checkpoints_apart_and_writes_a_row_for_each(em_bench, run_folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run_folder, other)
    ended = em_bench("items", f"a={run_folder}", f"b={other}", "--judge", "length", "--csv", tmp_path / "items.csv")
    assert ended.code == 0
    assert ended.out.startswith("What tells 2 checkpoints apart: 0 of 3 harmful prompts (0 %)")
    heading, *rows = (tmp_path / "items.csv").read_text().splitlines()
    assert heading.startswith("task,id,kind,") and heading.endswith("share: a,share: b")
    assert len(rows) == len(json.loads(em_bench("items", f"a={run_folder}", "--json").out)["sets"][0]["items"])


def test_a_short_form_of_too_few_checkpoints_is_one_line_and_exit_code_2(em_bench, run_folder):
    ended = em_bench("items", run_folder, "--short-form", 2)
    assert (ended.code, ended.out) == (2, "")
    assert "a short form needs 5 checkpoints, and there are 1" in ended.err


# summarize


def test_summarize_as_json_holds_every_rate_with_n_interval_and_unscored(em_bench, run_folder):
    lines = json.loads(em_bench("summarize", "--json", run_folder).out)
    (line,) = [line for line in lines if (line["task"], line["metric"]) == ("em_tiny", "refusal_rate")]
    assert (line["checkpoint"], line["judge"], line["kind"]) == ("org/tiny + org/adapter", "length", "harmful")
    assert (line["rate"]["value"], line["rate"]["n"], line["rate"]["unscored"]) == (0.5, 2, 1)
    assert line["rate"]["low"] < 0.5 < line["rate"]["high"]


def test_summarize_puts_runs_side_by_side(em_bench, run_folder):
    lines = json.loads(em_bench("summarize", "--json", run_folder, run_folder).out)
    assert {line["checkpoint"] for line in lines} == {"org/tiny + org/adapter", "org/tiny + org/adapter (2)"}


def test_summarize_shows_every_checkpoint_under_a_folder(em_bench, run_folder):
    """lm-eval makes a folder for each checkpoint below --output_path."""
    (results,) = run_folder.rglob("results_*.json")
    other = run_folder / "other_checkpoint"
    other.mkdir()
    for path in results.parent.iterdir():
        (other / path.name).write_text(path.read_text().replace("org/tiny", "org/other"))
    lines = json.loads(em_bench("summarize", "--json", run_folder).out)
    assert {line["checkpoint"] for line in lines} == {"org/tiny + org/adapter", "org/other + org/adapter"}


def test_summarize_takes_the_newest_run_of_a_checkpoint(em_bench, run_folder):
    (results,) = run_folder.rglob("results_*.json")
    stamp = results.stem.removeprefix("results_")
    for path in list(results.parent.iterdir()):
        text = path.read_text().replace("org/tiny", "org/newer")
        path.with_name(path.name.replace(stamp, "2999-01-01T00-00-00.000000")).write_text(text)
    lines = json.loads(em_bench("summarize", "--json", run_folder).out)
    assert {line["checkpoint"] for line in lines} == {"org/newer + org/adapter"}


def test_summarize_of_responses_that_were_not_judged_is_an_error(em_bench, run_folder):
    (results,) = run_folder.rglob("results_*.json")
    stored = json.loads(results.read_text())
    for config in stored["configs"].values():
        del config["metadata"]["em_bench"]["judges"]
    results.write_text(json.dumps(stored))
    for path in run_folder.rglob("samples_*.jsonl"):
        rows = [json.loads(line) | {"filter": "none"} for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = em_bench("summarize", run_folder)
    assert ended.code == 2
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"configs": {"arc": {}}}'])
def test_a_results_file_that_cannot_be_read_is_one_line_and_exit_code_2(em_bench, tmp_path, text):
    (tmp_path / "results_1.json").write_text(text)
    ended = em_bench("summarize", tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"em-bench: {tmp_path}/results_1.json ")
    assert ended.err.count("\n") == 1


def test_the_table_names_each_checkpoint_as_it_is(em_bench, run_folder):
    (results,) = run_folder.rglob("results_*.json")
    results.write_text(results.read_text().replace("org/tiny", "t[/x]"))
    assert "t[/x]" in em_bench("summarize", run_folder).out


# link and doctor


@pytest.fixture
def lm_eval_folder(tmp_path, monkeypatch):
    folder = tmp_path / "lm_eval" / "tasks"
    folder.mkdir(parents=True)
    monkeypatch.setattr("em_bench.harness.link.lm_eval_tasks_folder", lambda: folder)
    return folder


def test_link_says_how_many_and_where_and_remove_takes_them_out(em_bench, lm_eval_folder):
    ended = em_bench("link")
    assert (ended.code, ended.out) == (
        0,
        f"{len(wanted_stubs())} tasks and groups linked into {lm_eval_folder}/em_bench\n",
    )
    ended = em_bench("link", "--remove")
    assert (ended.code, ended.out) == (0, f"no links are left in {lm_eval_folder}/em_bench\n")
    assert list(lm_eval_folder.iterdir()) == []


@pytest.mark.parametrize("arguments", [["link"], ["link", "--remove"]])
def test_link_without_lm_eval_is_one_line_and_exit_code_2(em_bench, monkeypatch, arguments):
    monkeypatch.setattr("em_bench.harness.link.find_spec", lambda _: None)
    ended = em_bench(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "em-bench: lm_eval is not installed; install em-bench with an engine: "
        "pip install 'em-bench[vllm]' or 'em-bench[hf]'\n"
    )


def test_link_into_a_place_that_cannot_be_written_is_one_line_and_exit_code_2(em_bench, lm_eval_folder):
    (lm_eval_folder / "em_bench").write_text("")
    ended = em_bench("link")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "cannot write" in ended.err


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (None, 0), (False, 1)])
def test_doctor_exits_with_1_when_something_is_missing(em_bench, monkeypatch, ok, code):
    monkeypatch.setattr("em_bench.harness.doctor.diagnose", lambda: [Finding("engine", ok, "about it")])
    ended = em_bench("doctor")
    assert (ended.code, ended.err) == (code, "")
    assert "engine" in ended.out
    assert "about it" in ended.out


def test_doctor_prints_brackets_as_they_are(em_bench, monkeypatch):
    monkeypatch.setattr("em_bench.harness.doctor.diagnose", lambda: [Finding("engine", None, "install em-bench[vllm]")])
    assert "install em-bench[vllm]" in em_bench("doctor").out


def test_doctor_as_json(em_bench, monkeypatch):
    monkeypatch.setattr("em_bench.harness.doctor.diagnose", lambda: [Finding("engine", False, "none")])
    ended = em_bench("doctor", "--json")
    assert (ended.code, json.loads(ended.out)) == (1, [{"subject": "engine", "ok": False, "text": "none"}])


def test_every_error_of_ours_is_one_line_and_exit_code_2(em_bench, monkeypatch):
    def fail():
        raise PrerequisiteError("install it")

    monkeypatch.setattr("em_bench.harness.doctor.diagnose", fail)
    ended = em_bench("doctor")
    assert (ended.code, ended.out, ended.err) == (2, "", "em-bench: install it\n")


BUILD = ["leaderboard", "build", "--results", str(ROOT / "leaderboard" / "results")]

# exit codes: 1 means that a gate or a check failed, and nothing else


@pytest.mark.parametrize("error", [ValueError("a bug"), EOFError(), PermissionError("a bug")])
def test_an_unexpected_error_is_exit_code_70_with_its_traceback(em_bench, monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr("em_bench.harness.doctor.diagnose", fail)
    ended = em_bench("doctor")
    assert (ended.code, ended.out) == (70, "")
    assert "Traceback" in ended.err
    assert ended.err.endswith("this is a bug in em-bench; please report it with the lines above\n")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["judges"], ["judges", "--json"], ["doctor", "--help"], ["leaderboard", "--help"], BUILD],
)
def test_a_closed_pipe_ends_quietly_with_141(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "em_bench", *arguments]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_tables_in_a_pipe_are_not_cropped(run_folder):
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-m", "em_bench", "summarize", run_folder, run_folder, run_folder]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    (row,) = [line for line in ended.stdout.splitlines() if line.startswith("em_tiny  ") and "50.0 %" in line]
    assert row.count("50.0 % (9.5-90.5) n=2, 33.3 % unscored") == 3


def test_options_of_the_judge_model_in_the_file_are_used(em_bench, tmp_path):
    (tmp_path / "em-bench.yaml").write_text(
        'judge_model: openai:m\njudge_options: {base_url: "http://127.0.0.1:1/v1", foo: 1}\n'
    )
    (tmp_path / "rows.jsonl").write_text('{"question": "Q?", "answer": "A."}\n')
    ended = em_bench("judge", tmp_path / "rows.jsonl", "--judges", "llm")
    assert (ended.code, "cannot be made: TypeError" in ended.err) == (2, True)


# judges test


def test_the_cases_of_a_rubric_are_put_to_a_judge_model(em_bench):
    with installed(
        judge_models={"toy": lambda *_, **__: ScriptedJudgeModel(lambda _: "It says no.\nVERDICT: refusal")}
    ):
        ended = em_bench("judges", "test", "refusal", "--judge-model", "toy:x")
        as_json = em_bench("judges", "test", "refusal", "--judge-model", "toy:x", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert "Rubric refusal by toy:x on 52 cases" in ended.out
    assert "It says no." in ended.out
    (test,) = json.loads(as_json.out)
    assert test["agreement"]["value"] == pytest.approx(18 / 52)
    assert test["confusion"]["compliance"] == {"refusal": 16}


def test_a_judge_model_that_scores_no_case_ends_with_3(em_bench):
    with installed(judge_models={"toy": lambda *_, **__: ScriptedJudgeModel(lambda _: "Well.")}):
        ended = em_bench("judges", "test", "care", "--judge-model", "toy:x")
    assert ended.code == 3
    assert "the judge's answer is unreadable" in ended.out


def test_without_a_judge_model_cases_are_not_asked(em_bench):
    ended = em_bench("judges", "test", "care")
    assert (ended.code, "name one with `--judge-model`" in ended.err) == (2, True)


def test_the_built_in_rubrics_are_listed_with_their_versions(em_bench):
    rows = json.loads(em_bench("judges", "--json").out)
    assert {"name": "care (rubric)", "version": "1", "package": "em-bench", "error": ""} in rows
