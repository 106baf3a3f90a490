"""What a condition does: each against `none`, on the same prompts of the same checkpoint.

Prompts with one response each are paired one by one, probes with their responses together (see
`em_bench.stats.paired`). Responses that are unscored on either side are in no pair, and counted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from em_bench.compare.comparability import Aspect, mismatches, require_comparable
from em_bench.compare.differences import Difference, change_dict, differences
from em_bench.compare.sides import measured_alike, side_of
from em_bench.conditions import NONE
from em_bench.errors import ResultError
from em_bench.metrics.registry import Definition
from em_bench.runs.model import Run

MAY_DIFFER = frozenset({Aspect.CONDITION, Aspect.TASKS, Aspect.JUDGE})
"""Beside the condition: only tasks and judges that both runs have are compared."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One metric of one task under a condition; the baseline of the difference is `none`."""

    checkpoint: str
    condition: str
    difference: Difference

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        key, baseline, candidate = self.difference.key, self.difference.baseline, self.difference.candidate
        return {
            "checkpoint": self.checkpoint,
            "condition": self.condition,
            "task": key.task,
            "kind": key.kind,
            "judge": key.judge,
            "metric": str(key.metric),
            "without": baseline and asdict(baseline),
            "under": candidate and asdict(candidate),
            "difference": change_dict(self.difference),
            "is_mean": self.difference.is_mean,
        }


def condition_of_run(run: Run) -> str:
    """The name of the run's condition. Raises `ResultError` where its tasks have several."""
    names = {task.condition.name for task in run.tasks.values()}
    if len(names) > 1:
        raise ResultError(
            f"{run.path} holds tasks under several conditions ({', '.join(sorted(names))}); a run has one"
        )
    return next(iter(names), NONE.name)


def effects(
    runs: Iterable[Run], definition: Definition = Definition.BETLEY, bootstrap_seed: int | None = None
) -> list[Effect]:
    """Each condition of each checkpoint against `none`. Of several runs under one condition the last counts.

    With a `bootstrap_seed` intervals are those of the ordinary percentile bootstrap over prompts or probes.

    Raises `ResultError` where a checkpoint has no run under `none` or no other, or where two are not comparable.
    """
    made: list[Effect] = []
    for checkpoint, by_condition in by_checkpoint(runs).items():
        baseline = by_condition.pop(NONE.name, None)
        if baseline is None or not by_condition:
            missing = "another condition" if baseline else "`none`, the prompts as they are"
            raise ResultError(
                f"{checkpoint} has no run under {missing}; run it with `em-bench run --condition none --condition NAME`"
            )
        for condition, run in by_condition.items():
            made += _effects(baseline, run, condition, definition, bootstrap_seed)
    return made


def by_checkpoint(runs: Iterable[Run]) -> dict[str, dict[str, Run]]:
    """By checkpoint and condition. Of several runs under one condition the last counts."""
    checkpoints: dict[str, dict[str, Run]] = {}
    for run in runs:
        checkpoints.setdefault(run.checkpoint.name, {})[condition_of_run(run)] = run
    return checkpoints


def _effects(
    baseline: Run, run: Run, condition: str, definition: Definition, bootstrap_seed: int | None
) -> Iterator[Effect]:
    before, after = measured_alike(side_of(baseline, definition), side_of(run, definition))
    require_comparable(
        f"{run.path} against {baseline.path}", mismatches(before.setup, after.setup, may_differ=MAY_DIFFER)
    )
    single, _ = differences(before, after, bootstrap_seed=bootstrap_seed)
    order = list(after.columns)
    for difference in sorted(single, key=lambda each: order.index(each.key)):
        yield Effect(run.checkpoint.name, condition, difference)
