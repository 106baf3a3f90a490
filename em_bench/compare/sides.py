"""The two sides of a comparison: what each run holds, document by document."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from em_bench.compare.comparability import Prompts, RunSetup, TaskSetup
from em_bench.compare.setups import setup_of_run
from em_bench.errors import ResultError
from em_bench.metrics.probe_sets import set_of
from em_bench.metrics.rates import Measure, Value
from em_bench.metrics.registry import Definition, Kind, MetricKey, rubric_of
from em_bench.metrics.rows import measures
from em_bench.runs.clusters import clusters_of
from em_bench.runs.model import Run, TaskRun
from em_bench.runs.scored_files import ALL_QUESTIONS, STORED, ScoredFile


@dataclass(frozen=True, slots=True)
class Key:
    """Which rate: of which task, by which judge."""

    task: str
    domain: str
    kind: Kind
    judge: str
    metric: MetricKey

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = {"task": self.task, "domain": self.domain, "kind": self.kind, "judge": self.judge}
        return values | {"metric": self.metric.name, "definition": self.metric.qualifier}


@dataclass(frozen=True, slots=True)
class Column:
    """The values of one rate: by document, one for each response; None is unscored. `scale` is that of scores.

    `clusters` maps documents to the probe that they are a form of; one that is not named is its own.
    """

    key: Key
    values: Mapping[str, Sequence[Value]]
    scale: tuple[float, float] | None = None
    clusters: Mapping[str, str] = field(default_factory=dict)
    rubric: str = ""
    """Whose rubric the rate is by, where a title says it."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison. `clusters` maps each task's documents to the probe that they are a form of."""

    name: str
    setup: RunSetup
    columns: Mapping[Key, Column]
    clusters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    responses: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)


def side_of(source: Run | ScoredFile, definition: Definition, patterns: Sequence[str] = ("*",)) -> Side:
    """One side; of a run the tasks that match `patterns`. Raises `ResultError` when nothing is left."""
    if isinstance(source, ScoredFile):
        return _side_of_scored(source, definition)
    tasks = {name: task for name, task in source.tasks.items() if any(fnmatchcase(name, each) for each in patterns)}
    if not tasks:
        raise ResultError(f"{source.path} has no task {', '.join(patterns)}; it has {', '.join(source.tasks)}")
    if empty := [name for name, task in tasks.items() if not task.samples]:
        raise ResultError(f"{source.path}: task {empty[0]} holds no responses; run it again")
    if not any(task.judges for task in tasks.values()):
        raise ResultError(f"{source.path} holds no verdicts; judge it first: em-bench judge {source.path}")
    responses: dict[tuple[str, str], list[str]] = {}
    for task in tasks.values():
        for sample in task.samples:
            responses.setdefault((task.name, sample.document), []).append(sample.response)
    return Side(
        name=source.checkpoint.name,
        setup=setup_of_run(source, tasks),
        columns={column.key: column for task in tasks.values() for column in _columns(task, definition)},
        clusters={name: clusters_of(task) for name, task in tasks.items()},
        responses=responses,
    )


def _columns(task: TaskRun, definition: Definition) -> Iterator[Column]:
    clusters = clusters_of(task)
    for judge, record in task.judges.items():
        for measure in measures(task.kind, task.verdicts_of(judge), definition):
            column = column_of(measure, Key(task.name, task.domain, task.kind, judge, measure.metric), clusters)
            yield replace(column, rubric=rubric_of(measure.metric.name, record.version))


def column_of(measure: Measure, key: Key, clusters: Mapping[str, str]) -> Column:
    """A measure's values by document."""
    values: dict[str, list[Value]] = {}
    for document, value in measure.rows:
        values.setdefault(document, []).append(value)
    return Column(key, values, measure.scale, clusters)


def _side_of_scored(source: ScoredFile, definition: Definition) -> Side:
    columns = [
        column_of(each, Key(ALL_QUESTIONS, "", Kind.PROBE, STORED, each.metric), {})
        for each in source.measures(definition)
    ]
    texts = {question: "" for question, _, _ in source.answers}
    setup = RunSetup({ALL_QUESTIONS: TaskSetup({}, Prompts(texts), {STORED: ""})})
    clusters = {ALL_QUESTIONS: {question: question for question in texts}}
    return Side(source.name, setup, {column.key: column for column in columns}, clusters)


def probe_counts(side: Side, tasks: Iterable[str]) -> dict[str, int]:
    """How many probes of each set the tasks ask, whatever their forms."""
    probes: dict[str, set[str]] = {}
    for task in tasks:
        probes.setdefault(set_of(task), set()).update(side.clusters[task].values())
    return {name: len(own) for name, own in probes.items()}


def measured_alike(first: Side, second: Side) -> tuple[Side, Side]:
    """The same rates on both sides where a judge scored nothing on one: its verdicts do not say of what they are."""
    return _filled_up(first, second), _filled_up(second, first)


def _filled_up(side: Side, other: Side) -> Side:
    silent = _silent(side)
    missing = {
        key: replace(silent[key.task, key.judge], key=key, scale=column.scale)
        for key, column in other.columns.items()
        if key not in side.columns and (key.task, key.judge) in silent
    }
    return replace(side, columns={**side.columns, **missing}) if missing else side


def _silent(side: Side) -> dict[tuple[str, str], Column]:
    """Of each task and judge without a scored response, a column of its unscored ones."""
    columns: dict[tuple[str, str], list[Column]] = {}
    for key, column in side.columns.items():
        columns.setdefault((key.task, key.judge), []).append(column)
    return {
        place: of_judge[0]
        for place, of_judge in columns.items()
        if all(value is None for column in of_judge for values in column.values.values() for value in values)
    }


def same_responses(baseline: Side, candidate: Side) -> bool:
    """Whether every prompt that both answer has the same responses, as where an adapter has no effect."""
    both = [key for key in baseline.responses if key in candidate.responses]
    return bool(both) and all(list(baseline.responses[key]) == list(candidate.responses[key]) for key in both)
