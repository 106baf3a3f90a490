"""Differences between the two sides of a comparison, rate by rate: candidate minus baseline.

A document counts where both sides have a scored response to it. Rates of sampled probes go by probe: the same question
in another form (`probe_id`) belongs to the same probe.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from em_bench.compare.sides import Column, Key, Side
from em_bench.metrics.rates import Measure, Value
from em_bench.metrics.registry import Kind, MetricKey, higher_is_better
from em_bench.stats.intervals import Rate
from em_bench.stats.multiplicity import holm
from em_bench.stats.paired import Method, Paired, method_for, paired_bounds, paired_by

POOLED = {Kind.HARMFUL: "all harmful", Kind.BENIGN: "all benign", Kind.PROBE: "all probes"}
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """One rate on both sides, and candidate minus baseline over the pairs: rates in 0..1, scores in their own unit.

    `change` has n = 0, and spans the whole scale, where there is no pair. `p_adjusted` is its two-sided p by Holm over
    the tasks of the same kind, judge and metric. `bounds` are the lowest and the highest difference possible, whatever
    the unscored responses are; None for scores. `extremes` are the changes with every unscored response such that the
    difference is lowest, and highest; None where all are scored. `is_pooled`: over all tasks of a kind.
    """

    key: Key
    baseline: Rate | None
    candidate: Rate | None
    change: Paired
    p_adjusted: float
    bounds: tuple[float, float] | None
    method: Method
    is_mean: bool = False
    is_pooled: bool = False
    extremes: tuple[Paired, Paired] | None = None

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
        }


def change_dict(difference: Difference | None) -> dict[str, Any] | None:
    """The change alone as plain JSON values; None where there is no pair."""
    if difference is None or not difference.change.n:
        return None
    values = asdict(difference.change)
    names = {"p_less": "below", "p_greater": "above"}
    return {names.get(name, name): value for name, value in values.items()}


def differences(
    baseline: Side, candidate: Side, confidence: float = 0.95
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """Task by task, and over all tasks of a kind together."""
    families: dict[tuple[Kind, str, MetricKey], list[tuple[Column, Column]]] = {}
    for key in baseline.columns:
        if key in candidate.columns:
            family = families.setdefault((key.kind, key.judge, key.metric), [])
            family.append(_same_prompts(baseline, candidate, key))
    single, pooled = [], []
    for family in families.values():
        tasks = [difference_of(*both, confidence) for both in family]
        tasks = [replace(d, p_adjusted=p) for d, p in zip(tasks, holm([d.change.p for d in tasks]), strict=True)]
        single += tasks
        pooled.append(tasks[0] if len(tasks) == 1 else _pooled(family, baseline, confidence))
    return tuple(single), tuple(pooled)


def pooled_over(
    chosen: Iterable[Difference], baseline: Side, candidate: Side, confidence: float, name: str
) -> Difference:
    """The tasks of some differences of one metric as one."""
    return _pooled([_same_prompts(baseline, candidate, each.key) for each in chosen], baseline, confidence, name)


def _pooled(family: Sequence[tuple[Column, Column]], side: Side, confidence: float, name: str = "") -> Difference:
    """Several tasks as one: each prompt, or each probe, has the same weight."""
    key = family[0][0].key
    merged = [_merged([both[place] for both in family], side) for place in (0, 1)]
    whole = [
        Column(replace(key, task=name or POOLED[key.kind], domain=""), values, _widest(family)) for values in merged
    ]
    return replace(difference_of(whole[0], whole[1], confidence), is_pooled=True)


def _same_prompts(baseline: Side, candidate: Side, key: Key) -> tuple[Column, Column]:
    """A rate's columns, for the documents that ask the same on both sides."""
    first, second = (side.setup.tasks[key.task].prompts.texts or {} for side in (baseline, candidate))
    same = {document for document, text in first.items() if second.get(document) == text}
    before, after = (
        replace(column, values={document: values for document, values in column.values.items() if document in same})
        for column in (baseline.columns[key], candidate.columns[key])
    )
    return before, after


def _merged(columns: Iterable[Column], side: Side) -> dict[str, list[Value]]:
    merged: dict[str, list[Value]] = {}
    for column in columns:
        clusters = side.clusters[column.key.task]
        for document, values in column.values.items():
            merged.setdefault(clusters[document], []).extend(values)
    return merged


def _widest(family: Sequence[tuple[Column, Column]]) -> tuple[float, float] | None:
    scales = [column.scale for both in family for column in both if column.scale is not None]
    return (min(low for low, _ in scales), max(high for _, high in scales)) if scales else None


def difference_of(before: Column, after: Column, confidence: float = 0.95) -> Difference:
    """Of one rate, paired by document or by whatever else the columns' values go by."""
    scale = _widest([(before, after)])
    span = scale[1] - scale[0] if scale else 1.0
    names = dict.fromkeys([*before.values, *after.values])
    pairs = [(before.values.get(name, ()), after.values.get(name, ())) for name in names]
    method = method_for(pairs, is_mean=scale is not None)
    change = paired_by(method, pairs, confidence, scale=span) or Paired(0.0, -span, span, 1.0, 1.0, 1.0, 0)
    return Difference(
        key=before.key,
        baseline=_rate(before, method),
        candidate=_rate(after, method),
        change=change,
        p_adjusted=change.p,
        bounds=paired_bounds(pairs) if scale is None else None,
        method=method,
        is_mean=scale is not None,
        extremes=_extremes(before, after, confidence),
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


def rate_of(column: Column) -> Rate | None:
    """A rate by itself, with the interval that a difference of it has."""
    return _rate(column, method_for([(values, ()) for values in column.values.values()], is_mean=bool(column.scale)))


def _rate(column: Column, method: Method) -> Rate | None:
    rows = tuple((name, value) for name, values in column.values.items() for value in values)
    return Measure(column.key.metric, rows, column.scale).rate(clustered=method is Method.BOOTSTRAP)


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
