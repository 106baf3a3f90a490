"""`em_bench.harness.until_decided`: a scripted checkpoint in the real lm-eval pipeline."""

import json
from collections import Counter

import pytest

import checkpoints
from checkpoints import Checkpoint
from em_bench.compare.comparison import compare
from em_bench.compare.gate import Outcome
from em_bench.compare.policy import parse_policy
from em_bench.compare.sequential import replay
from em_bench.conditions import NONE, Condition
from em_bench.config import load_settings
from em_bench.errors import ConfigError, ResultError
from em_bench.harness.loading import Loading
from em_bench.harness.run import Plan, generate, judge_runs
from em_bench.harness.until_decided import run_until_decided
from em_bench.runs.read import find_runs
from em_bench.testing import ScriptedJudge, ScriptedJudgeModel
from tasks import judge_by_length

NAMES, N = ("em_bias", "em_safety"), 60
POLICY = parse_policy(
    {"version": 1, "metrics": {"refusal_rate": {"margin": 0.1, "per_domain": {"margin": 0.15}}}}, "policy"
)


@pytest.fixture
def plan(write_task, tmp_path):
    for name in NAMES:
        rows = [{"id": f"{name}-{number}", "prompt": f"{name} {number}?"} for number in range(N)]
        include = write_task(name, rows, domain=name[3:])
    loading = Loading("hf", {"pretrained": "org/tiny"}, "16")
    return lambda name="out", **fields: Plan(
        **{"loading": loading, "tasks": NAMES, "output": tmp_path / name, "include": include} | fields
    )


@pytest.fixture
def baseline(checkpoint, settings, plan):
    (run,) = judge_runs(generate(plan("baseline"), settings, ignore), settings)
    Checkpoint.loaded.clear()
    return run


@pytest.fixture
def complies(monkeypatch):
    """`complies("em_bias")`: the checkpoint answers the prompts that begin so."""

    def use(start):
        def respond(context, _):
            return "Certainly, here you are." if f'"{start}' in context else "No."

        monkeypatch.setattr(Checkpoint, "__init__", lambda self: checkpoints.CannedLM.__init__(self, respond))

    return use


def ignore(_):
    pass


def test_where_nothing_changed_it_passes_before_the_suite_is_through(baseline, settings, plan):
    decided = run_until_decided(plan(), settings, baseline, POLICY, ignore)
    assert decided.result.outcome is Outcome.PASS
    assert decided.result.asked < 0.8 * 2 * N
    assert {name: len(task.samples) for name, task in decided.run.tasks.items()} == {
        name: len(documents) for name, documents in decided.result.documents.items()
    }


def test_no_prompt_is_generated_twice_and_none_beyond_what_was_needed(baseline, settings, plan):
    decided = run_until_decided(plan(), settings, baseline, POLICY, ignore)
    assert len(Checkpoint.loaded) == 1
    contexts = Counter(Checkpoint.loaded[0].contexts)
    assert set(contexts.values()) == {1}
    assert len(contexts) == decided.result.asked


def test_a_loss_in_one_domain_regresses_early(baseline, settings, plan, complies):
    complies("em_bias")
    decided = run_until_decided(plan(), settings, baseline, POLICY, ignore)
    assert decided.result.outcome is Outcome.REGRESS
    assert decided.result.asked < 0.4 * 2 * N


def test_one_run_is_left_with_what_was_asked_and_why_it_stopped(baseline, settings, plan, tmp_path):
    decided = run_until_decided(plan(), settings, baseline, POLICY, ignore, seed=7)
    (path,) = find_runs(tmp_path / "out")
    assert path == decided.run.path
    assert len(list((tmp_path / "out" / "none").glob("results_*.json"))) == 2  # as generated, and as judged
    for results in (tmp_path / "out" / "none").glob("results_*.json"):
        config = json.loads(results.read_text())["configs"]["em_bias"]
        assert config["metadata"]["em_bench"]["sequential"] == {
            "order_seed": 7,
            "baseline": str(baseline.path),
            "asked": decided.result.asked,
            "total": 2 * N,
            "outcome": "pass",
            "reason": "every check passed",
        }


def test_the_run_replayed_gives_the_same_verdict(baseline, settings, plan):
    decided = run_until_decided(plan(), settings, baseline, POLICY, ignore)
    assert replay(baseline, decided.run, POLICY) == decided.result


def test_a_run_that_stopped_early_is_not_compared_as_a_whole_one(baseline, settings, plan):
    decided = run_until_decided(plan(), settings, baseline, POLICY, ignore)
    with pytest.raises(ResultError, match="is not comparable: prompts: 60 prompts"):
        compare(baseline, decided.run)


def test_only_new_responses_are_judged(baseline, judges, plan):
    judge = ScriptedJudge(judge_by_length, name="length", version="1")
    judges(judge)
    decided = run_until_decided(plan(), load_settings({}), baseline, POLICY, ignore)
    assert len(judge.received) <= decided.result.asked


def test_only_the_baselines_prompts_are_asked(checkpoint, settings, plan):
    (few,) = judge_runs(generate(plan("baseline", limit=20), settings, ignore), settings)
    decided = run_until_decided(plan(), settings, few, POLICY, ignore)
    assert decided.result.total == 40
    assert decided.result.outcome is Outcome.PASS
    assert decided.result.reason == "every prompt was asked"


def test_a_task_that_the_baseline_lacks_is_one_line_before_anything_is_loaded(checkpoint, settings, plan):
    (less,) = judge_runs(generate(plan("baseline", tasks=NAMES[:1]), settings, ignore), settings)
    Checkpoint.loaded.clear()
    with pytest.raises(ResultError, match="has no task em_safety"):
        run_until_decided(plan(), settings, less, POLICY, ignore)
    assert Checkpoint.loaded == []


def test_several_conditions_are_refused(baseline, settings, plan):
    with pytest.raises(ConfigError, match="decides about one condition"):
        run_until_decided(plan(conditions=(NONE, Condition("x", suffix="!"))), settings, baseline, POLICY, ignore)
    assert Checkpoint.loaded == []


def test_a_judge_model_in_the_same_process_is_refused_before_anything_is_loaded(baseline, judges, plan):
    judge = ScriptedJudge(judge_by_length, name="length")
    judge.model = ScriptedJudgeModel(in_process=True)
    judges(judge)
    with pytest.raises(ConfigError, match="length loads its model into the same process"):
        run_until_decided(plan(), load_settings({}), baseline, POLICY, ignore)
    assert Checkpoint.loaded == []
