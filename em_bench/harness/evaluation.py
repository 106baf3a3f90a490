"""What the tasks of one evaluation share: their judges, and which of them wait for judging.

lm-eval makes its tasks one by one and calls one at a time when the responses of all are there, yet all must be in the
journal before the first judge starts, and a judge model is best asked about all of them in one batch. Tasks that are
made in one process with one cache folder find each other here.
"""

from pathlib import Path
from typing import Protocol
from weakref import WeakSet, WeakValueDictionary

from em_bench.config import Settings
from em_bench.judging.judgeable import Judgeable
from em_bench.judging.selection import JudgePool
from em_bench.judging.session import Session

# An evaluation lives as long as one of its tasks, and is open to new tasks until it is judged.
_OPEN: "WeakValueDictionary[Path, Evaluation]" = WeakValueDictionary()


class EvaluatedTask(Judgeable, Protocol):
    @property
    def has_responses(self) -> bool: ...

    @property
    def missing_set(self) -> str | None:
        """Why the task's published set is missing, or None."""
        ...


class Evaluation:
    """`unreachable` are the hosts that did not answer: a group of sets must not wait for each of them anew."""

    def __init__(self) -> None:
        self.pool = JudgePool()
        self.unreachable: set[str] = set()
        self._tasks: WeakSet[EvaluatedTask] = WeakSet()
        self._waiting: WeakSet[EvaluatedTask] = WeakSet()

    def add(self, task: EvaluatedTask) -> None:
        self._tasks.add(task)

    def missing_sets(self) -> list[str]:
        """What every task whose published set is missing lacks."""
        return sorted({task.missing_set for task in self._tasks if task.missing_set})

    def wait(self, task: EvaluatedTask) -> None:
        """The task's requests are built: it is judged together with the others."""
        self._waiting.add(task)

    def judge(self, task: EvaluatedTask, settings: Settings) -> None:
        """Judges every task whose responses are there, unless that was done when an earlier task was called."""
        if task not in self._waiting:
            return
        ready = sorted((each for each in self._waiting if each.has_responses), key=lambda each: each.name)
        for each in ready:
            self._waiting.discard(each)
        if _OPEN.get(settings.cache_dir) is self:
            del _OPEN[settings.cache_dir]
        Session(ready, settings).run()


def open_evaluation(settings: Settings) -> Evaluation:
    """The evaluation that a task which is made now belongs to."""
    evaluation = _OPEN.get(settings.cache_dir)
    if evaluation is None:
        evaluation = _OPEN[settings.cache_dir] = Evaluation()
    return evaluation
