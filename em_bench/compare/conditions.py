"""What a condition does: each against `none`, on the same prompts of the same checkpoint.

Prompts with one response each are paired one by one, probes with their responses together (see
`em_bench.stats.paired`). Responses that are unscored on either side are in no pair, and counted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from em_bench.compare.comparability import Aspect, mismatches, require_comparable
from em_bench.compare.setups import setup_of_run
from em_bench.errors import ResultError
from em_bench.metrics.rates import Measure
from em_bench.metrics.registry import Definition, Kind, MetricKey
from em_bench.metrics.rows import measures
from em_bench.runs.rates import NO_CONDITION, condition_of
from em_bench.runs.read import Run, TaskRun
from em_bench.stats.intervals import Rate
from em_bench.stats.paired import Paired, paired_difference, paired_probe_difference

MAY_DIFFER = frozenset({Aspect.CONDITION, Aspect.TASKS, Aspect.JUDGE})
"""Beside the condition: only tasks and judges that both runs have are compared."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One metric of one task under a condition and without any. `difference` is None where nothing can be paired."""

    checkpoint: str
    condition: str
    task: str
    kind: Kind
    judge: str
    metric: MetricKey
    without: Rate | None
    under: Rate | None
    difference: Paired | None
    is_mean: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"metric": str(self.metric)}


def condition_of_run(run: Run) -> str:
    """The name of the condition that the run was asked under. Raises `ResultError` when its tasks do not agree."""
    names = {condition_of(task) for task in run.tasks.values()}
    if len(names) > 1:
        raise ResultError(
            f"{run.path} holds tasks under several conditions ({', '.join(sorted(names))}); a run has one"
        )
    return next(iter(names), NO_CONDITION)


def effects(runs: Iterable[Run], definition: Definition = Definition.BETLEY) -> list[Effect]:
    """Each condition of each checkpoint against `none`. Of several runs under one condition the last counts.

    Raises `ResultError` when a checkpoint has no run under `none` or no other, or when two cannot be compared.
    """
    found: list[Effect] = []
    for checkpoint, by_condition in _by_checkpoint(runs).items():
        baseline = by_condition.pop(NO_CONDITION, None)
        if baseline is None or not by_condition:
            missing = "another condition" if baseline else "`none`, the prompts as they are"
            raise ResultError(
                f"of {checkpoint} there is no run under {missing}; run it with "
                "`em-bench run --condition none --condition NAME`"
            )
        for run in by_condition.values():
            found += _effects(baseline, run, definition)
    return found


def pair(before: Measure, after: Measure) -> Paired | None:
    """What changed, document by document. None where no document is scored on both sides."""
    first, second = _scored(before), _scored(after)
    both = [(values, second[document]) for document, values in first.items() if document in second]
    if before.scale is None and all(len(a) == len(b) == 1 for a, b in both):
        return paired_difference((bool(a[0]), bool(b[0])) for a, b in both)
    low, high = before.scale or (0.0, 1.0)
    return paired_probe_difference(both, scale=high - low)


def _scored(measure: Measure) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for document, value in measure.rows:
        if value is not None:
            found.setdefault(document, []).append(float(value))
    return found


def _by_checkpoint(runs: Iterable[Run]) -> dict[str, dict[str, Run]]:
    found: dict[str, dict[str, Run]] = {}
    for run in runs:
        found.setdefault(run.checkpoint, {})[condition_of_run(run)] = run
    return found


def _effects(baseline: Run, run: Run, definition: Definition) -> Iterator[Effect]:
    reasons = mismatches(setup_of_run(baseline), setup_of_run(run), may_differ=MAY_DIFFER)
    require_comparable(f"{run.path} against {baseline.path}", reasons)
    for name, task in run.tasks.items():
        before = baseline.tasks.get(name)
        if before is None:
            continue
        for judge in (judge for judge in task.judges if judge in before.judges):
            sides = [_measures(each, judge, definition) for each in (before, task)]
            clustered = task.kind is Kind.PROBE
            for metric in (metric for metric in sides[0] if metric in sides[1]):
                first, second = (side[metric] for side in sides)
                yield Effect(
                    checkpoint=run.checkpoint,
                    condition=condition_of(task),
                    task=name,
                    kind=task.kind,
                    judge=judge,
                    metric=metric,
                    without=first.rate(clustered=clustered),
                    under=second.rate(clustered=clustered),
                    difference=pair(first, second),
                    is_mean=first.scale is not None,
                )


def _measures(task: TaskRun, judge: str, definition: Definition) -> dict[MetricKey, Measure]:
    answers = [(response.document, response.verdicts.get(judge)) for response in task.responses]
    return {measure.metric: measure for measure in measures(task.kind, answers, definition)}
