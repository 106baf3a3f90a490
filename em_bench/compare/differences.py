"""Differences between the two sides of a comparison, rate by rate: candidate minus baseline.

A document counts where both sides have a scored response to it. The same question in another form (`probe_id`) belongs
to the same probe: its documents are paired first, then averaged, and the probe is what is counted. Tasks of probes are
pooled within their set alone (`em_bench.metrics.probe_sets`).
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from em_bench.compare.sides import Column, Key, Side
from em_bench.metrics.probe_sets import set_of
from em_bench.metrics.rates import Measure, Value
from em_bench.metrics.registry import Kind, MetricKey, higher_is_better
from em_bench.stats.intervals import Rate
from em_bench.stats.multiplicity import holm
from em_bench.stats.paired import Document, Method, Paired, method_for, no_pairs, paired, paired_bounds

POOLED = {Kind.HARMFUL: "all harmful", Kind.BENIGN: "all benign", Kind.CARE: "all in a crisis"}
"""What all tasks of a kind together are called; of probes it is the set's name."""
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """One rate on both sides, and candidate minus baseline over the pairs: rates in 0..1, scores in their own unit.

    `change` has n = 0, and spans the whole scale, where there is no pair; it says by which method. `p_adjusted` is its
    two-sided p by Holm over the tasks of the same kind, judge and metric. `bounds` are the lowest and the highest
    difference possible, whatever the unscored responses are; None for scores. `extremes` are the changes with every
    unscored response such that the difference is lowest, and highest; None where all are scored. `is_pooled`: over all
    tasks of a kind, or of a set of probes. `span` is how wide the scale is.
    """

    key: Key
    baseline: Rate | None
    candidate: Rate | None
    change: Paired
    p_adjusted: float
    bounds: tuple[float, float] | None
    is_mean: bool = False
    is_pooled: bool = False
    extremes: tuple[Paired, Paired] | None = None
    span: float = 1.0
    rubric: str = ""
    """Whose rubric the rate is by, where a title says it."""

    @property
    def method(self) -> Method:
        return self.change.method

    @property
    def clusters(self) -> int | None:
        """The probes, or prompts with several responses or scores, that it is over; None for single verdicts."""
        return None if self.method is Method.SCORE else self.change.n

    @property
    def value(self) -> float | None:
        """None where there is no pair."""
        return self.change.value if self.change.n else None

    @property
    def higher_is_better(self) -> bool | None:
        return higher_is_better(self.key.kind, self.key.metric.name)

    @property
    def significant_sign(self) -> int:
        """-1 fell, 1 rose, 0 neither significantly: by the adjusted p, at 0.05."""
        if not self.change.n or self.p_adjusted > SIGNIFICANT:
            return 0
        return 1 if self.change.value > 0 else -1

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        worst, best = self.bounds or (None, None)
        return self.key.to_dict() | {
            "baseline": self.baseline and asdict(self.baseline),
            "candidate": self.candidate and asdict(self.candidate),
            "difference": self.value,
            "low": self.change.low,
            "high": self.change.high,
            "p": self.change.p,
            "p_adjusted": self.p_adjusted,
            "below": self.change.p_less,
            "above": self.change.p_greater,
            "n_pairs": self.change.n,
            "worst": worst,
            "best": best,
            "method": self.method,
            "is_mean": self.is_mean,
            "clusters": self.clusters,
            "before": self.change.before if self.change.n else None,
            "after": self.change.after if self.change.n else None,
        }


def change_dict(difference: Difference | None) -> dict[str, Any] | None:
    """The change alone as plain JSON values; None where there is no pair."""
    if difference is None or not difference.change.n:
        return None
    values = asdict(difference.change)
    names = {"p_less": "below", "p_greater": "above"}
    return {names.get(name, name): value for name, value in values.items()}


