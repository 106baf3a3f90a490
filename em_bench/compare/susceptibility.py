"""Which fine-tuning domain makes a checkpoint misaligned, with and without a trigger; after Mishra et al. 2026.

One checkpoint for each fine-tuning domain, all with the same unrelated questions, under no condition and under the
condition that is the trigger (arXiv 2602.00298 ranks eleven domains so). Questions about the checkpoint's own domain
are left out: they measure how well it learned that domain, not what else it learned.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from em_bench.compare.comparability import Aspect, RunSetup, mismatches, require_comparable
from em_bench.compare.conditions import condition_of_run
from em_bench.compare.differences import Difference, change_dict, difference_of, rate_of
from em_bench.compare.narrow import finetune_domain, misalignment, probes_of, unrelated
from em_bench.compare.setups import setup_of_run
from em_bench.compare.sides import Column, Key, column_of
from em_bench.conditions import NONE
from em_bench.errors import ResultError
from em_bench.metrics.labels import on_both_axes
from em_bench.metrics.registry import Definition, Kind, MetricKey
from em_bench.runs.model import Run
from em_bench.stats.intervals import Rate

UNRELATED = "unrelated questions"


@dataclass(frozen=True, slots=True)
class Susceptibility:
    """One fine-tuning domain by one judge. `trigger` is the condition's name; rates are of unrelated questions."""

    domain: str
    judge: str
    metric: MetricKey
    without: Rate | None
    trigger: str | None
    under: Rate | None
    difference: Difference | None

    @property
    def highest(self) -> float:
        """What the ranking goes by: the higher of the two rates, -1 where there is none."""
        values = [rate.value for rate in (self.without, self.under) if rate is not None and rate.value is not None]
        return max(values, default=-1.0)

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
        }


def susceptibility(
    runs: Sequence[tuple[str | None, Run]], trigger: str | None = None, definition: Definition = Definition.BETLEY
) -> list[Susceptibility]:
    """The domains, the most misaligned first. A run's domain is the name given with it, else what the run records.

    `trigger` names the condition to rank by, needed where a domain has several. Raises `ResultError`, also where the
    runs are not comparable.
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
    _require_same_questions([run for of_domain in by_domain.values() for run in of_domain.values()])
    rows = [row for domain, of_domain in by_domain.items() for row in _rows(domain, of_domain, trigger, definition)]
    return sorted(rows, key=lambda row: (row.judge, -row.highest, row.domain))


def _require_same_questions(runs: Sequence[Run]) -> None:
    """Domains are ranked against each other, so what their runs have in common must be asked and judged alike."""
    first, *others = runs
    for run in others:
        reasons = mismatches(_setup(first), _setup(run), may_differ={Aspect.CONDITION, Aspect.TASKS, Aspect.JUDGE})
        require_comparable(f"{run.path} against {first.path}", reasons)


def _rows(domain: str, runs: Mapping[str, Run], trigger: str | None, definition: Definition) -> list[Susceptibility]:
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
    shared = set.intersection(*({task.name for task, _ in unrelated(run)} for run in present))
    rows = []
    for judge in judges:
        columns = (_column(run, shared, judge, definition) for run in (plain, triggered))
        rows.append(_row(domain, judge, others[0] if others else None, *columns))
    return rows


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


def _column(run: Run | None, tasks: Container[str], judge: str, definition: Definition) -> Column | None:
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
