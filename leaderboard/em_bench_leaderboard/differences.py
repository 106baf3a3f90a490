"""A run against its parent, rate by rate.

Where both runs' samples were compared (`<run id>.comparison.json`) the difference is the paired one. Else it is taken
from the two published rates as if their prompts were unrelated: Newcombe's interval (1998, method 10) from the two
rates' own intervals. That is wider than it need be, and its table says which of the two it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from em_bench.compare.comparability import Aspect, mismatches
from em_bench.compare.setups import setup_of_result
from em_bench.runs.result import RateRecord, RunResult
from em_bench_leaderboard.store import Entry

SURE = 0.05
Key = tuple[str, str, str]
"""Task, judge, metric."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A rate minus its parent's, -1..1, with a 95 % interval. `clear`: noise alone would hardly show it."""

    parent: float
    value: float
    low: float
    high: float
    paired: bool
    clear: bool


def unpaired(parent: RateRecord, own: RateRecord) -> Difference | None:
    """Newcombe's difference of two rates; None where one of them was not measured."""
    if parent.value is None or own.value is None:
        return None
    value = own.value - parent.value
    low = value - math.hypot(own.value - own.low, parent.high - parent.value)
    high = value + math.hypot(own.high - own.value, parent.value - parent.low)
    return Difference(parent.value, value, low, high, paired=False, clear=not low <= 0 <= high)


def differences(entry: Entry, parent: Entry | None) -> dict[Key, Difference]:
    """By task, judge and metric: the paired difference where there is one, else the unpaired."""
    if parent is None:
        return {}
    found = {}
    before = {_key(rate): rate for rate in parent.result.rates if not rate.subset}
    unlike = _unlike(parent.result, entry.result)
    for rate in entry.result.rates:
        is_alike = not {(rate.task, ""), (rate.task, rate.judge)} & unlike
        if not rate.subset and is_alike and (earlier := before.get(_key(rate))):
            difference = unpaired(earlier, rate)
            if difference is not None:
                found[_key(rate)] = difference
    is_compared = entry.result.baseline == parent.result.id
    return found | _paired((entry.comparison or {}) if is_compared else {})


def _key(rate: RateRecord) -> Key:
    return rate.task, rate.judge, rate.metric


def _unlike(parent: RunResult, own: RunResult) -> set[tuple[str, str]]:
    """The tasks that were asked differently, and the tasks and judges that were judged differently."""
    # a run under a condition stands beside the same checkpoint's run without it
    is_own = parent.checkpoint == own.checkpoint
    reasons = mismatches(
        setup_of_result(parent),
        setup_of_result(own),
        may_differ={Aspect.TASKS, Aspect.CONDITION} if is_own else {Aspect.TASKS},
    )
    return {(task, reason.judge) for reason in reasons for task in reason.tasks}


def _paired(comparison: Mapping[str, Any]) -> dict[Key, Difference]:
    found = {}
    for row in [*comparison.get("differences", ()), *comparison.get("pooled", ())]:
        parent = (row["baseline"] or {}).get("value")
        if row["difference"] is not None and parent is not None:
            low, high = float(row["low"]), float(row["high"])
            clear = row["p_adjusted"] <= SURE
            found[row["task"], row["judge"], row["metric"]] = Difference(
                float(parent), float(row["difference"]), low, high, paired=True, clear=clear
            )
    return found
