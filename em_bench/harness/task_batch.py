"""The tasks of one evaluation, which share their judges and are judged together.

lm-eval makes its tasks one by one and, once the responses of all are there, calls one at a time. Yet all must be in the
journal before the first judge starts, and a judge model gets one batch. Tasks made in one process with one cache folder
are in one `TaskBatch`.
"""

from pathlib import Path
from typing import Protocol
from weakref import WeakSet, WeakValueDictionary

from em_bench.config import Settings
from em_bench.judging.judgeable import Judgeable
from em_bench.judging.selection import JudgePool
from em_bench.judging.session import Session

# A batch lives as long as one of its tasks, and is open to new tasks until it is judged.
_OPEN: "WeakValueDictionary[Path, TaskBatch]" = WeakValueDictionary()


class BatchTask(Judgeable, Protocol):
    @property
    def has_responses(self) -> bool: ...

    @property
    def missing_set(self) -> str | None:
        """Why the task's published set is missing, or None."""
        ...


class TaskBatch:
    """`unreachable` are the hosts that did not answer: a group of sets must not wait for each of them anew."""

    def __init__(self) -> None:
        self.pool = JudgePool()
        self.unreachable: set[str] = set()
        self._tasks: WeakSet[BatchTask] = WeakSet()
        self._waiting: WeakSet[BatchTask] = WeakSet()

    def add(self, task: BatchTask) -> None:
        self._tasks.add(task)

    def missing_sets(self) -> list[str]:
        """What every task whose published set is missing lacks."""
        return sorted({task.missing_set for task in self._tasks if task.missing_set})

    def wait(self, task: BatchTask) -> None:
        """The task's requests are built: it is judged together with the others."""
        self._waiting.add(task)

    def judge(self, task: BatchTask, settings: Settings) -> None:
        """Judges every task whose responses are there, unless that was done when an earlier task was called."""
        if task not in self._waiting:
            return
        answered = sorted((each for each in self._waiting if each.has_responses), key=lambda each: each.name)
        for each in answered:
            self._waiting.discard(each)
        if _OPEN.get(settings.cache_dir) is self:
            del _OPEN[settings.cache_dir]
        Session(answered, settings).run()


def open_batch(settings: Settings) -> TaskBatch:
    """The batch that a task made now belongs to."""
    batch = _OPEN.get(settings.cache_dir)
    if batch is None:
        batch = _OPEN[settings.cache_dir] = TaskBatch()
    return batch
