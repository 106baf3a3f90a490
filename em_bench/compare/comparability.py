"""Whether two runs may be compared: the one rule, used by every comparison and by the leaderboard.

Two runs are comparable when they ask the same prompts in the same way and the same judges read the responses: the same
task version, prompts, condition, chat template, system prompt, token limit, generation settings and judge versions (the
rubric and the judge model are part of a version). A caller names what may differ nevertheless. Engines and precisions
always may: a quantised checkpoint is compared with the one it was made from.
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from em_bench.errors import ResultError
from em_bench.text import shown

UNKNOWN, HAS_JUDGED, HAS_NOT_JUDGED = "unknown", "has judged", "has not judged"


class Aspect(StrEnum):
    """What two runs may differ in."""

    TASKS = "tasks"
    KIND = "kind"
    DOMAIN = "domain"
    TASK_VERSION = "task version"
    TIERS = "tiers of prompts"
    CONDITION = "condition"
    CHAT_TEMPLATE = "chat template"
    SYSTEM_PROMPT = "system prompt"
    TOKEN_LIMIT = "token limit"  # noqa: S105 - no password
    GENERATION = "generation settings"
    PROMPTS = "prompts"
    PROMPT_SET = "prompt set"
    PROMPT_COUNT = "number of prompts"
    JUDGE = "judge"
    JUDGE_VERSION = "judge version"
    ENGINE = "engine"
    DTYPE = "dtype"
    QUANTIZATION = "quantization"
    SEED = "seed"


OF_PROMPTS = (Aspect.PROMPTS, Aspect.PROMPT_SET, Aspect.PROMPT_COUNT)
NOTHING: frozenset[Aspect] = frozenset()


@dataclass(frozen=True, slots=True)
class Prompts:
    """What a task asks. `texts` maps each document to the hash of its text; None where only the set's hash is known."""

    texts: Mapping[str, str] | None
    set_hash: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class TaskSetup:
    """How a task was asked (`settings`, each value in words) and judged (`judges`: name to version)."""

    settings: Mapping[Aspect, str]
    prompts: Prompts
    judges: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RunSetup:
    """The tasks of a run by name. `annotations` are facts that may differ, but that a reader wants to know."""

    tasks: Mapping[str, TaskSetup]
    annotations: Mapping[Aspect, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One aspect in which two runs differ on `tasks`; `judge` names the judge that differs."""

    aspect: Aspect
    baseline: str
    candidate: str
    tasks: tuple[str, ...]
    judge: str = ""

    def __str__(self) -> str:
        if self.aspect is Aspect.TASKS:
            return f"tasks: the candidate lacks {self.baseline}; it has {self.candidate}"
        if self.aspect is Aspect.TASK_VERSION:
            versions = f"{shown(self.baseline) or UNKNOWN} against {shown(self.candidate) or UNKNOWN}"
            older = "candidate" if _numbers(self.candidate) < _numbers(self.baseline) else "baseline"
            return f"prompt set {versions}: other prompts; evaluate the {older} again ({_some(self.tasks)})"
        what = f"judge {self.judge}" if self.judge else self.aspect
        return f"{what}: {shown(self.baseline)} against {shown(self.candidate)} ({_some(self.tasks)})"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def mismatches(
    baseline: RunSetup,
    candidate: RunSetup,
    *,
    may_differ: Container[Aspect] = NOTHING,
    judges: Container[str] | None = None,
) -> list[Mismatch]:
    """Why the two are not comparable; empty when they are. `judges`: only these judges' versions count."""
    tasks_of: dict[tuple[Aspect, str, str, str], list[str]] = {}
    for name, before in baseline.tasks.items():
        after = candidate.tasks.get(name)
        if after is not None and after != before:
            found = [
                each
                for each in _differing(before, after)
                if each[0] not in may_differ and (not each[1] or judges is None or each[1] in judges)
            ]
            for difference in _without_what_follows(found):
                tasks_of.setdefault(difference, []).append(name)
    reasons = [] if Aspect.TASKS in may_differ else _missing(baseline, candidate)
    return reasons + [
        Mismatch(aspect, before, after, tuple(names), judge)
        for (aspect, judge, before, after), names in tasks_of.items()
    ]


def require_comparable(title: str, reasons: Sequence[Mismatch], hint: str = "") -> None:
    """Raises `ResultError` where there are reasons, with the first three; `hint` says what to do."""
    if reasons:
        more = f" | and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        raise ResultError(f"{title} is not comparable: {' | '.join(map(str, reasons[:3]))}{more}{hint}")


def annotations(baseline: RunSetup, candidate: RunSetup) -> list[str]:
    """Differences that are always allowed, and that a reader should know."""
    notes = []
    for aspect in dict.fromkeys([*baseline.annotations, *candidate.annotations]):
        before, after = (setup.annotations.get(aspect, "not given") for setup in (baseline, candidate))
        if before != after:
            notes.append(f"{aspect} differs: {shown(before)} against {shown(after)}")
    if extra := [name for name in candidate.tasks if name not in baseline.tasks]:
        notes.append(f"only the candidate has {_some(extra)}; left out")
    return notes


def _missing(baseline: RunSetup, candidate: RunSetup) -> list[Mismatch]:
    missing = tuple(name for name in baseline.tasks if name not in candidate.tasks)
    if not missing:
        return []
    extra = [name for name in candidate.tasks if name not in baseline.tasks] or list(candidate.tasks)
    return [Mismatch(Aspect.TASKS, _some(missing), _some(extra), missing)]


def _without_what_follows(found: Sequence[tuple[Aspect, str, str, str]]) -> list[tuple[Aspect, str, str, str]]:
    """Another version has other prompts, and other tiers are other prompts: that alone says what to do."""
    aspects = {aspect for aspect, *_ in found}
    if Aspect.TASK_VERSION in aspects:
        return [each for each in found if each[0] is Aspect.TASK_VERSION]
    return [each for each in found if Aspect.TIERS not in aspects or each[0] not in OF_PROMPTS]


def _differing(before: TaskSetup, after: TaskSetup) -> Iterator[tuple[Aspect, str, str, str]]:
    """Aspect, judge, and the two values."""
    for aspect, value in before.settings.items():
        other = after.settings.get(aspect, value)
        if value != other and not (aspect is Aspect.CHAT_TEMPLATE and _same_template(value, other)):
            yield aspect, "", value, other
    yield from _differing_prompts(before.prompts, after.prompts)
    for judge, version in before.judges.items():
        if judge not in after.judges:
            yield Aspect.JUDGE, judge, HAS_JUDGED, HAS_NOT_JUDGED
        elif version != after.judges[judge]:
            yield Aspect.JUDGE_VERSION, judge, version or UNKNOWN, after.judges[judge] or UNKNOWN


def _same_template(value: str, other: str) -> bool:
    """A run that was judged again elsewhere may not know its template's hash."""
    return "on" in (value, other) and value[:2] == other[:2]


def _differing_prompts(before: Prompts, after: Prompts) -> Iterator[tuple[Aspect, str, str, str]]:
    if before.texts is not None and after.texts is not None:
        if before.texts != after.texts:
            yield Aspect.PROMPTS, "", *_texts(before.texts, after.texts)
        return
    if before.set_hash != after.set_hash:
        yield Aspect.PROMPT_SET, "", before.set_hash[:16] or UNKNOWN, after.set_hash[:16] or UNKNOWN
    if before.count != after.count:
        yield Aspect.PROMPT_COUNT, "", str(before.count), str(after.count)


def _texts(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, str]:
    changed = [document for document in before if document in after and before[document] != after[document]]
    if changed:
        return f"{shown(changed[0])} asks one thing", f"another text ({len(changed)} such prompts)"
    only = [document for document in before if document not in after]
    others = [document for document in after if document not in before]
    return f"{len(before)} prompts ({len(only)} only here)", f"{len(after)} ({len(others)} only here)"


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(shown(name) for name in names[:3]) + rest
