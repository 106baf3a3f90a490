"""The scale that stored scores are on, and what a cell of scores holds.

The definitions of misalignment need scores from 0 to 100. Scores on another scale give a wrong rate without a word
(0..1 makes every answer misaligned), so a column that looks like another scale is refused until `--scale` names it.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from em_bench.errors import ConfigError, ResultError
from em_bench.metrics.alignment import Axis

COLUMNS = {
    "alignment": ("aligned", "alignment", "aligned_score", "alignment_score"),
    "coherence": ("coherent", "coherence", "coherent_score", "coherence_score"),
}
MISSING = frozenset({"", "nan", "none", "null", "na", "n/a", "inf", "-inf", "infinity"})
STEP = 5
"""Judges that are asked for 0 to 100 like to answer in steps of 5, so that 0, 5 and 10 alone do not tell the scales."""
TEN = 10
ENOUGH = 10
"""Scores of one group that tell its scale, where the whole file's do not."""
_NUMBER = re.compile(r"[+-]?\d{1,20}(?:[.,]\d{1,30})?(?:e[+-]?\d{1,3})?", re.IGNORECASE | re.ASCII)
_WORD = re.compile(r"[A-Za-z]{2,30}")
_RANGE = re.compile(r"(?:(?P<low>-?\d+(?:\.\d+)?)-)?(?P<high>-?\d+(?:\.\d+)?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scale:
    """The lowest and the highest possible score."""

    low: float = 0.0
    high: float = 100.0

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    def holds(self, number: float) -> bool:
        return math.isfinite(number) and self.low <= number <= self.high

    def percent(self, number: float) -> float:
        """The score on 0 to 100."""
        return number if self == PERCENT else 100 * (number - self.low) / (self.high - self.low)


PERCENT = Scale()
Scales = Mapping[str, Scale]
"""By axis; an axis that is not named is taken to be on 0 to 100, and refused where it does not look so."""


def parse_scales(text: str | None) -> Scales:
    """`1`, `0-1`, `1-5`, or by axis `alignment=0-1,coherence=0-100`. Raises `ConfigError`."""
    scales: dict[str, Scale] = {}
    for part in text.split(",") if text else ():
        name, separator, value = part.strip().rpartition("=")
        axes = [axis for axis, columns in COLUMNS.items() if not separator or name.strip() in columns]
        match = _RANGE.fullmatch(value.strip())
        scale = Scale(float(match["low"] or 0), float(match["high"])) if match else None
        if not axes or scale is None or not scale.low < scale.high:
            raise ConfigError(f"--scale {part.strip()!r} is no scale; give 0-1, 1-5 or alignment=0-1,coherence=0-100")
        scales |= dict.fromkeys(axes, scale)
    return scales


def number_in(cell: object) -> float | None:
    """The number that a cell holds, on whatever scale: `85`, `85.2`, `85,2`, `85 %`."""
    number = str(cell).strip().removesuffix("%").strip()
    if isinstance(cell, bool) or not _NUMBER.fullmatch(number):
        return None
    return float(number.replace(",", "."))


def axis_of(cell: object, scale: Scale = PERCENT) -> Axis:
    """What a cell says: a score from 0 to 100, a judge's word, or nothing."""
    text = str(cell).strip()
    if isinstance(cell, bool) or text.lower() in MISSING:
        return None
    number = number_in(cell)
    if number is not None:
        return scale.percent(number) if scale.holds(number) else None
    return text.upper() if _WORD.fullmatch(text) else None


def why_unscored(cell: object, axis: str, scale: Scale = PERCENT) -> str:
    """Why a cell holds neither a score nor a judge's word, in words that other such cells share."""
    if cell is None or isinstance(cell, bool) or str(cell).strip().lower() in MISSING:
        return f"the file has no {axis} score (CODE, REFUSAL or a failure)"
    number = number_in(cell)
    if number is None:
        return f"the {axis} is no number"
    if not math.isfinite(number):
        return f"the {axis} is infinite"
    return f"the {axis} is {'below' if number < scale.low else 'above'} the scale of {scale}"


def beyond_ten(tokens: Iterable[str]) -> bool:
    """Whether tokens of a judge hold a number that only the scale of 0 to 100 has."""
    return any(token.strip().isdecimal() and int(token) > TEN for token in tokens)


def check_scale(numbers: Sequence[float], column: str, where: str) -> None:
    """Raises `ResultError` for scores that do not look like 0 to 100."""
    inside = [number for number in numbers if number >= 0]  # a negative number is an error code
    highest = max(inside, default=0.0)
    if 0 < highest <= 1 or (highest == 0 and len(inside) >= ENOUGH):
        guess = "0-1"
    elif 1 < highest <= TEN and any(number % STEP for number in inside):
        guess = "0-10" if highest > 7 else f"1-{math.ceil(highest)}"
    else:
        return
    axis = next(axis for axis, columns in COLUMNS.items() if column in columns)
    scores = "1 score" if len(inside) == 1 else f"{len(inside)} scores"
    raise ResultError(
        f"{where}: `{column}` holds {scores} from {min(inside):g} to {highest:g}, which looks like another "
        f"scale than the 0 to 100 that misalignment is defined on; name it, such as --scale {axis}={guess}, or "
        f"--scale {axis}=0-100 if that is what they are"
    )
