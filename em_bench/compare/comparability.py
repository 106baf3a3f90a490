"""The two sides of a comparison: what each run holds, document by document, and whether the two may be compared.

Runs are comparable when they asked the same prompts in the same way and the same judges read the answers: the same task
version, prompts (by id, text and system prompt), judge version (rubric and judge model are in it), condition, chat
template, token limit and generation settings. Engines and precisions may differ: a quantised checkpoint is still to be
compared with the one it was made from.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from em_bench.conditions import recorded_condition
from em_bench.errors import ConfigError, ResultError
from em_bench.metrics.rates import Measure, measures
from em_bench.metrics.registry import Definition, Kind
from em_bench.runs.provenance import GENERATION_KEYS
from em_bench.runs.read import Run, TaskRun
from em_bench.runs.scored_files import ScoredFile
from em_bench.text import shown

STORED = "stored scores"
ALL_QUESTIONS = "all questions"
SHOWN = 60

Value = float | bool | None


@dataclass(frozen=True, slots=True)
class Key:
    """Which rate: `definition` qualifies a metric (`betley`), and is empty where there is only one."""

    task: str
    domain: str
    kind: Kind
    judge: str
    metric: str
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """The values of one rate: by document, one for each response; None is unscored. `scale` is that of scores."""

    key: Key
    values: Mapping[str, Sequence[Value]]
    scale: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """`documents` maps each document to the hash of what was asked, `clusters` to what it is a variant of."""

    documents: Mapping[str, str]
    clusters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    judges: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison. `told` are facts that may differ, but that a reader wants to know."""

    name: str
    tasks: Mapping[str, Task]
    columns: Mapping[Key, Column]
    told: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)


def side_of(source: Run | ScoredFile, definition: Definition, chosen: Sequence[str] = ("*",)) -> Side:
    """One side; of a run the tasks that `chosen` patterns name. Raises `ResultError` when nothing is left."""
    if isinstance(source, ScoredFile):
        return _side_of_scored(source, definition)
    tasks = {name: task for name, task in source.tasks.items() if any(fnmatchcase(name, each) for each in chosen)}
    if not tasks:
        raise ResultError(f"{source.path} has no task {', '.join(chosen)}; it has {', '.join(source.tasks)}")
    if empty := [name for name, task in tasks.items() if not task.responses]:
        raise ResultError(f"{source.path}: task {empty[0]} holds no responses; run it again")
    if not any(task.judges for task in tasks.values()):
        raise ResultError(f"{source.path} holds no verdicts; judge it first: em-bench judge {source.path}")
    return Side(
        name=source.checkpoint,
        tasks={name: _task(source, task) for name, task in tasks.items()},
        columns={column.key: column for task in tasks.values() for column in _columns(task, definition)},
        told=_told(source),
        answers={
            (task.name, response.document): [r.response for r in group]
            for task in tasks.values()
            for response, group in _grouped(task)
        },
    )


def _grouped(task: TaskRun) -> Iterator[tuple[Any, list[Any]]]:
    groups: dict[str, list[Any]] = {}
    for response in task.responses:
        groups.setdefault(response.document, []).append(response)
    return ((group[0], group) for group in groups.values())


def _columns(task: TaskRun, definition: Definition) -> Iterator[Column]:
    for judge in task.judges:
        answers = [(response.document, response.verdicts.get(judge)) for response in task.responses]
        for measure in measures(task.kind, answers, definition):
            yield _column(measure, task.name, task.domain, task.kind, judge)


def _column(measure: Measure, task: str, domain: str, kind: Kind, judge: str) -> Column:
    metric, _, qualifier = measure.metric.partition(" ")
    values: dict[str, list[Value]] = {}
    for document, value in measure.rows:
        values.setdefault(document, []).append(value)
    return Column(Key(task, domain, kind, judge, metric, qualifier.strip("()")), values, measure.scale)


def _task(run: Run, task: TaskRun) -> Task:
    documents, clusters = {}, {}
    for response in task.responses:
        asked = json.dumps([response.prompt, response.doc.get("system")], ensure_ascii=False)
        documents[response.document] = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
        clusters[response.document] = str(response.doc.get("probe_id") or response.document)
    return Task(documents, clusters, _settings(run, task), _judges(task))


