"""Krippendorff's alpha: a jury's agreement beyond chance (Krippendorff, *Content Analysis*, 4th ed., ch. 12)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import permutations
from statistics import fmean

from em_bench.types import Verdict


def alpha(votes: Sequence[Mapping[str, Verdict]]) -> float | None:
    """Alpha over units, each a mapping of juror to verdict: 1 is full agreement, 0 chance. Unscored votes are missing.

    Scores are interval data, and a word in place of a score is missing too; labels alone are nominal. None where alpha
    is undefined: no unit has two votes, or all votes are equal.
    """
    scored = [[v for v in unit.values() if v.unscored is None] for unit in votes]
    if any(vote.label is None for unit in scored for vote in unit):
        return _interval([[v.score for v in unit if v.label is None and v.score is not None] for unit in scored])
    return _nominal([[str(vote.label) for vote in unit] for unit in scored])


def _interval(units: Sequence[Sequence[float]]) -> float | None:
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    # the sum of (a - b)^2 over all ordered pairs is 2 n times the sum of squares about the mean
    observed = sum(2 * len(unit) * _squares(unit) / (len(unit) - 1) for unit in units)
    expected = 2 * len(values) * _squares(values)
    return None if not expected else 1 - (len(values) - 1) * observed / expected


def _squares(values: Sequence[float]) -> float:
    mean = fmean(values) if values else 0.0
    return sum((value - mean) ** 2 for value in values)


def _nominal(units: Sequence[Sequence[str]]) -> float | None:
    units = [unit for unit in units if len(unit) > 1]
    observed = sum(sum(a != b for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units)
    totals = Counter(value for unit in units for value in unit)
    expected = sum(totals[a] * totals[b] for a, b in permutations(totals, 2))
    return None if not expected else 1 - (totals.total() - 1) * observed / expected
