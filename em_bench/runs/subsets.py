"""A run's tasks in parts: by domain, by subcategory or by theme, where the documents say which they belong to.

A published set asks prompts of several domains in one task; its rate in each of them is that of a part.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Any

from em_bench.runs.read import JudgedResponse, Run, TaskRun

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
    groups: dict[str, list[JudgedResponse]] = {}
    for response in task.responses:
        groups.setdefault(str(response.doc.get(by) or NO_PART), []).append(response)
    if set(groups) <= {NO_PART}:
        yield task
        return
    for name, responses in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        domain = name if by is Part.DOMAIN and name != NO_PART else task.domain
        record = {**task.record, "judges": _judges(task)}
        yield replace(task, name=f"{task.name} [{name}]", domain=domain, responses=tuple(responses), record=record)


def _judges(task: TaskRun) -> dict[str, Any]:
    """What is on record of each judge, without a jury's agreement: that is one of the whole task."""
    return {
        name: {key: value for key, value in noted.items() if key != "agreement"} if isinstance(noted, dict) else noted
        for name, noted in task.record.get("judges", {}).items()
    }
