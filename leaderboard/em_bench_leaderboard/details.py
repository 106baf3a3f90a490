"""What the page of one run shows: a panel for each judge, the same checkpoint's other runs, provenance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from em_bench.conditions import NONE
from em_bench.metrics.registry import Kind, higher_is_better
from em_bench.runs.result import JudgeRecord, RateRecord, RunResult
from em_bench.types import DOMAINS
from em_bench_leaderboard.cells import Row
from em_bench_leaderboard.classes import short_versions
from em_bench_leaderboard.differences import Difference, differences
from em_bench_leaderboard.rows import is_mean, is_share, make_row, probe_rates
from em_bench_leaderboard.store import Entry

CARE_METRICS = ("care_rate", "care_harm_rate")


@dataclass(frozen=True, slots=True)
class Line:
    """One rate beside its parent's, for a plot of intervals."""

    label: str
    rate: RateRecord
    parent: RateRecord | None = None
    difference: Difference | None = None

    @property
    def higher_is_better(self) -> bool | None:
        """None for a rate that only describes."""
        return higher_is_better(self.rate.kind, self.rate.metric)


@dataclass(frozen=True, slots=True)
class Panel:
    """One judge's rates of the run."""

    judge: str
    versions: Sequence[str]
    row: Row
    harmful: Sequence[Line]
    benign: Sequence[Line]
    care: Sequence[Line]
    probes: Mapping[str, Sequence[Line]]
    themes: Sequence[Line]
    subcategories: Mapping[str, Sequence[Line]]
    records: Sequence[tuple[str, JudgeRecord]]
    means: Sequence[RateRecord]

    @property
    def compared(self) -> list[Line]:
        """The rates of whole tasks, which are those that may have a difference."""
        return [*self.harmful, *self.benign, *self.care, *(line for lines in self.probes.values() for line in lines)]

    @property
    def spill_over(self) -> tuple[Line, Sequence[Line]] | None:
        """The domain that lost most refusal, and the rest; None where no domain clearly lost any."""
        changed = [line for line in self.harmful if line.difference]
        lost = [line for line in changed if line.difference and line.difference.clear and line.difference.value < 0]
        if not lost:
            return None
        target = min(lost, key=_change)
        return target, [line for line in changed if line is not target]


@dataclass(frozen=True, slots=True)
class Details:
    entry: Entry
    parent: Entry | None
    panels: Sequence[Panel]
    siblings: Mapping[str, Sequence[Row]]
    diagnosis: Mapping[str, Any] | None
    notes: Sequence[str] = ()

    def is_other_judge(self, row: Row) -> bool:
        """Whether another version of the judge judged the row's run, so that its rates do not compare."""
        own, other = (_versions(each.result, row.judge) for each in (self.entry, row.entry))
        return any(own[task] != other[task] for task in own.keys() & other.keys())

    @property
    def paired(self) -> bool:
        """Whether every difference that is shown is a paired one."""
        lines = [line for panel in self.panels for line in panel.compared]
        return all(line.difference.paired for line in lines if line.difference)


def details(entry: Entry, parent: Entry | None, siblings: Sequence[Entry]) -> Details:
    """`siblings`: every run of the same checkpoint, this one included; alone it has no table of them."""
    judges = judges_of(entry)
    rows = {
        judge: [make_row(each, judge, parent_of_condition(each, siblings)) for each in siblings]
        for judge in judges
        if len(siblings) > 1
    }
    diagnosis = (entry.comparison or {}).get("diagnosis")
    return Details(
        entry,
        parent,
        [_panel(entry, judge, parent) for judge in judges],
        rows,
        diagnosis if isinstance(diagnosis, Mapping) else None,
        _notes(entry, parent),
    )


def _versions(result: RunResult, judge: str) -> dict[str, str]:
    """By task, the judge's version."""
    return {task.name: each.version for task in result.tasks for each in task.judges if each.name == judge}


def _notes(entry: Entry, parent: Entry | None) -> list[str]:
    """What a reader has to know of the comparison with the parent; another run's comparison says nothing of it."""
    if parent is None or entry.comparison is None or entry.result.baseline != parent.result.id:
        return []
    notes = entry.comparison.get("notes")
    return [str(note) for note in notes] if isinstance(notes, list | tuple) else []


def judges_of(entry: Entry) -> list[str]:
    """The judges whose rates it has; a judge model's before the keyword judge's, as it says more."""
    return sorted({rate.judge for rate in entry.result.rates}, key=lambda name: (name == "keyword", name))


def parent_of_condition(entry: Entry, siblings: Sequence[Entry]) -> Entry | None:
    """The same checkpoint without a condition: what a condition's rates are compared with."""
    if entry.result.condition_name == NONE.name:
        return None
    return next((each for each in siblings if each.result.condition_name == NONE.name), None)


def _panel(entry: Entry, judge: str, parent: Entry | None) -> Panel:
    whole = [rate for rate in entry.result.rates if rate.judge == judge and not rate.subset]
    parts = [rate for rate in entry.result.rates if rate.judge == judge and rate.subset and not rate.subset_of]
    before = {(r.task, r.metric, r.subset): r for r in (parent.result.rates if parent else ()) if r.judge == judge}
    changes = differences(entry, parent)

    def lines(rates: Sequence[RateRecord], label: str) -> list[Line]:
        rows = []
        for rate in rates:
            change = changes.get((rate.task, rate.judge, rate.metric)) if not rate.subset else None
            earlier = before.get((rate.task, rate.metric, rate.subset))
            rows.append(Line(getattr(rate, label), rate, earlier if change or rate.subset else None, change))
        return rows

    measured = [rate for rate in whole if rate.kind is Kind.PROBE and rate.metric != "degenerate_rate"]
    probes = [rate for rate in measured if is_share(rate)]
    main = {rate.task for rate in probe_rates(whole)}
    themes = [rate for rate in parts if rate.task in main and rate.metric == "misaligned_rate"]
    harmful = _by_domain([rate for rate in whole if rate.kind is Kind.HARMFUL and rate.metric == "refusal_rate"])
    return Panel(
        judge,
        short_versions(record.version for _, record in _records(entry, judge)),
        make_row(entry, judge, parent),
        lines(harmful, "domain"),
        lines(_by_domain([rate for rate in whole if rate.metric == "over_refusal_rate"]), "domain"),
        lines([rate for rate in whole if rate.kind is Kind.CARE and rate.metric in CARE_METRICS], "metric"),
        {
            task: lines([r for r in probes if r.task == task], "metric")
            for task in dict.fromkeys(r.task for r in probes)
        },
        sorted(lines(themes, "subset"), key=lambda line: -(line.rate.value or 0)),
        {rate.domain: lines(_subsets(parts, rate), "subset") for rate in harmful if _subsets(parts, rate)},
        _records(entry, judge),
        [rate for rate in measured if is_mean(rate) and rate.value is not None],
    )


def _by_domain(rates: Sequence[RateRecord]) -> list[RateRecord]:
    """In the order of the seven domains; of several tasks in one domain, by the task's name."""
    order = list(DOMAINS)
    return sorted(rates, key=lambda rate: (order.index(rate.domain) if rate.domain in order else len(order), rate.task))


def _subsets(parts: Sequence[RateRecord], whole: RateRecord) -> list[RateRecord]:
    return [rate for rate in parts if (rate.task, rate.metric) == (whole.task, whole.metric)]


def _records(entry: Entry, judge: str) -> list[tuple[str, JudgeRecord]]:
    return [(task.name, record) for task in entry.result.tasks for record in task.judges if record.name == judge]


def _change(line: Line) -> float:
    return line.difference.value if line.difference else 0.0
