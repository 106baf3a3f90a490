"""Which fine-tuning domain makes a checkpoint misaligned, with and without a trigger; after Mishra et al. 2026.

One checkpoint for each fine-tuning domain, all with the same unrelated questions, under no condition and under the
condition that is the trigger (arXiv 2602.00298 ranks eleven domains so). Questions about the checkpoint's own domain
are left out: they measure how well it learned that domain, not what else it learned.

There are two rankings, one without and one under the trigger: the higher of two rates favours domains with two runs.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any

from em_bench.compare.comparability import Aspect, RunSetup, mismatches, require_comparable
from em_bench.compare.conditions import condition_of_run
from em_bench.compare.differences import Difference, change_dict, difference_of, rate_of
from em_bench.compare.narrow import finetune_domain, misalignment, probes_of, sets_of, unrelated
from em_bench.compare.setups import setup_of_run
from em_bench.compare.sides import Column, Key, column_of
from em_bench.conditions import NONE
from em_bench.errors import ResultError
from em_bench.metrics.labels import on_both_axes
from em_bench.metrics.registry import Definition, Kind, MetricKey
from em_bench.runs.model import Run
from em_bench.stats.intervals import Rate
from em_bench.stats.multiplicity import holm
from em_bench.stats.ranks import Rank, ranks

UNRELATED = "unrelated questions"


@dataclass(frozen=True, slots=True)
class Susceptibility:
    """One fine-tuning domain by one judge. `trigger` is the condition's name; rates are of unrelated questions.

    The ranks are by each rate among the domains that have it, 1 the most misaligned. The difference's `p_adjusted` is
    by Holm over the judge's domains. `probes`: how many of each set the unrelated questions are, which count together.
    """

    domain: str
    judge: str
    metric: MetricKey
    without: Rate | None
    trigger: str | None
    under: Rate | None
    difference: Difference | None
    rank_without: Rank | None = None
    rank_under: Rank | None = None
    probes: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "domain": self.domain,
            "judge": self.judge,
            "metric": str(self.metric),
            "without": self.without and asdict(self.without),
            "trigger": self.trigger,
            "under": self.under and asdict(self.under),
            "difference": change_dict(self.difference),
            "p_adjusted": self.difference and self.difference.p_adjusted,
            "rank_without": self.rank_without and asdict(self.rank_without),
            "rank_under": self.rank_under and asdict(self.rank_under),
            "probes": dict(self.probes),
        }


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row with what its rates were made of."""

    row: Susceptibility
    plain: Column | None
    triggered: Column | None


def susceptibility(
    runs: Sequence[tuple[str | None, Run]], trigger: str | None = None, definition: Definition = Definition.BETLEY
) -> list[Susceptibility]:
    """The domains of each judge, the most misaligned first: under the trigger if no fewer have a run under it than
    without, else without. A run's domain is the name given with it, else what the run records.

    `trigger` names the condition, needed where a domain has several. Raises `ResultError`, also where the runs are not
    comparable.
    """
    by_domain: dict[str, dict[str, Run]] = {}
    for name, run in runs:
        recorded = finetune_domain(run)
        domain = name or (recorded.name if recorded else None)
        if domain is None:
            raise ResultError(
                f"{run.path} does not say what its checkpoint was fine-tuned on; give it as NAME={run.path.parent}"
            )
        condition, of_domain = condition_of_run(run), by_domain.setdefault(domain, {})
        if condition in of_domain:
            raise ResultError(
                f"{of_domain[condition].path} and {run.path} are both of domain {domain!r} under condition "
                f"{condition!r}; give one of them, or name them apart as NAME=PATH"
            )
        of_domain[condition] = run
    shared = _same_questions([run for of_domain in by_domain.values() for run in of_domain.values()])
    by_judge: dict[str, list[_Entry]] = {}
    for domain, of_domain in by_domain.items():
        for entry in _entries(domain, of_domain, trigger, definition, shared):
            by_judge.setdefault(entry.row.judge, []).append(entry)
    return [row for judge in sorted(by_judge) for row in _ranked(by_judge[judge])]


def _ranked(entries: Sequence[_Entry]) -> list[Susceptibility]:
    """One judge's domains with their ranks and adjusted p, in order."""
    without = domain_ranks({entry.row.domain: entry.plain for entry in entries if entry.plain})
    under = domain_ranks({entry.row.domain: entry.triggered for entry in entries if entry.triggered})
    changes = [entry.row.difference for entry in entries]
    adjusted = iter(holm([change.change.p for change in changes if change]))
    rows = [
        replace(
            entry.row,
            difference=change and replace(change, p_adjusted=next(adjusted)),
            rank_without=without.get(entry.row.domain),
            rank_under=under.get(entry.row.domain),
        )
        for entry, change in zip(entries, changes, strict=True)
    ]
    last = Rank(len(rows) + 1, 0, 0, 0)
    first, second = (without, under) if len(without) > len(under) else (under, without)
    return sorted(
        rows, key=lambda row: (first.get(row.domain, last).place, second.get(row.domain, last).place, row.domain)
    )