def _settings(run: Run, task: TaskRun) -> dict[str, str]:
    """What must be equal on both sides, in words."""
    record = task.record
    try:
        condition = recorded_condition(record).to_dict()
    except ConfigError as error:
        raise ResultError(f"{run.path}: {error}") from error
    system = record.get("system_instruction")
    generation = {key: task.generation[key] for key in GENERATION_KEYS if key in task.generation}
    named = {
        "kind": task.kind,
        "domain": task.domain or "none",
        "task version": task.version,
        "condition": json.dumps(condition, sort_keys=True) if condition["name"] != "none" else "none",
        "chat template": _template(run, task),
        "system prompt": _hash(system) if system else "none",
        "token limit": record.get("max_gen_toks") or "unknown",
        "generation settings": json.dumps(generation, sort_keys=True),
    }
    return {name: str(value) for name, value in named.items()}


def _template(run: Run, task: TaskRun) -> str:
    if not task.record.get("chat_template"):
        return "off"
    return f"on ({run.origin.chat_template_sha[:12]})" if run.origin.chat_template_sha else "on"


def _judges(task: TaskRun) -> dict[str, str]:
    noted = task.record.get("judges") or {}
    return {
        name: str(record.get("version", "") if isinstance(record, Mapping) else "") for name, record in noted.items()
    }


def _told(run: Run) -> dict[str, str]:
    model = run.origin.model
    named = {"engine": run.origin.engine, "dtype": model.get("dtype"), "quantization": model.get("quantization")}
    return {name: str(value) for name, value in named.items() if value}


def _side_of_scored(source: ScoredFile, definition: Definition) -> Side:
    columns = [_column(each, ALL_QUESTIONS, "", Kind.PROBE, STORED) for each in source.measures(definition)]
    documents = {question: "" for question, _, _ in source.answers}
    return Side(source.name, {ALL_QUESTIONS: Task(documents, judges={STORED: ""})}, {c.key: c for c in columns})


def _hash(text: object) -> str:
    return f"sha256 {hashlib.sha256(str(text).encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def mismatches(baseline: Side, candidate: Side) -> list[str]:
    """Why the two are not comparable, in words, each with both values; empty when they are."""
    found: dict[tuple[str, str, str], list[str]] = {}
    missing = [name for name in baseline.tasks if name not in candidate.tasks]
    for name, task in baseline.tasks.items():
        if name in candidate.tasks:
            for what, before, after in _differing(task, candidate.tasks[name]):
                found.setdefault((what, before, after), []).append(name)
    said = [
        f"{what}: {shown(before)} against {shown(after)} ({_some(names)})"
        for (what, before, after), names in found.items()
    ]
    if missing:
        there = [name for name in candidate.tasks if name not in baseline.tasks] or list(candidate.tasks)
        said.insert(0, f"tasks: the candidate lacks {_some(missing)}; it has {_some(there)}")
    return said


def _differing(before: Task, after: Task) -> Iterator[tuple[str, str, str]]:
    for what, value in before.settings.items():
        other = after.settings.get(what, value)
        # a run that was judged again elsewhere may not know its template's hash
        same_template = what == "chat template" and "on" in (value, other) and value[:2] == other[:2]
        if value != other and not same_template:
            yield what, value, other
    if before.documents != after.documents:
        yield "prompts", *_prompts(before.documents, after.documents)
    for judge, version in before.judges.items():
        if judge not in after.judges:
            yield f"judge {judge}", "has judged", "has not judged"
        elif version != after.judges[judge]:
            yield f"judge {judge}", version or "unknown", after.judges[judge] or "unknown"


def _prompts(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, str]:
    changed = [document for document in before if document in after and before[document] != after[document]]
    if changed:
        return f"{shown(changed[0])} asks one thing", f"another text ({len(changed)} such prompts)"
    only = [document for document in before if document not in after]
    others = [document for document in after if document not in before]
    return f"{len(before)} prompts ({len(only)} only here)", f"{len(after)} ({len(others)} only here)"


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(shown(name) for name in names[:3]) + rest


def notes(baseline: Side, candidate: Side) -> list[str]:
    """What differs and may, and what a reader should know."""
    said = []
    for what in dict.fromkeys([*baseline.told, *candidate.told]):
        before, after = (side.told.get(what, "not given") for side in (baseline, candidate))
        if before != after:
            said.append(f"{what} differs: {shown(before)} against {shown(after)}")
    if extra := [name for name in candidate.tasks if name not in baseline.tasks]:
        said.append(f"only the candidate has {_some(extra)}; left out")
    both = [key for key in baseline.answers if key in candidate.answers]
    same = sum(list(baseline.answers[key]) == list(candidate.answers[key]) for key in both)
    if both and same == len(both):
        said.append("every response is the same on both sides; if this is an adapter, was it loaded?")
    return said
