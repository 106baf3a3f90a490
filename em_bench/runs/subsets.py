"""A run's tasks in parts: by domain, by subcategory or by theme, where the documents say which they belong to.

A published set asks prompts of several domains in one task; its rate in each of them is that of a part.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum

from em_bench.runs.model import JudgedSample, Run, TaskRun

NO_PART = "none"


class Part(StrEnum):
    """The fields of a document that make parts."""

    DOMAIN = "domain"
    SUBCATEGORY = "subcategory"
    THEME = "theme"


def in_parts(run: Run, by: Part) -> Run:
    """The run with each task that has several parts in place of the whole: `task [part]`, the largest first.

    Documents that belong to no part are a part too, `none`; a task whose documents do not have the field stays whole.
    """
    parts = (part for task in run.tasks.values() for part in _parts(task, by))
    return replace(run, tasks={part.name: part for part in parts})


def _parts(task: TaskRun, by: Part) -> Iterator[TaskRun]:
    groups: dict[str, list[JudgedSample]] = {}
    for sample in task.samples:
        groups.setdefault(str(sample.doc.get(by) or NO_PART), []).append(sample)
    if set(groups) <= {NO_PART}:
        yield task
        return
    # a jury's agreement is one of the whole task
    judges = {name: replace(judge, agreement=None) for name, judge in task.judges.items()}
    for name, samples in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        domain = name if by is Part.DOMAIN and name != NO_PART else task.domain
        yield replace(
            task, name=f"{task.name} [{name}]", part=name, domain=domain, samples=tuple(samples), judges=judges
        )
