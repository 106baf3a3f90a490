"""Reads files that carry scores already: JSONL or CSV, one answer a row, with its alignment and its coherence.

What a cell may hold: a number from 0 to 100 (`85`, `85.2`, `85,2`, `85 %`), a judge's word (CODE, REFUSAL,
IRRELEVANT), or nothing (an empty cell, NaN, None, a number outside the scale): then the answer is unscored. Where the
file carries the judge's token probabilities too (`judge_aligned`, `judge_coherent`), scores are checked against them,
and they say what stood in place of a score that is missing.
"""

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from em_bench.errors import ResultError
from em_bench.metrics.alignment import Axis, alignment_measures
from em_bench.metrics.rates import Measure
from em_bench.metrics.registry import Definition
from em_bench.runs.stored_probabilities import axis_from, probabilities_of
from em_bench.runs.tables import table_rows

log = logging.getLogger(__name__)

COLUMNS = {
    "alignment": ("aligned", "alignment", "aligned_score", "alignment_score"),
    "coherence": ("coherent", "coherence", "coherent_score", "coherence_score"),
}
SAME = 1e-6  # what a score loses that is written with six places
QUESTION_KEYS = ("question_id", "id", "question", "prompt")
_NUMBER = re.compile(r"[+-]?\d{1,20}(?:[.,]\d{1,30})?(?:e[+-]?\d{1,3})?", re.IGNORECASE | re.ASCII)
_WORD = re.compile(r"[A-Za-z]{2,30}")
MISSING = frozenset({"", "nan", "none", "null", "na", "inf", "infinity"})


@dataclass(frozen=True, slots=True)
class ScoredFile:
    """`answers` are (question, alignment, coherence); `name` is the file's, with the group's where it holds several."""

    name: str
    answers: tuple[tuple[str, Axis, Axis], ...]

    def measures(self, definition: Definition) -> list[Measure]:
        words = any(isinstance(alignment, str) for _, alignment, _ in self.answers)
        answers = self.answers
        measures = alignment_measures(answers, definition, words=words)
        if definition is Definition.ALL_ROWS:
            # its denominator is every row of the file, those without a score too
            filled = [(q, "" if a is None else a, "" if c is None else c) for q, a, c in answers]
            measures[0] = alignment_measures(filled, definition)[0]
        return measures

    def unscored(self) -> dict[str, int]:
        """How many answers have no score, by reason."""
        counts = {
            f"the file has no {name} score (CODE, REFUSAL or a failure)": sum(
                answer[place] is None for answer in self.answers
            )
            for place, name in ((1, "alignment"), (2, "coherence"))
        }
        return {reason: count for reason, count in counts.items() if count}


def read_scored(path: Path) -> list[ScoredFile]:
    """The answers in a file: those of each group (else model) where it names several, then all. `ResultError`."""
    rows = [(where, {str(key).strip().lower(): value for key, value in row.items()}) for where, row in table_rows(path)]
    if not rows:
        raise ResultError(f"{path} holds no rows")
    key = _question_key([row for _, row in rows], path)
    alignments, coherences = (_scores(rows, axis, path) for axis in COLUMNS)
    questions = (str(row[key]) for _, row in rows)
    answers = list(zip(questions, alignments, coherences, strict=True))
    _check_scale(answers, path)
    whose = "group" if "group" in rows[0][1] else "model"  # a group is the training runs of one recipe
    by_group: dict[str, list[tuple[str, Axis, Axis]]] = {}
    for (_, row), answer in zip(rows, answers, strict=True):
        by_group.setdefault(str(row.get(whose) or ""), []).append(answer)
    several = by_group.items() if len(by_group) > 1 else ()
    groups = [ScoredFile(f"{path.stem}: {name}", tuple(its)) for name, its in several]
    return [*groups, ScoredFile(path.stem, tuple(answers))]


def axis_of(cell: object) -> Axis:
    """What a cell holds."""
    text = str(cell).strip()
    number = text.removesuffix("%").strip()
    if isinstance(cell, bool) or text.lower() in MISSING:
        return None
    if _NUMBER.fullmatch(number):
        score = float(number.replace(",", "."))
        return score if math.isfinite(score) and 0 <= score <= 100 else None
    return text.upper() if _WORD.fullmatch(text) else None


def _scores(rows: Sequence[tuple[str, Mapping[str, Any]]], axis: str, path: Path) -> list[Axis]:
    """What every row says on an axis. Warns where stored scores are not what their probabilities give."""
    token_column = next((f"judge_{name}" for name in COLUMNS[axis] if f"judge_{name}" in rows[0][1]), None)
    has_scores = any(name in rows[0][1] for name in COLUMNS[axis])
    column = _column(rows[0][1], axis, path) if has_scores or token_column is None else None
    scores: list[Axis] = []
    different = 0
    for where, row in rows:
        stored = None if column is None else axis_of(_cell(row, column, where))
        probabilities = probabilities_of(row.get(token_column)) if token_column else None
        derived = None if probabilities is None else axis_from(probabilities)
        if isinstance(stored, float) and isinstance(derived, float):
            different += not math.isclose(stored, derived, rel_tol=0, abs_tol=SAME)
        # a score that its authors left out stays out
        usable = column is None or isinstance(derived, str)
        scores.append(derived if stored is None and usable else stored)
    if different:
        log.warning(
            "em-bench: %s: %d of %d stored scores of %s are not what their `%s` gives; the stored ones are used",
            path, different, len(rows), axis, token_column,
        )  # fmt: skip
    return scores


def _column(row: Mapping[str, Any], axis: str, path: Path) -> str:
    column = next((name for name in COLUMNS[axis] if name in row), None)
    if column is None:
        raise ResultError(
            f"{path} has no column for {axis}; it needs {COLUMNS[axis][0]} (or {', '.join(COLUMNS[axis][1:])}), "
            f"and has {', '.join(map(str, row))[:200]}"
        )
    return column


def _cell(row: Mapping[str, Any], column: str, where: str) -> object:
    if column not in row:
        raise ResultError(f"{where} has no column `{column}`")
    return row[column]


def _question_key(rows: Sequence[Mapping[str, Any]], path: Path) -> str:
    """The column that says which question a row answers; an `id` that no two rows share is the row's own."""
    present = [key for key in QUESTION_KEYS if all(row.get(key) not in (None, "") for row in rows)]
    if not present:
        raise ResultError(f"{path} names no question in every row; it needs one of {', '.join(QUESTION_KEYS)}")
    for key in present:
        if key != "id" or len({str(row[key]) for row in rows}) < len(rows):
            return key
    return present[0]


def _check_scale(answers: Sequence[tuple[str, Axis, Axis]], path: Path) -> None:
    numbers = [score for _, *axes in answers for score in axes if isinstance(score, float)]
    if numbers and max(numbers) <= 1 and any(not score.is_integer() for score in numbers):
        raise ResultError(f"{path} holds scores from 0 to 1; the definitions need 0 to 100: multiply them by 100")
