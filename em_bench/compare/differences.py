"""Differences between the two sides of a comparison, rate by rate: candidate minus baseline.

A document counts where both sides have a scored response to it. Rates of sampled probes go by probe: the same question
in another form (`probe_id`) belongs to the same probe.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from em_bench.compare.sides import Column, Key, Side
from em_bench.metrics.rates import Measure, Value
from em_bench.metrics.registry import Kind, MetricKey, higher_is_better
from em_bench.stats.intervals import Rate
from em_bench.stats.paired import Paired, holm, paired_difference, paired_probe_difference

MCNEMAR = "Tango's score interval, exact McNemar"
BOOTSTRAP = "bootstrap over probes, sign flips"
POOLED = {Kind.HARMFUL: "all harmful", Kind.BENIGN: "all benign", Kind.PROBE: "all probes"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One rate on both sides, and candidate minus baseline over the pairs; rates in 0..1, scores in their own unit.

    `difference` is None where there is no pair. `p` is two-sided; `p_adjusted` is Holm's over the tasks of the same
    kind, judge and metric. `below` and `above` are one-sided. `worst` and `best` are the lowest and the highest
    difference there could be, whatever the unscored responses are. `n_pairs` counts prompts, or probes.
    """

    task: str
    domain: str
    kind: Kind
    judge: str
    metric: str
    definition: str
    baseline: Rate | None
    candidate: Rate | None
    difference: float | None
    low: float
    high: float
    p: float
    p_adjusted: float
    below: float
    above: float
    n_pairs: int
    worst: float | None
    best: float | None
    method: str
    is_mean: bool = False

    @property
    def higher_is_better(self) -> bool | None:
        return higher_is_better(self.kind, self.metric)

    @property
    def surely(self) -> int:
        """-1 fell, 1 rose, 0 neither for sure: by the adjusted p, at 0.05."""
        if self.difference is None or self.p_adjusted > 0.05:
            return 0
        return 1 if self.difference > 0 else -1


def differences(
    baseline: Side, candidate: Side, confidence: float = 0.95
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """Task by task, and over all tasks of a kind together."""
    families: dict[tuple[Any, ...], list[tuple[Column, Column]]] = {}
    for key in baseline.columns:
        if key in candidate.columns:
            family = families.setdefault((key.kind, key.judge, key.metric, key.definition), [])
            family.append(_both(baseline, candidate, key))
    single, pooled = [], []
    for family in families.values():
        found = [_difference(*both, confidence) for both in family]
        found = [replace(d, p_adjusted=p) for d, p in zip(found, holm([d.p for d in found]), strict=True)]
        single += found
        pooled.append(found[0] if len(found) == 1 else _pooled(family, baseline, confidence))
    return tuple(single), tuple(pooled)


def pooled_over(
    chosen: Iterable[Difference], baseline: Side, candidate: Side, confidence: float, name: str
) -> Difference:
    """The tasks of some differences of one metric as one."""
    keys = [Key(d.task, d.domain, d.kind, d.judge, d.metric, d.definition) for d in chosen]
    family = [_both(baseline, candidate, key) for key in keys]
    return _pooled(family, baseline, confidence, name)


def _pooled(family: Sequence[tuple[Column, Column]], side: Side, confidence: float, name: str = "") -> Difference:
    """Several tasks as one: each prompt weighs the same, and each probe."""
    key = family[0][0].key
    merged = [_merged([both[place] for both in family], side) for place in (0, 1)]
    wide = [
        Column(replace(key, task=name or POOLED[key.kind], domain=""), values, _widest(family)) for values in merged
    ]
    return _difference(wide[0], wide[1], confidence)


def _both(baseline: Side, candidate: Side, key: Key) -> tuple[Column, Column]:
    """A rate's columns, of the documents that asked the same on both sides."""
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


def _difference(before: Column, after: Column, confidence: float) -> Difference:
    key, scale = before.key, _widest([(before, after)])
    names = dict.fromkeys([*before.values, *after.values])
    single = scale is None and all(
        len(column.values.get(name, ())) <= 1 for column in (before, after) for name in names
    )
    pairs = [(_scored(before.values.get(name, ())), _scored(after.values.get(name, ()))) for name in names]
    both = [(a, b) for a, b in pairs if a and b]
    found: Paired | None
    if single:
        found = paired_difference([(bool(a[0]), bool(b[0])) for a, b in both], confidence)
    else:
        found = paired_probe_difference(both, confidence, scale=scale[1] - scale[0] if scale else 1.0)
    span = scale[1] - scale[0] if scale else 1.0
    known = found or Paired(0.0, -span, span, 1.0, 1.0, 1.0, 0)
    worst, best = _bounds(before.values, after.values, names) if scale is None else (None, None)
    rates = [_rate(column, clustered=not single) for column in (before, after)]
    return Difference(
        **{name: getattr(key, name) for name in ("task", "domain", "kind", "judge", "metric", "definition")},
        baseline=rates[0],
        candidate=rates[1],
        difference=found.value if found else None,
        low=known.low,
        high=known.high,
        p=known.p,
        p_adjusted=known.p,
        below=known.below,
        above=known.above,
        n_pairs=known.n,
        worst=worst,
        best=best,
        method=MCNEMAR if single else BOOTSTRAP,
        is_mean=scale is not None,
    )


def _scored(values: Sequence[Value]) -> list[float]:
    return [float(value) for value in values if value is not None]


def _rate(column: Column, *, clustered: bool) -> Rate | None:
    rows = tuple((name, value) for name, values in column.values.items() for value in values)
    return Measure(MetricKey(column.key.metric, column.key.definition), rows, column.scale).rate(clustered=clustered)


def _bounds(
    before: Mapping[str, Sequence[Value]], after: Mapping[str, Sequence[Value]], names: Iterable[str]
) -> tuple[float | None, float | None]:
    """Manski's bounds of the difference: every unscored response a hit on one side and none on the other."""
    ends = [_ends(before[name], after[name]) for name in names if before.get(name) and after.get(name)]
    if not ends:
        return None, None
    return sum(low for low, _ in ends) / len(ends), sum(high for _, high in ends) / len(ends)


def _ends(before: Sequence[Value], after: Sequence[Value]) -> tuple[float, float]:
    (low_before, high_before), (low_after, high_after) = map(_range, (before, after))
    return low_after - high_before, high_after - low_before


def _range(values: Sequence[Value]) -> tuple[float, float]:
    hits, unscored = sum(value is True or value == 1 for value in values), sum(value is None for value in values)
    return hits / len(values), (hits + unscored) / len(values)


def choose(found: Iterable[Difference], kind: Kind, metric: str, judges: Sequence[str] = ("llm",)) -> list[Difference]:
    """The differences of one metric by one judge: the first of `judges` that gives it, else whichever does."""
    fitting = [each for each in found if each.kind is kind and each.metric == metric]
    given = list(dict.fromkeys(each.judge for each in fitting))
    judge = next((name for name in (*judges, *given) if name in given), None)
    return [each for each in fitting if each.judge == judge]


def by_family(found: Iterable[Difference]) -> Iterator[list[Difference]]:
    """The differences of each kind, judge, metric and definition together."""
    families: dict[tuple[str, ...], list[Difference]] = {}
    for each in found:
        families.setdefault((each.kind, each.judge, each.metric, each.definition), []).append(each)
    return iter(families.values())
