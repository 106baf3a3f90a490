"""A run against its parent, rate by rate.

Where the two runs' samples are compared (`<run id>.comparison.json`) the difference is the paired one. Otherwise it is
that of the two published rates, as if their prompts were unrelated, with Newcombe's interval (1998, method 10): wider
than a paired one, and marked as unpaired. Runs that are not comparable have no difference.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from em_bench.compare.comparability import Aspect, mismatches
from em_bench.compare.differences import SIGNIFICANT
from em_bench.compare.setups import setup_of_result
from em_bench.runs.result import RateRecord, RunResult
from em_bench_leaderboard.store import Entry

Key = tuple[str, str, str]
"""Task, judge, metric."""


@dataclass(frozen=True, slots=True)
class Difference:
    """As published: a rate minus its parent's, -1..1, with a 95 % interval. `clear`: significant."""

    parent: float
    value: float
    low: float
    high: float
    paired: bool
    clear: bool


def unpaired(parent: RateRecord, own: RateRecord) -> Difference | None:
    """Newcombe's difference of two rates; None where one of them is not measured."""
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
    unpaired_differences = {}
    before = {_key(rate): rate for rate in parent.result.rates if not rate.subset}
    unlike = _unlike(parent.result, entry.result)
    for rate in entry.result.rates:
        is_alike = not {(rate.task, ""), (rate.task, rate.judge)} & unlike
        if not rate.subset and is_alike and (earlier := before.get(_key(rate))):
            difference = unpaired(earlier, rate)
            if difference is not None:
                unpaired_differences[_key(rate)] = difference
    is_compared = entry.result.baseline == parent.result.id
    return unpaired_differences | _paired((entry.comparison or {}) if is_compared else {})


def _key(rate: RateRecord) -> Key:
    return rate.task, rate.judge, rate.metric


def _unlike(parent: RunResult, own: RunResult) -> set[tuple[str, str]]:
    """Tasks that are not comparable, with the judge if only its verdicts are not."""
    may_differ = {Aspect.TASKS}
    if parent.checkpoint == own.checkpoint:  # a condition against the same checkpoint's run without it
        may_differ.add(Aspect.CONDITION)
    reasons = mismatches(setup_of_result(parent), setup_of_result(own), may_differ=may_differ)
    return {(task, reason.judge) for reason in reasons for task in reason.tasks}


def _paired(comparison: Mapping[str, Any]) -> dict[Key, Difference]:
    differences = {}
    for row in [*comparison.get("differences", ()), *comparison.get("pooled", ())]:
        parent = (row["baseline"] or {}).get("value")
        if row["difference"] is not None and parent is not None:
            low, high = float(row["low"]), float(row["high"])
            clear = row["p_adjusted"] <= SIGNIFICANT
            differences[row["task"], row["judge"], row["metric"]] = Difference(
                float(parent), float(row["difference"]), low, high, paired=True, clear=clear
            )
    return differences
