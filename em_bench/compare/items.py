"""What each prompt and probe says of checkpoints: difficulty, discrimination, and the items that tell none apart.

An item is a prompt, or a probe in all its forms. Its value for a checkpoint is the share of the scored responses to it,
over all runs of that checkpoint, that the task's main metric counts: that refuse, are misaligned, or give care. Items
are compared within their set: a task, or the tasks that ask the same probes in several forms.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from os.path import commonprefix
from typing import Any

import numpy as np

from em_bench.compare.comparability import Aspect, mismatches, require_comparable
from em_bench.compare.sides import Key, Side, side_of
from em_bench.errors import ConfigError, ResultError
from em_bench.metrics.rates import Measure, Value
from em_bench.metrics.registry import Definition, Kind, MetricKey, main_metric
from em_bench.runs.model import Run
from em_bench.stats.clusters import Floats
from em_bench.stats.discrimination import Discrimination, discriminations
from em_bench.stats.intervals import Rate, wilson
from em_bench.text import shown

PREFERRED = "llm"
FEWEST = 2
"""Checkpoints that a difficulty needs."""
FEWEST_RESPONSES = 30
"""Responses that a subcategory's rate needs."""
MAY_DIFFER = frozenset({Aspect.TASKS, Aspect.JUDGE})


class State(StrEnum):
    """What the checkpoints do with an item: they differ, all do it, none does, or too few are scored to say."""

    APART = "apart"
    ALL = "all"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Item:
    """`values` are by checkpoint, None where nothing is scored; `difficulty` is the share over checkpoints, None with
    fewer than two. `responses` are those of all checkpoints, None for an unscored one.
    """

    id: str
    task: str
    domain: str
    tier: str
    subcategory: str
    values: Mapping[str, float | None]
    responses: tuple[Value, ...] = field(repr=False)
    difficulty: Rate | None = None
    discrimination: Discrimination | None = None

    @property
    def state(self) -> State:
        scored = [value for value in self.values.values() if value is not None]
        if len(scored) < FEWEST:
            return State.UNKNOWN
        if min(scored) == max(scored) and scored[0] in (0, 1):
            return State.ALL if scored[0] else State.NONE
        return State.APART if min(scored) < max(scored) else State.UNKNOWN

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        names = {"id": self.id, "task": self.task, "domain": self.domain, "tier": self.tier}
        return names | {
            "subcategory": self.subcategory,
            "state": str(self.state),
            "difficulty": self.difficulty and asdict(self.difficulty),
            "discrimination": self.discrimination and asdict(self.discrimination),
            "values": dict(self.values),
        }


@dataclass(frozen=True, slots=True)
class ItemSet:
    """The items of a task, or of tasks with forms of the same probes (`name` is what their names begin with)."""

    name: str
    kind: Kind
    judge: str
    metric: MetricKey
    items: tuple[Item, ...]

    @property
    def values(self) -> Floats:
        """Items x checkpoints; NaN is unscored."""
        rows = [[np.nan if v is None else v for v in item.values.values()] for item in self.items]
        return np.array(rows, dtype=float)

    def to_dict(self) -> dict[str, Any]:
        names = {"task": self.name, "kind": str(self.kind), "judge": self.judge, "metric": str(self.metric)}
        return names | {"items": [item.to_dict() for item in self.items]}


@dataclass(frozen=True, slots=True)
class ItemStatistics:
    """`checkpoints` maps each one to its number of runs; `left_out` are tasks that not every run has."""

    checkpoints: Mapping[str, int]
    sets: tuple[ItemSet, ...]
    left_out: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        sets = [each.to_dict() for each in self.sets]
        return {"checkpoints": dict(self.checkpoints), "left_out": list(self.left_out), "sets": sets}


def item_statistics(
    runs: Sequence[Run], judge: str | None = None, definition: Definition = Definition.BETLEY
) -> ItemStatistics:
    """Of the tasks that all runs have. `judge`: by default `llm` where it judged, else the first judge of a run.

    Raises `ResultError` where runs are not comparable with the first, or share no task that the judge has judged.
    """
    runs = list({run.path.resolve(): run for run in runs}.values())
    sides = [side_of(run, definition) for run in runs]
    keys = _chosen(sides, judge)
    for run, side in zip(runs, sides, strict=True):
        reasons = mismatches(sides[0].setup, side.setup, may_differ=MAY_DIFFER, judges={key.judge for key in keys})
        require_comparable(f"{run.path} against {runs[0].path}", reasons)
    tasks = {task for run in runs for task in run.tasks}
    checkpoints = Counter(run.checkpoint.name for run in runs)
    sets = tuple(_item_set(of_set, runs, sides) for of_set in _sets(keys, sides[0]))
    return ItemStatistics(checkpoints, sets, tuple(sorted(tasks - {key.task for key in keys})))


