"""Which runs may stand in one ranking.

Two runs are comparable by a judge when it had the same version, they asked the same prompts in the same way (task
versions, prompt sets, chat template, system prompt, length), under the same condition. A run that leaves tasks out is
comparable on what it has. Demonstrations stand apart.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from em_bench.runs.result import RunResult
from em_bench_leaderboard.store import Entry

VERSION = re.compile(r"[^/]+/(.+)/[0-9a-f]{12}")
Fingerprint = tuple[str, ...]
PARTS = ("judge version", "task version", "prompt set", "number of prompts", "chat template", "system prompt", "length")


@dataclass(frozen=True, slots=True)
class Class:
    """Runs that one judge judged alike. `tasks`: what is known of each task; `why`: how it differs from the first."""

    judge: str
    condition: str
    demonstration: bool
    tasks: Mapping[str, Fingerprint]
    members: tuple[Entry, ...]
    why: tuple[str, ...] = ()

    @property
    def versions(self) -> list[str]:
        return short_versions(fingerprint[0] for fingerprint in self.tasks.values())

    @property
    def label(self) -> str:
        condition = "no condition" if self.condition == "none" else f"condition {self.condition}"
        shown = ", ".join(self.versions[:2]) + (", …" if len(self.versions) > 2 else "")
        return f"judge {self.judge} ({shown}), {condition}"


def classes(entries: Iterable[Entry]) -> list[Class]:
    """The fewest classes that a walk over the runs finds, most complete runs first. Largest class first, demos last."""
    open_classes: list[tuple[tuple[str, str, bool], dict[str, Fingerprint], list[Entry]]] = []
    rows = [(entry, judge, prints) for entry in entries for judge, prints in _by_judge(entry.result).items()]
    for entry, judge, prints in sorted(rows, key=lambda row: (-len(row[2]), row[0].result.id)):
        key = (judge, condition_key(entry.result), entry.result.demonstration)
        for other, tasks, members in open_classes:
            shared = tasks.keys() & prints.keys()
            if other == key and shared and all(tasks[name] == prints[name] for name in shared):
                tasks.update(prints)
                members.append(entry)
                break
        else:
            open_classes.append((key, dict(prints), [entry]))
    made = [Class(*key, tasks, tuple(members)) for key, tasks, members in open_classes]
    made.sort(
        key=lambda each: (each.demonstration, each.judge == "keyword", -len(each.members), each.judge, each.label)
    )
    return [_explained(each, made[0]) for each in made]


def short_versions(versions: Iterable[str]) -> list[str]:
    """Versions to be read: of an LLM judge's `rubric version/judge model/hash; ...` the judge models."""
    parts = {part.strip() for version in versions for part in version.split(";")}
    models = {match[1] if (match := VERSION.fullmatch(part)) else part for part in parts}
    return sorted(models)


def condition_key(result: RunResult) -> str:
    """The condition's name, with what it is told apart by where the same name stands for something else."""
    return str(result.condition.get("name") or "none")


def _by_judge(result: RunResult) -> dict[str, dict[str, Fingerprint]]:
    found: dict[str, dict[str, Fingerprint]] = {}
    rated = {(rate.task, rate.judge) for rate in result.rates}
    texts = [str(result.condition.get(key) or "") for key in ("system", "prefix", "suffix", "strip_default_system")]
    for task in result.tasks:
        protocol = (str(task.chat_template), str(task.system_instruction or ""), str(task.max_gen_toks))
        for judge in task.judges:
            if (task.name, judge.name) in rated:
                found.setdefault(judge.name, {})[task.name] = (
                    judge.version,
                    task.version,
                    task.prompt_set_sha256,
                    str(task.documents),
                    *protocol,
                    *texts,
                )
    return found


def _explained(own: Class, first: Class) -> Class:
    why = ["demonstration"] if own.demonstration and not first.demonstration else []
    why += [f"judge {own.judge}"] if own.judge != first.judge else []
    why += [f"condition {own.condition}"] if own.condition != first.condition else []
    for name in own.tasks.keys() & first.tasks.keys():
        pairs = zip(PARTS, own.tasks[name], first.tasks[name], strict=False)
        why += [f"other {part}" for part, mine, theirs in pairs if mine != theirs and own.judge == first.judge]
    return Class(
        own.judge,
        own.condition,
        own.demonstration,
        own.tasks,
        own.members,
        tuple(dict.fromkeys(why)) if own is not first else (),
    )
