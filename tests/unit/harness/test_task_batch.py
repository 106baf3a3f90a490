"""The batch that tasks share: one for each cache folder, and a new one once it is judged."""

from dataclasses import dataclass, field

import pytest

from em_bench.config import Settings
from em_bench.harness.task_batch import open_batch
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


def task(batch, **fields):
    task = Task(panels=[Panel("scripted", {"scripted": [ScriptedJudge()]})], **fields)
    batch.add(task)
    batch.wait(task)
    return task


def test_tasks_with_one_cache_folder_share_a_batch(settings, tmp_path):
    batch = open_batch(settings)
    assert open_batch(settings) is batch
    assert open_batch(Settings(cache_dir=tmp_path / "other")) is not batch


def test_a_batch_ends_with_its_tasks(settings):
    first = open_batch(settings)
    first.unreachable.add("host")
    del first
    assert open_batch(settings).unreachable == set()


def test_all_tasks_with_responses_are_judged_when_the_first_is_called(settings):
    batch = open_batch(settings)
    first, second, unasked = task(batch), task(batch), task(batch, has_responses=False)
    batch.judge(first, settings)
    assert first.kept == second.kept == {"scripted": ["refusal", "refusal"]}
    assert unasked.kept == {}


def test_a_task_that_was_judged_with_others_is_not_judged_again(settings):
    batch = open_batch(settings)
    first, second = task(batch), task(batch)
    batch.judge(first, settings)
    second.kept.clear()
    batch.judge(second, settings)
    assert second.kept == {}


def test_after_judging_a_new_batch_is_open(settings):
    batch = open_batch(settings)
    batch.judge(task(batch), settings)
    assert open_batch(settings) is not batch


def test_every_missing_set_is_named_once(settings):
    batch = open_batch(settings)
    tasks = [task(batch, missing_set=missing) for missing in ("b", "a", None, "b")]
    assert len(tasks) == 4
    assert batch.missing_sets() == ["a", "b"]