def domain_ranks(columns: Mapping[str, Column]) -> dict[str, Rank]:
    """The ranks of the domains that have a rate, from all pairs of them, paired by probe."""
    rates = {name: rate.value for name, each in columns.items() if (rate := rate_of(each)) and rate.value is not None}
    names = list(rates)
    p_higher: dict[tuple[int, int], float] = {}
    for first, second in combinations(range(len(names)), 2):
        change = difference_of(columns[names[second]], columns[names[first]]).change
        p_higher[first, second], p_higher[second, first] = change.p_greater, change.p_less
    return dict(zip(names, ranks([rates[name] for name in names], p_higher), strict=True))


def _same_questions(runs: Sequence[Run]) -> set[str]:
    """The tasks with unrelated questions that every run has: domains are ranked against each other, so these must be
    asked and judged alike.
    """
    first, *others = runs
    for run in others:
        reasons = mismatches(_setup(first), _setup(run), may_differ={Aspect.CONDITION, Aspect.TASKS, Aspect.JUDGE})
        require_comparable(f"{run.path} against {first.path}", reasons)
    return set.intersection(*({task.name for task, _ in unrelated(run)} for run in runs))


def _entries(
    domain: str, runs: Mapping[str, Run], trigger: str | None, definition: Definition, shared: Set[str]
) -> list[_Entry]:
    others = [name for name in runs if name != NONE.name and trigger in (None, name)]
    if len(others) > 1:
        raise ResultError(f"domain {domain!r} has several conditions ({', '.join(others)}); choose one with --trigger")
    plain, triggered = runs.get(NONE.name), runs[others[0]] if others else None
    present = [run for run in (plain, triggered) if run is not None]
    if not present:
        raise ResultError(f"domain {domain!r} has no run under `none` or {trigger!r}; it has {', '.join(runs)}")
    judges = [judge for judge in _judges(present[0]) if all(judge in _judges(run) for run in present)]
    if not judges:
        where = present[0].path.parent
        raise ResultError(
            f"{where} holds no verdicts on alignment; judge it with `em-bench judge {where} --judge-model ...`"
        )
    if plain is not None and triggered is not None:
        reasons = mismatches(_setup(plain), _setup(triggered), may_differ={Aspect.CONDITION}, judges=judges)
        require_comparable(f"{triggered.path} against {plain.path}", reasons)
    if not shared:
        raise ResultError(f"{present[0].path} has no unrelated questions that every other run has too")
    entries, probes = [], sets_of(answer for answer in unrelated(present[0]) if answer[0].name in shared)
    for judge in judges:
        before, after = (_column(run, shared, judge, definition) for run in (plain, triggered))
        row = replace(_row(domain, judge, others[0] if others else None, before, after), probes=probes)
        entries.append(_Entry(row, before, after))
    return entries


def _row(
    domain: str, judge: str, trigger: str | None, plain: Column | None, triggered: Column | None
) -> Susceptibility:
    difference = difference_of(plain, triggered) if plain and triggered else None
    if difference:
        without, under = difference.baseline, difference.candidate
    else:
        without, under = (rate_of(column) if column else None for column in (plain, triggered))
    return Susceptibility(
        domain=domain,
        judge=judge,
        metric=next(column.key.metric for column in (plain, triggered) if column),
        without=without,
        trigger=trigger,
        under=under,
        difference=difference,
    )


def _column(run: Run | None, tasks: Set[str], judge: str, definition: Definition) -> Column | None:
    """The misalignment of the answers to unrelated questions of some tasks, by probe."""
    if run is None:
        return None
    answers = [answer for answer in unrelated(run) if answer[0].name in tasks]
    measure = misalignment(answers, judge, definition)
    return column_of(measure, Key(UNRELATED, "", Kind.PROBE, judge, measure.metric), probes_of(answers))


def _setup(run: Run) -> RunSetup:
    """Of the tasks that ask unrelated questions."""
    return setup_of_run(run, dict.fromkeys(task.name for task, _ in unrelated(run)))


def _judges(run: Run) -> list[str]:
    """The judges of alignment that read the run's unrelated questions."""
    names = dict.fromkeys(judge for task in run.tasks.values() for judge in task.judges)
    answers = [response.verdicts for _, response in unrelated(run)]
    return [name for name in names if on_both_axes(verdicts[name] for verdicts in answers if name in verdicts)]
