"""A run's tasks in parts: by domain, subcategory, theme or tier, where the documents say which they belong to.

A published set asks prompts of several domains in one task; its rate in each of them is that of a part.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum

from em_bench.metrics.registry import Kind
from em_bench.runs.model import JudgedSample, Run, TaskRun
from em_bench.tiers import Tier

NO_PART = "none"


class Part(StrEnum):
    """The fields of a document that make parts."""

    DOMAIN = "domain"
    SUBCATEGORY = "subcategory"
    THEME = "theme"
    TIER = "tier"


def in_parts(run: Run, by: Part) -> Run:
    """The run with each task that has several parts in place of the whole: `task [part]`, the largest first.

    Documents that belong to no part are a part too, `none`; a task whose documents do not have the field stays whole.
    """
    parts = (part for task in run.tasks.values() for part in _parts(task, by))
    return replace(run, tasks={part.name: part for part in parts})


def tiers_in(task: TaskRun) -> list[str]:
    """The tiers of a task's samples, in their order."""
    return list(dict.fromkeys(tier for sample in task.samples if (tier := part_of(task, sample, Part.TIER)) != NO_PART))


def part_of(task: TaskRun, sample: JudgedSample, by: Part) -> str:
    """The part that a sample belongs to; `none` if to no part.

    A harmful prompt within a condition that is meant to get past refusal is of the tier `adversarial`.
    """
    if by is Part.TIER and task.condition.adversarial and task.kind is Kind.HARMFUL and sample.doc.get(by):
        return Tier.ADVERSARIAL
    return str(sample.doc.get(by) or NO_PART)


def _parts(task: TaskRun, by: Part) -> Iterator[TaskRun]:
    groups: dict[str, list[JudgedSample]] = {}
    for sample in task.samples:
        groups.setdefault(part_of(task, sample, by), []).append(sample)
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