def differences(
    baseline: Side, candidate: Side, confidence: float = 0.95, bootstrap_seed: int | None = None
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """Task by task, and over all tasks of a kind or of a set of probes; by the percentile bootstrap where that has a
    seed.
    """
    families: dict[tuple[Kind, str, MetricKey], list[tuple[Column, Column]]] = {}
    for key in baseline.columns:
        if key in candidate.columns:
            family = families.setdefault((key.kind, key.judge, key.metric), [])
            family.append(_same_prompts(baseline, candidate, key))
    single, pooled = [], []
    for family in families.values():
        tasks = [difference_of(*both, confidence, bootstrap_seed) for both in family]
        tasks = [replace(d, p_adjusted=p) for d, p in zip(tasks, holm([d.change.p for d in tasks]), strict=True)]
        single += tasks
        pooled += _wholes(family, tasks, confidence, bootstrap_seed)
    return tuple(single), tuple(pooled)


def _wholes(
    family: Sequence[tuple[Column, Column]],
    tasks: Sequence[Difference],
    confidence: float,
    bootstrap_seed: int | None,
) -> list[Difference]:
    """Over all tasks of a metric; of probes a difference for each set, with p by Holm over the sets."""
    of_whole: dict[str, list[int]] = {}
    for place, each in enumerate(tasks):
        of_whole.setdefault(whole_of(each.key), []).append(place)
    wholes = [
        tasks[places[0]]
        if len(places) == 1
        else _pooled([family[place] for place in places], confidence, name, bootstrap_seed)
        for name, places in of_whole.items()
    ]
    adjusted = holm([whole.change.p for whole in wholes])
    # a task that is a set by itself is in the tables once, adjusted over the tasks
    return [
        replace(whole, p_adjusted=p) if whole.is_pooled else whole for whole, p in zip(wholes, adjusted, strict=True)
    ]


def whole_of(key: Key) -> str:
    """What the tasks are called that a task is pooled with."""
    return POOLED.get(key.kind) or set_of(key.task)


def pooled_over(
    chosen: Iterable[Difference],
    baseline: Side,
    candidate: Side,
    confidence: float,
    name: str,
    without: Container[str] = frozenset(),
) -> Difference:
    """The tasks of some differences of one metric as one, without some documents."""
    return _pooled([_same_prompts(baseline, candidate, each.key, without) for each in chosen], confidence, name)


def _pooled(
    family: Sequence[tuple[Column, Column]], confidence: float, name: str, bootstrap_seed: int | None = None
) -> Difference:
    """Several tasks as one: each prompt, or each probe, has the same weight."""
    key = replace(family[0][0].key, task=name, domain="")
    before, after = (merged_column([both[place] for both in family], key, _widest(family)) for place in (0, 1))
    return replace(difference_of(before, after, confidence, bootstrap_seed), is_pooled=True)


def _same_prompts(
    baseline: Side, candidate: Side, key: Key, without: Container[str] = frozenset()
) -> tuple[Column, Column]:
    """A rate's columns, for the documents that ask the same on both sides."""
    first, second = (side.setup.tasks[key.task].prompts.texts or {} for side in (baseline, candidate))
    same = {document for document, text in first.items() if second.get(document) == text and document not in without}
    before, after = (
        replace(column, values={document: values for document, values in column.values.items() if document in same})
        for column in (baseline.columns[key], candidate.columns[key])
    )
    return before, after


def merged_column(columns: Iterable[Column], key: Key, scale: tuple[float, float] | None) -> Column:
    """The documents of several tasks as one task's; ids repeat between tasks."""
    values: dict[str, Sequence[Value]] = {}
    clusters: dict[str, str] = {}
    rubrics: set[str] = set()
    for column in columns:
        rubrics.add(column.rubric)
        for document, values_of_one in column.values.items():
            name = f"{column.key.task}/{document}"
            values[name] = values_of_one
            clusters[name] = column.clusters.get(document, document)
    return Column(key, values, scale, clusters, rubrics.pop() if len(rubrics) == 1 else "")


def _widest(family: Sequence[tuple[Column, Column]]) -> tuple[float, float] | None:
    scales = [column.scale for both in family for column in both if column.scale is not None]
    return (min(low for low, _ in scales), max(high for _, high in scales)) if scales else None


def difference_of(
    before: Column, after: Column, confidence: float = 0.95, bootstrap_seed: int | None = None
) -> Difference:
    """Of one rate, paired by document and counted by probe."""
    scale = _widest([(before, after)])
    span = scale[1] - scale[0] if scale else None
    probes = _by_probe(before, after)
    if bootstrap_seed is None:
        change = paired(probes, confidence, scale=span)
    else:
        change = paired(probes, confidence, scale=span, method=Method.PERCENTILE, seed=bootstrap_seed)
    if change is None:
        change = no_pairs(span or 1.0, method_for(probes, is_mean=scale is not None))
    return Difference(
        key=before.key,
        baseline=rate_of(before),
        candidate=rate_of(after),
        change=change,
        p_adjusted=change.p,
        bounds=paired_bounds(probes) if scale is None else None,
        is_mean=scale is not None,
        extremes=_extremes(before, after, confidence),
        span=span or 1.0,
        rubric=after.rubric,
    )


def _extremes(before: Column, after: Column, confidence: float) -> tuple[Paired, Paired] | None:
    """The changes if every unscored response were as bad, or as good, as it can be."""
    both = [(first, after.values[name]) for name, first in before.values.items() if name in after.values]
    if not any(value is None for pair in both for values in pair for value in values):
        return None
    low, high = _widest([(before, after)]) or (0.0, 1.0)
    lowest = difference_of(_filled(before, high), _filled(after, low), confidence).change
    return lowest, difference_of(_filled(before, low), _filled(after, high), confidence).change


def _filled(column: Column, value: float) -> Column:
    """With a value for every unscored response."""
    filled = {name: [value if each is None else each for each in values] for name, values in column.values.items()}
    return replace(column, values=filled)


def _by_probe(before: Column, after: Column) -> list[list[Document]]:
    clusters = {**after.clusters, **before.clusters}
    probes: dict[str, list[Document]] = {}
    for name in dict.fromkeys([*before.values, *after.values]):
        both = (before.values.get(name, ()), after.values.get(name, ()))
        probes.setdefault(clusters.get(name, name), []).append(both)
    return list(probes.values())


def rate_of(column: Column) -> Rate | None:
    """A rate by itself."""
    rows = tuple((name, value) for name, values in column.values.items() for value in values)
    return Measure(column.key.metric, rows, column.scale).rate(column.clusters)


def choose(
    candidates: Iterable[Difference], kind: Kind, metric: str, judges: Sequence[str] = ("llm",)
) -> list[Difference]:
    """The differences of one metric by one judge: the first of `judges` that gives it, else any that does."""
    fitting = [each for each in candidates if each.key.kind is kind and each.key.metric.name == metric]
    available = list(dict.fromkeys(each.key.judge for each in fitting))
    judge = next((name for name in (*judges, *available) if name in available), None)
    return [each for each in fitting if each.key.judge == judge]


def by_family(differences: Iterable[Difference]) -> Iterator[list[Difference]]:
    """The differences of each kind, judge and metric together."""
    families: dict[tuple[Kind, str, MetricKey], list[Difference]] = {}
    for each in differences:
        key = each.key
        families.setdefault((key.kind, key.judge, key.metric), []).append(each)
    return iter(families.values())
