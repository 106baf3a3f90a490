"""Krippendorff's alpha: raters' agreement beyond chance (Krippendorff, *Content Analysis*, 4th ed., ch. 12).

A unit is what several raters rate, a value what one of them said. Missing values may be anywhere. A unit with one value
is in no pair, and left out of chance too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from em_bench.stats.clusters import Floats
from em_bench.stats.intervals import RESAMPLES, SEED
from em_bench.types import Verdict

AT_ONCE = 2_000_000

Unit = Sequence[float] | Sequence[str]
"""The values of a unit that are not missing."""


class Level(StrEnum):
    """Nominal values are equal or not; the distance of interval data is the square of the difference."""

    NOMINAL = "nominal"
    INTERVAL = "interval"


class PairWeights(StrEnum):
    """How much the pairs of a unit count where values are missing.

    `value`: each value counts once, so a pair of a unit with m values counts 1 / (m - 1). This is alpha by its
    definition, and what its libraries compute. `pair`: each pair counts once, so a unit with more values counts more;
    some published numbers are made so. Without missing values both are the same.
    """

    VALUE = "value"
    PAIR = "pair"


@dataclass(frozen=True, slots=True)
class Alpha:
    """1 is full agreement, 0 chance; None where there is no pair or all values are equal. The interval is the ordinary
    bootstrap over units. `units` counts those with two values or more, `values` the values in them.
    """

    value: float | None
    low: float | None
    high: float | None
    units: int
    values: int


@dataclass(frozen=True, slots=True)
class _Sums:
    """What alpha is made of, by unit, so that units can be drawn again: their disagreement, the pairs' weight, the
    values and their moments (interval: sum and sum of squares; nominal: how many of each).
    """

    observed: Floats
    weight: Floats
    values: Floats
    moments: Floats
    level: Level


def alpha(votes: Sequence[Mapping[str, Verdict]]) -> float | None:
    """Of a jury's votes; each unit is a mapping of juror to verdict. Unscored votes are missing.

    Scores are interval data, and a word in place of a score is missing too; labels alone are nominal. None where alpha
    is undefined: no unit has two votes, or all votes are equal.
    """
    scored = [[v for v in unit.values() if v.unscored is None] for unit in votes]
    if any(vote.label is None for unit in scored for vote in unit):
        scores = [[v.score for v in unit if v.label is None and v.score is not None] for unit in scored]
        return alpha_of(scores, Level.INTERVAL)
    return alpha_of([[str(vote.label) for vote in unit] for unit in scored], Level.NOMINAL)


def alpha_of(units: Sequence[Unit], level: Level, weights: PairWeights = PairWeights.VALUE) -> float | None:
    """Of the values that are not missing."""
    sums = _sums(units, level, weights)
    return None if sums is None else _alpha(sums, np.ones((1, len(sums.values))))[0]


def alpha_with_interval(
    units: Sequence[Unit], level: Level, weights: PairWeights = PairWeights.VALUE, confidence: float = 0.95
) -> Alpha:
    """Resamples without any disagreement possible, as all their values are equal, are left out of the interval."""
    sums = _sums(units, level, weights)
    value = None if sums is None else _alpha(sums, np.ones((1, len(sums.values))))[0]
    if sums is None or value is None:
        return Alpha(None, None, None, *((len(sums.values), int(sums.values.sum())) if sums else (0, 0)))
    n, random = len(sums.values), np.random.default_rng(SEED)
    step = max(1, AT_ONCE // n)
    resampled: list[float] = []
    for start in range(0, RESAMPLES, step):
        counts = random.multinomial(n, np.full(n, 1 / n), size=min(step, RESAMPLES - start))
        resampled += [each for each in _alpha(sums, counts.astype(float)) if each is not None]
    tail = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(resampled, [tail, 1 - tail]))
    return Alpha(value, low, high, n, int(sums.values.sum()))


def _sums(units: Sequence[Unit], level: Level, weights: PairWeights) -> _Sums | None:
    """None where no unit has two values."""
    paired = [unit for unit in units if len(unit) > 1]
    if not paired:
        return None
    values = np.array([len(unit) for unit in paired], dtype=float)
    # with n of each kind, n * n - sum of their squares ordered pairs differ; with scores, the squared distances of all
    # ordered pairs add up to 2 n times the sum of squares about the mean
    moments = _moments(paired, level)
    observed = _disagreement(values, moments, level)
    by_value = weights is PairWeights.VALUE
    return _Sums(
        observed=observed / (values - 1) if by_value else observed,
        weight=values if by_value else values * (values - 1),
        values=values,
        moments=moments,
        level=level,
    )


def _moments(units: Sequence[Unit], level: Level) -> Floats:
    if level is Level.INTERVAL:
        centre = float(np.mean([value for unit in units for value in unit]))  # keeps the squares small
        centred = [np.array(unit, dtype=float) - centre for unit in units]
        return np.array([[unit.sum(), (unit**2).sum()] for unit in centred])
    place = {value: index for index, value in enumerate(dict.fromkeys(value for unit in units for value in unit))}
    counts: Floats = np.zeros((len(units), len(place)))
    for row, unit in enumerate(units):
        for value in unit:
            counts[row, place[value]] += 1
    return counts


def _disagreement(values: Floats, moments: Floats, level: Level) -> Floats:
    """Summed over all ordered pairs."""
    if level is Level.INTERVAL:
        return np.asarray(2 * (values * moments[..., 1] - moments[..., 0] ** 2))
    return np.asarray(values**2 - (moments**2).sum(axis=-1))


def _alpha(sums: _Sums, counts: Floats) -> list[float | None]:
    """One for each row of how often each unit counts."""
    values = counts @ sums.values
    expected = _disagreement(values, counts @ sums.moments, sums.level) / (values * (values - 1))
    observed = (counts @ sums.observed) / (counts @ sums.weight)
    return [1 - float(o) / float(e) if e > 1e-12 else None for o, e in zip(observed, expected, strict=True)]
