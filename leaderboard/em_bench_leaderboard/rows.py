"""The rows of the index: what one judge said of one run, in eleven columns, ranked within its class."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from em_bench.compare.differences import POOLED
from em_bench.metrics.probe_sets import OWN, set_of
from em_bench.metrics.registry import METRICS, UNIT_SCALE, Kind, Qualifier, rubric_of
from em_bench.runs.result import RateRecord
from em_bench.stats.intervals import Rate, binary_rate
from em_bench.types import DOMAINS
from em_bench_leaderboard.cells import COHERENT, EM, OVER, PROBE_SETS, REFUSAL, UNSCORED, Cell, Row
from em_bench_leaderboard.classes import Class
from em_bench_leaderboard.differences import Difference, differences
from em_bench_leaderboard.ranking import ranked
from em_bench_leaderboard.store import Entry


def is_share(rate: RateRecord) -> bool:
    """Whether it goes from 0 to 1, and means the same whatever the rubric. So does a metric of a later version."""
    metric = METRICS.get(rate.metric)
    return metric is None or (metric.scale == UNIT_SCALE and metric.qualified_by is not Qualifier.LABEL)


def is_mean(rate: RateRecord) -> bool:
    """Whether it is a mean on a scale of its metric, and no share."""
    return rate.metric in METRICS and METRICS[rate.metric].scale not in (None, UNIT_SCALE)


def class_rows(group: Class, parents: Mapping[str, Entry]) -> list[Row]:
    """The rows of a class, best rank first."""
    rows = [make_row(entry, group.judge, parents.get(entry.result.id)) for entry in group.members]
    return ranked(rows)


def make_row(entry: Entry, judge: str, parent: Entry | None) -> Row:
    rates = [rate for rate in entry.result.rates if rate.judge == judge and not rate.subset]
    changes = differences(entry, parent)
    cells: dict[str, Cell | None] = {}
    refusals = [rate for rate in rates if rate.kind is Kind.HARMFUL and rate.metric == "refusal_rate"]
    for domain in DOMAINS:
        cells[domain] = _cell([rate for rate in refusals if rate.domain == domain], changes)
    cells[REFUSAL] = _cell(refusals, changes, POOLED[Kind.HARMFUL])
    cells[OVER] = _cell([rate for rate in rates if rate.metric == "over_refusal_rate"], changes, POOLED[Kind.BENIGN])
    probes = probe_rates(rates)
    cells[EM] = _cell([rate for rate in probes if rate.metric == "misaligned_rate"], changes)
    cells[COHERENT] = _cell([rate for rate in probes if rate.metric == "coherent_rate"], changes)
    for name, probe_set in PROBE_SETS.items():
        of_set = main_form(rates, {probe_set})
        cells[name] = _cell([rate for rate in of_set if rate.metric == "misaligned_rate"], changes)
    cells[UNSCORED] = _unscored(rates)
    em = next((rate for rate in probes if rate.metric == "misaligned_rate"), None)
    on = f"{em.task}: {em.documents} probe{'' if em.documents == 1 else 's'}" if em else ""
    present = {name: cell for name, cell in cells.items() if cell}
    named = ", ".join(text for text in (em.definition if em else None, _rubric(entry, judge, probes)) if text)
    return Row(entry, judge, present, named or None, probes=on)


def _rubric(entry: Entry, judge: str, probes: Sequence[RateRecord]) -> str:
    """Whose rubric the misaligned rate is by, where it must not be read as a published one."""
    tasks = {rate.task for rate in probes}
    versions = {record.version for task in entry.result.tasks if task.name in tasks for record in task.judges
                if record.name == judge}  # fmt: skip
    return rubric_of("misaligned_rate", versions.pop() or "") if len(versions) == 1 else ""


def probe_rates(rates: Sequence[RateRecord]) -> list[RateRecord]:
    """Those of the main probes where they were asked, else of the first set of probes without a column of its own."""
    sets = {set_of(rate.task) for rate in rates if rate.kind is Kind.PROBE}
    others = sorted(sets - set(PROBE_SETS.values()), key=lambda name: (name != OWN, name))
    return main_form(rates, set(others[:1]))


def main_form(rates: Sequence[RateRecord], sets: set[str]) -> list[RateRecord]:
    """Those of the main form of a set of probes, or of its first: never pooled over tasks."""
    tasks = {rate.task for rate in rates if rate.kind is Kind.PROBE and set_of(rate.task) in sets}
    first = sorted(tasks, key=lambda name: (not name.endswith("_main"), name))[:1]
    return [rate for rate in rates if rate.task in first]


def _cell(
    rates: Sequence[RateRecord], changes: Mapping[tuple[str, str, str], Difference], pooled: str = ""
) -> Cell | None:
    """One rate, or several pooled; a comparison holds the difference of all of them under the name `pooled`."""
    if not rates:
        return None
    if len(rates) == 1:
        (rate,) = rates
        change = changes.get((rate.task, rate.judge, rate.metric))
        return Cell(rate.value, rate.low, rate.high, rate.n, rate.unscored, change)
    whole = changes.get((pooled, rates[0].judge, rates[0].metric))
    return _pooled(rates, [whole] if whole else [changes.get((rate.task, rate.judge, rate.metric)) for rate in rates])


def _pooled(rates: Sequence[RateRecord], changes: Sequence[Difference | None]) -> Cell | None:
    """All prompts of several tasks together, with Wilson's interval; the difference is the tasks' mean."""
    hits = sum(round(rate.value * rate.n) for rate in rates if rate.value is not None)
    n, unscored = sum(rate.n for rate in rates if rate.value is not None), sum(rate.unscored for rate in rates)
    rate = _share(hits, n, unscored)
    if rate is None:
        return None
    measured = [change for change in changes if change is not None]
    change = _mean_difference(measured) if rate.value is not None and len(measured) == len(changes) else None
    return Cell(rate.value, rate.low, rate.high, rate.n, rate.unscored, change)


def _mean_difference(changes: Sequence[Difference]) -> Difference:
    """The mean of differences on separate prompts; its interval adds their half-widths in quadrature (Newcombe)."""
    if len(changes) == 1:
        return changes[0]
    count = len(changes)
    value = sum(change.value for change in changes) / count
    low = value - sum((change.value - change.low) ** 2 for change in changes) ** 0.5 / count
    high = value + sum((change.high - change.value) ** 2 for change in changes) ** 0.5 / count
    parent = sum(change.parent for change in changes) / count
    return Difference(parent, value, low, high, all(change.paired for change in changes), not low <= 0 <= high)


def _unscored(rates: Iterable[RateRecord]) -> Cell | None:
    """What share of the responses this judge left without a verdict, each task counted once."""
    # some rates leave responses out that were judged, as incoherent ones: the fullest of a task counts them all
    whole = sorted((rate for rate in rates if is_share(rate)), key=lambda rate: rate.n + rate.unscored)
    tasks = {rate.task: rate for rate in whole}
    n, unscored = sum(rate.n for rate in tasks.values()), sum(rate.unscored for rate in tasks.values())
    rate = _share(unscored, n + unscored)
    return None if rate is None else Cell(rate.value, rate.low, rate.high, n + unscored, 0)


@cache
def _share(hits: int, n: int, unscored: int = 0) -> Rate | None:
    return binary_rate([True] * hits + [False] * (n - hits), unscored)
