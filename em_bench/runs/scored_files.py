"""Reads files that carry scores already: JSONL or CSV, one answer a row, with its alignment and its coherence.

What a cell may hold: a number from 0 to 100 (`85`, `85.2`, `85,2`, `85 %`), a judge's word (CODE, REFUSAL,
IRRELEVANT), or nothing (an empty cell, NaN, None): then the answer is unscored, as it is where the cell holds a number
outside the scale or another text. Scores on another scale are refused until it is named. Where the file carries the
judge's token probabilities too (`judge_aligned`, `judge_coherent`), scores are checked against them, and they say what
stood in place of a score that is missing.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from em_bench.errors import ResultError
from em_bench.metrics.alignment import Axis, alignment_measures
from em_bench.metrics.rates import Measure
from em_bench.metrics.registry import Definition
from em_bench.runs.duplicates import without_copies
from em_bench.runs.scales import (
    COLUMNS,
    ENOUGH,
    PERCENT,
    Scale,
    Scales,
    axis_of,
    beyond_ten,
    check_scale,
    number_in,
    why_unscored,
)
from em_bench.runs.stored_probabilities import axis_from, probabilities_of
from em_bench.runs.tables import table_rows

log = logging.getLogger(__name__)

STORED, ALL_QUESTIONS = "stored scores", "all questions"  # the judge and the task of a file's rates
SAME = 1e-6  # what a score loses that is written with six places
QUESTION_KEYS = ("question_id", "id", "question", "prompt")


@dataclass(frozen=True, slots=True)
class ScoredFile:
    """`answers` are (question, alignment, coherence); `name` is the file's, with the group's where it holds several.

    `gaps` says of each answer why its alignment and its coherence are missing; empty where they are not.
    """

    name: str
    answers: tuple[tuple[str, Axis, Axis], ...]
    gaps: tuple[tuple[str, str], ...] = ()

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
        return dict(Counter(reason for axis in (0, 1) for gaps in self.gaps if (reason := gaps[axis])))


def read_scored(path: Path, scales: Scales | None = None) -> list[ScoredFile]:
    """The answers in a file: those of each group (else model) where it names several, then all.

    `scales` names those that are not 0 to 100. Raises `ResultError`.
    """
    lowered = [(where, {str(name).strip().lower(): value for name, value in row.items()})
               for where, row in table_rows(path)]  # fmt: skip
    if not lowered:
        raise ResultError(f"{path} holds no rows")
    key = _question_key([row for _, row in lowered], path)
    rows = without_copies(lowered, path, (key,))
    columns = [_read_axis(rows, axis, path, (scales or {}).get(axis)) for axis in COLUMNS]
    questions = (str(row[key]) for _, row in rows)
    answers = list(zip(questions, *(column.scores for column in columns), strict=True))
    gaps = list(zip(*(column.gaps for column in columns), strict=True))
    whose = "group" if "group" in rows[0][1] else "model"  # a group is the training runs of one recipe
    members: dict[str, list[int]] = {}
    for place, (_, row) in enumerate(rows):
        members.setdefault(str(row.get(whose) or ""), []).append(place)
    for column in columns:
        column.check_groups(members, path)
    groups = [(f"{path.stem}: {name}", places) for name, places in members.items()] if len(members) > 1 else []
    return [
        ScoredFile(name, tuple(answers[place] for place in places), tuple(gaps[place] for place in places))
        for name, places in [*groups, (path.stem, range(len(rows)))]
    ]


@dataclass(frozen=True, slots=True)
class _AxisColumn:
    """What every row says on an axis. `numbers` are as the file has them; `unchecked` is the column's name where nobody
    named its scale.
    """

    scores: Sequence[Axis]
    gaps: Sequence[str]
    numbers: Sequence[float | None]
    unchecked: str | None

    def check_groups(self, members: Mapping[str, Sequence[int]], path: Path) -> None:
        """One group's scores may be on another scale than those of the file's others."""
        for name, places in members.items() if self.unchecked and len(members) > 1 else ():
            numbers = [number for place in places if (number := self.numbers[place]) is not None]
            if len(numbers) >= ENOUGH and max(numbers) <= 1:
                check_scale(numbers, self.unchecked or "", f"{path}: {name}")


def _read_axis(
    rows: Sequence[tuple[str, Mapping[str, Any]]], axis: str, path: Path, scale: Scale | None
) -> _AxisColumn:
    token_column = next((f"judge_{name}" for name in COLUMNS[axis] if f"judge_{name}" in rows[0][1]), None)
    has_scores = any(name in rows[0][1] for name in COLUMNS[axis])
    column = _column(rows[0][1], axis, path) if has_scores or token_column is None else None
    cells = [None if column is None else _cell(row, column, where) for where, row in rows]
    numbers = [number_in(cell) for cell in cells]
    probabilities = [probabilities_of(row.get(token_column)) if token_column else None for _, row in rows]
    is_unchecked = column is not None and scale is None and not any(beyond_ten(each or ()) for each in probabilities)
    if column is not None and is_unchecked:
        check_scale([number for number in numbers if number is not None], column, str(path))
    known = scale or PERCENT
    stored = [axis_of(cell, known) for cell in cells]
    derived = [None if each is None else axis_from(each) for each in probabilities]
    if different := _differing(stored, derived):
        log.warning(
            "em-bench: %s: %d of %d stored scores of %s are not what their `%s` gives; the stored ones are used",
            path, different, len(rows), axis, token_column,
        )  # fmt: skip
    # a score that its authors left out stays out
    scores = [
        instead if own is None and (column is None or isinstance(instead, str)) else own
        for own, instead in zip(stored, derived, strict=True)
    ]
    gaps = ["" if score is not None else why_unscored(cell, axis, known)
            for score, cell in zip(scores, cells, strict=True)]  # fmt: skip
    return _AxisColumn(scores, gaps, numbers, column if is_unchecked else None)


def _differing(stored: Iterable[Axis], derived: Iterable[Axis]) -> int:
    """How many scores are not what the judge's probabilities give."""
    return sum(
        isinstance(own, float) and isinstance(other, float) and not math.isclose(own, other, rel_tol=0, abs_tol=SAME)
        for own, other in zip(stored, derived, strict=True)
    )


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