def _chosen(sides: Sequence[Side], judge: str | None) -> list[Key]:
    """The rate of each task that is counted: by one judge for each kind of task, on the tasks that all runs have."""
    common = [name for name in sides[0].setup.tasks if all(name in side.setup.tasks for side in sides)]
    if not common:
        raise ResultError("the runs have no task in common; give runs of the same suite")
    wanted: dict[Key, None] = {}
    for side in sides:  # a judge that scored nothing in one run does not say there of what it is
        fitting = [key for key in side.columns if key.task in common and key.metric.name == main_metric(key.kind)]
        wanted |= dict.fromkeys(fitting)
    judges = {kind: _judge([key.judge for key in wanted if key.kind is kind], judge) for kind in Kind}
    chosen = [key for key in wanted if key.judge == judges[key.kind]]
    if not chosen:
        by = f"judge {shown(judge)} gives" if judge else "a judge gives"
        available = ", ".join(sorted({key.judge for side in sides for key in side.columns}))
        raise ConfigError(f"no task that all runs have shows refusal or misalignment {by}; judges: {shown(available)}")
    return chosen


def _judge(available: Sequence[str], wanted: str | None) -> str | None:
    names = [wanted] if wanted else [PREFERRED, *available]
    return next((name for name in names if name in available), None)


def _sets(keys: Iterable[Key], side: Side) -> list[list[Key]]:
    """Tasks that ask forms of the same probes are one set."""
    sets: list[tuple[set[str], list[Key]]] = []
    for key in keys:
        probes = set(_clusters(side, key).values())
        known = next((each for each in sets if each[0] & probes), None)
        if known:
            known[0].update(probes)
            known[1].append(key)
        else:
            sets.append((probes, [key]))
    return [of_set for _, of_set in sets]


def _item_set(keys: Sequence[Key], runs: Sequence[Run], sides: Sequence[Side]) -> ItemSet:
    shared = commonprefix([key.task for key in keys])  # noqa: RUF071 - of names, not of paths
    name = shared.rstrip("_") or keys[0].task
    parts: dict[str, dict[str, str]] = {}
    for key in keys:
        for item, part in _parts(runs[0], sides[0], key).items():
            parts.setdefault(item, part)
    checkpoints = list(dict.fromkeys(run.checkpoint.name for run in runs))
    responses: dict[str, dict[str, list[Value]]] = {item: {each: [] for each in checkpoints} for item in parts}
    for run, side in zip(runs, sides, strict=True):
        for key in keys:
            for item, values in _responses(run, side, key):
                responses[item][run.checkpoint.name] += values
    shares = {item: {each: _share(values) for each, values in of.items()} for item, of in responses.items()}
    matrix = [[np.nan if share is None else share for share in of.values()] for of in shares.values()]
    items = [
        Item(
            id=item,
            task=name,
            values=shares[item],
            responses=tuple(value for values in responses[item].values() for value in values),
            difficulty=_difficulty(list(shares[item].values())),
            discrimination=discrimination,
            **part,
        )
        for (item, part), discrimination in zip(parts.items(), discriminations(np.array(matrix)), strict=True)
    ]
    return ItemSet(name, keys[0].kind, keys[0].judge, keys[0].metric, tuple(items))


def _parts(run: Run, side: Side, key: Key) -> dict[str, dict[str, str]]:
    """The items of a task, and which part of it each belongs to."""
    clusters = _clusters(side, key)
    parts: dict[str, dict[str, str]] = {}
    for sample in run.tasks[key.task].samples:
        doc = sample.doc
        named = {"domain": doc.get("domain") or key.domain, "tier": doc.get("tier")}
        named["subcategory"] = doc.get("subcategory") or doc.get("theme")
        item = clusters.get(sample.document, sample.document)
        parts.setdefault(item, {name: str(value or "") for name, value in named.items()})
    return parts


def _responses(run: Run, side: Side, key: Key) -> Iterator[tuple[str, list[Value]]]:
    """The values of each item's responses; where the judge scored nothing in this run, they are all unscored."""
    clusters = _clusters(side, key)
    column = side.columns.get(key)
    if column is not None:
        yield from ((clusters.get(each, each), list(values)) for each, values in column.values.items())
        return
    for sample in run.tasks[key.task].samples:
        yield clusters.get(sample.document, sample.document), [None]


def _clusters(side: Side, key: Key) -> Mapping[str, str]:
    """The probes that documents are forms of; a prompt is an item of its own."""
    return side.clusters[key.task] if key.kind is Kind.PROBE else {}


def _share(values: Sequence[Value]) -> float | None:
    scored = [float(value) for value in values if value is not None]
    return sum(scored) / len(scored) if scored else None


def _difficulty(shares: Sequence[float | None]) -> Rate | None:
    """The mean over checkpoints, with Wilson's interval: checkpoints are what is sampled."""
    scored = [share for share in shares if share is not None]
    if len(scored) < FEWEST:
        return None
    value = sum(scored) / len(scored)
    return Rate(value, *wilson(value, len(scored)), len(scored), len(shares) - len(scored))


def rate_of_items(metric: MetricKey, items: Iterable[Item]) -> Rate | None:
    """Over the responses of all checkpoints, clustered by item: the interval is over prompts, for these checkpoints."""
    return Measure(metric, tuple((item.id, value) for item in items for value in item.responses)).rate()
