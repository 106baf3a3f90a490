"""Krippendorff's alpha of raters in the columns of a file, where codes such as -1 may stand for a missing rating."""

import logging
import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from em_bench.calibration.labels import rows_of, text_of
from em_bench.errors import ConfigError, ResultError
from em_bench.stats.agreement import Alpha, Level, PairWeights, alpha_with_interval

EMPTY = frozenset({"", "nan", "none", "null", "na", "n/a"})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Agreement:
    """`rows` counts those of the file, `missing` the ratings that are empty or a code for it, of all of them."""

    raters: tuple[str, ...]
    level: Level
    weights: PairWeights
    alpha: Alpha
    rows: int
    missing: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def agreement(
    path: Path,
    raters: Sequence[str],
    level: Level = Level.INTERVAL,
    missing: Collection[str] = (),
    weights: PairWeights = PairWeights.VALUE,
) -> Agreement:
    """A row is a unit, and `raters` are the columns with their ratings; `missing` are codes, such as "-1".

    Raises `ResultError` where a rating is no number though the level is interval.
    """
    if len(set(raters)) < 2:
        raise ConfigError("agreement needs two raters; name the columns with their ratings: --rater a --rater b")
    codes = {*map(_plain, missing)}
    units: list[list[str]] = []
    places: list[str] = []
    for where, row in rows_of(path):
        ratings = [text_of(row, rater, where) for rater in raters]
        units.append([each for each in ratings if each.lower() not in EMPTY and _plain(each) not in codes])
        places.append(where)
    count = sum(map(len, units))
    if level is Level.NOMINAL:
        alpha = alpha_with_interval([[_plain(each) for each in unit] for unit in units], level, weights)
    else:
        numbers = [[_number(each, where) for each in unit] for unit, where in zip(units, places, strict=True)]
        _warn_of_codes([value for unit in numbers for value in unit])
        alpha = alpha_with_interval(numbers, level, weights)
    return Agreement(tuple(raters), level, weights, alpha, len(units), len(units) * len(raters) - count)


def _plain(text: str) -> str:
    """Numbers that are equal are written alike: -1 and -1.0."""
    try:
        value = float(text)
    except ValueError:
        return text.strip()
    return repr(value)


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ResultError(f"{where} has {text!r}, which is no number; name it with --missing, or use --level nominal")
    return value


def _warn_of_codes(values: Sequence[float]) -> None:
    """A lone negative value under scores that are none is most likely a code, and as a score it would ruin alpha."""
    negative = {value for value in values if value < 0}
    if len(negative) == 1 and len({*values}) > 2:
        code = negative.pop()
        log.warning("%g is the only negative value; if it stands for a missing one, give --missing %g", code, code)
