"""Which runs may stand in one ranking.

Runs that are comparable by `em_bench.compare.comparability` stand together, judge by judge. A run that leaves tasks out
is comparable on what it has. Demonstrations stand apart.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from em_bench.compare.comparability import Aspect, Mismatch, RunSetup, TaskSetup, mismatches
from em_bench.compare.setups import setup_of_result
from em_bench.conditions import NONE
from em_bench.judge import split_versions
from em_bench.runs.result import RunResult
from em_bench_leaderboard.store import Entry

VERSION = re.compile(r"[^/]+/(.+)/[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Class:
    """Runs that one judge judged alike, with their tasks' setup; `why`: how it differs from the first class."""

    judge: str
    condition: str
    demonstration: bool
    tasks: Mapping[str, TaskSetup]
    members: tuple[Entry, ...]
    why: tuple[str, ...] = ()

    @property
    def versions(self) -> list[str]:
        return short_versions(setup.judges[self.judge] for setup in self.tasks.values())

    @property
    def label(self) -> str:
        condition = "no condition" if self.condition == NONE.name else f"condition {self.condition}"
        versions = ", ".join(self.versions[:2]) + (", …" if len(self.versions) > 2 else "")
        return f"judge {self.judge} ({versions}), {condition}"


def classes(entries: Iterable[Entry]) -> list[Class]:
    """Greedy: the most complete runs open the classes. The largest class comes first, demonstrations last."""
    open_classes: list[tuple[tuple[str, str, bool], dict[str, TaskSetup], list[Entry]]] = []
    rows = [(entry, judge, tasks) for entry in entries for judge, tasks in _by_judge(entry.result).items()]
    for entry, judge, tasks in sorted(rows, key=lambda row: (-len(row[2]), row[0].result.id)):
        key = (judge, entry.result.condition_name, entry.result.demonstration)
        for other, class_tasks, members in open_classes:
            if other == key and class_tasks.keys() & tasks.keys() and not _mismatches(class_tasks, tasks):
                class_tasks.update(tasks)
                members.append(entry)
                break
        else:
            open_classes.append((key, dict(tasks), [entry]))
    ordered = [Class(*key, tasks, tuple(members)) for key, tasks, members in open_classes]
    ordered.sort(
        key=lambda each: (each.demonstration, each.judge == "keyword", -len(each.members), each.judge, each.label)
    )
    return [_explained(each, ordered[0]) for each in ordered]


def short_versions(versions: Iterable[str]) -> list[str]:
    """Versions for readers: the judge models of an LLM judge's `rubric version/judge model/hash; ...`."""
    parts = {part for version in versions for part in split_versions(version)}
    models = {match[1] if (match := VERSION.fullmatch(part)) else part for part in parts}
    return sorted(models)


def _by_judge(result: RunResult) -> dict[str, dict[str, TaskSetup]]:
    """By judge, the tasks that it has rates for."""
    rated = {(rate.task, rate.judge) for rate in result.rates}
    by_judge: dict[str, dict[str, TaskSetup]] = {}
    for judge in dict.fromkeys(judge.name for task in result.tasks for judge in task.judges):
        setup = setup_of_result(result, [judge])
        tasks = {name: task for name, task in setup.tasks.items() if judge in task.judges and (name, judge) in rated}
        if tasks:
            by_judge[judge] = tasks
    return by_judge


def _mismatches(first: Mapping[str, TaskSetup], second: Mapping[str, TaskSetup]) -> list[Mismatch]:
    return mismatches(RunSetup(first), RunSetup(second), may_differ={Aspect.TASKS})


def _explained(own: Class, first: Class) -> Class:
    why = ["demonstration"] if own.demonstration and not first.demonstration else []
    why += [f"judge {own.judge}"] if own.judge != first.judge else []
    why += [f"condition {own.condition}"] if own.condition != first.condition else []
    if own.judge == first.judge:
        aspects = [each.aspect for each in _mismatches(own.tasks, first.tasks)]
        why += [f"other {each}" for each in aspects if each is not Aspect.CONDITION or own.condition == first.condition]
    return Class(
        own.judge,
        own.condition,
        own.demonstration,
        own.tasks,
        own.members,
        tuple(dict.fromkeys(why)) if own is not first else (),
    )
