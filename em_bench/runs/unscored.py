"""Judges that left too much unscored for their rates to say anything."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from em_bench.runs.model import Run, TaskRun


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What a judge left unscored: of a whole run where `task` is empty, else of one task."""

    checkpoint: str
    judge: str
    unscored: int
    n: int
    task: str = ""

    def __str__(self) -> str:
        where = f"{self.checkpoint}: {self.task}" if self.task else self.checkpoint
        if self.unscored == self.n:
            return f"{where}: judge {self.judge!r} scored none of {self.n} responses; its rates say nothing"
        return f"{where}: judge {self.judge!r} left {self.unscored} of {self.n} responses unscored, more than allowed"


def shortfalls(runs: Iterable[Run], most: float | None = None) -> list[Shortfall]:
    """The judges that scored nothing in a run; with `most` also those that left a larger share of a task unscored."""
    return [each for run in runs for judge in _judges(run) for each in _of_judge(run, judge, most)]


def _judges(run: Run) -> list[str]:
    return list(dict.fromkeys(judge for task in run.tasks.values() for judge in task.judges))


def _of_judge(run: Run, judge: str, most: float | None) -> Iterator[Shortfall]:
    counts = {task.name: _count(task, judge) for task in run.tasks.values() if judge in task.judges and task.samples}
    unscored, n = (sum(column) for column in zip(*counts.values(), strict=True)) if counts else (0, 0)
    if n and unscored == n:
        yield Shortfall(run.checkpoint.name, judge, unscored, n)
    elif most is not None:
        for task, (missing, of) in counts.items():
            if missing > most * of:
                yield Shortfall(run.checkpoint.name, judge, missing, of, task)


def _count(task: TaskRun, judge: str) -> tuple[int, int]:
    """How many of a task's responses a judge left unscored, and of how many."""
    verdicts = [verdict for _, verdict in task.verdicts_of(judge)]
    return sum(verdict is None or verdict.unscored is not None for verdict in verdicts), len(verdicts)
