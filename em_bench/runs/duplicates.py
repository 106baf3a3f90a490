"""Rows that a file holds more than once by mistake: they would double n.

Several responses to a question are no mistake, even where two say the same. Equal rows are copies where

- the file gives each row an `id` of its own, which comes twice;
- some questions come once and others twice with the same row;
- every row comes equally often although a question has several: the file was appended to itself.
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

log = logging.getLogger(__name__)

Row = TypeVar("Row", bound=Mapping[str, Any])
Placed = Sequence[tuple[str, Row]]


def without_copies(rows: Placed[Row], path: Path, keys: Sequence[str]) -> list[tuple[str, Row]]:
    """The rows, each with its place, without copies of earlier ones; warns of them. `keys` may name the question."""
    first: dict[str, tuple[str, Row]] = {}
    counts: Counter[str] = Counter()
    copy: tuple[str, str] | None = None
    for place, row in rows:
        content = json.dumps(row, sort_keys=True, default=str)
        counts[content] += 1
        first.setdefault(content, (place, row))
        if copy is None and counts[content] > 1:
            copy = place, first[content][0]
    kept, is_uniform = list(first.values()), len(set(counts.values())) == 1
    if copy is None:
        return kept
    key = next((key for key in keys if all(row.get(key) not in (None, "") for _, row in kept)), "")
    is_single = _is_unique(kept, key)
    if _is_unique(kept, "id") or is_uniform != is_single:
        log.warning(
            "em-bench: %s holds %d copies of its rows, which are left out: %s is the same as %s",
            path, len(rows) - len(kept), *copy,
        )  # fmt: skip
        return kept
    if is_uniform and len(kept) > 1:
        log.warning(
            "em-bench: %s holds every row %d times; if it was appended to itself, take the copies out",
            path, len(rows) // len(kept),
        )  # fmt: skip
    return list(rows)


def _is_unique(rows: Placed[Row], key: str) -> bool:
    """Whether no two rows of a task share a value, and none lacks it."""
    values = {(str(row.get("task")), str(row[key])) for _, row in rows if row.get(key) not in (None, "")}
    return len(values) == len(rows)
