"""The evaluation that tasks share: one for each cache folder, and a new one once it is judged."""

from dataclasses import dataclass, field

import pytest

from em_bench.config import Settings
from em_bench.harness.evaluation import open_evaluation
from em_bench.judging.panel import Panel
from em_bench.metrics.registry import Kind
from em_bench.testing import ScriptedJudge, samples


@dataclass(eq=False)
class Task:
    """A task with two responses, or with none yet."""

    name: str = "em_a"
    has_responses: bool = True
    missing_set: str | None = None
    panels: list = field(default_factory=list)
    kept: dict = field(default_factory=dict)
    record: dict = field(default_factory=lambda: {"chat_template": True})
    kind: Kind = Kind.HARMFUL
    encode = model = None
    predict_only, token_limit = False, 0

    @property
    def label(self):
        return self.name

    def samples(self):
        return samples(2)

    def keep(self, name, verdicts):
        self.kept[name] = [verdict.label for verdict in verdicts]


@pytest.fixture
def settings(tmp_path):
    return Settings(cache_dir=tmp_path)


def task(evaluation, **fields):
    made = Task(panels=[Panel("scripted", {"scripted": [ScriptedJudge()]})], **fields)
    evaluation.add(made)
    evaluation.wait(made)
    return made


def test_tasks_with_one_cache_folder_share_an_evaluation(settings, tmp_path):
    evaluation = open_evaluation(settings)
    assert open_evaluation(settings) is evaluation
    assert open_evaluation(Settings(cache_dir=tmp_path / "other")) is not evaluation


def test_an_evaluation_ends_with_its_tasks(settings):
    first = open_evaluation(settings)
    first.unreachable.add("host")
    del first
    assert open_evaluation(settings).unreachable == set()


def test_all_tasks_with_responses_are_judged_when_the_first_is_called(settings):
    evaluation = open_evaluation(settings)
    first, second, unasked = task(evaluation), task(evaluation), task(evaluation, has_responses=False)
    evaluation.judge(first, settings)
    assert first.kept == second.kept == {"scripted": ["refusal", "refusal"]}
    assert unasked.kept == {}


def test_a_task_that_was_judged_with_others_is_not_judged_again(settings):
    evaluation = open_evaluation(settings)
    first, second = task(evaluation), task(evaluation)
    evaluation.judge(first, settings)
    second.kept.clear()
    evaluation.judge(second, settings)
    assert second.kept == {}


def test_after_judging_a_new_evaluation_is_open(settings):
    evaluation = open_evaluation(settings)
    evaluation.judge(task(evaluation), settings)
    assert open_evaluation(settings) is not evaluation


def test_every_missing_set_is_named_once(settings):
    evaluation = open_evaluation(settings)
    tasks = [task(evaluation, missing_set=missing) for missing in ("b", "a", None, "b")]
    assert len(tasks) == 4
    assert evaluation.missing_sets() == ["a", "b"]
