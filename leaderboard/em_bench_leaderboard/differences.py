"""A run against its parent, rate by rate.

Where both runs' samples were compared (`<run id>.comparison.json`) the difference is the paired one. Else it is taken
from the two published rates as if their prompts were unrelated: Newcombe's interval (1998, method 10) from the two
rates' own intervals. That is wider than it need be, and its table says which of the two it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from em_bench.runs.result import RateRecord
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
    judges, own_judges = _judge_versions(parent), _judge_versions(entry)
    for rate in entry.result.rates:
        same_judge = judges.get((rate.task, rate.judge)) == own_judges.get((rate.task, rate.judge))
        if not rate.subset and same_judge and (earlier := before.get(_key(rate))):
            difference = unpaired(earlier, rate)
            if difference is not None:
                found[_key(rate)] = difference
    is_compared = entry.result.baseline == parent.result.id
    return found | _paired((entry.comparison or {}) if is_compared else {})


def _key(rate: RateRecord) -> Key:
    return rate.task, rate.judge, rate.metric


def _judge_versions(entry: Entry) -> dict[tuple[str, str], tuple[str, str, str]]:
    """A verdict of another judge version, or on another prompt set, is not to be subtracted."""
    return {
        (task.name, judge.name): (task.version, task.prompt_set_sha256, judge.version)
        for task in entry.result.tasks
        for judge in task.judges
    }


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
