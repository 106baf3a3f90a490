"""Reads prompt and probe files: JSONL, one object a line, each with a unique `id` and a `prompt`.

A file with a wrong line is refused, with the line and what to do: silently skipping a prompt would
change what a rate means. A row may carry the data set's `canary` (see `lm_eval_tasks/DATASHEET.md`), which is in the
file for those who filter training data, and is no part of the prompt.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from em_bench.errors import ConfigError
from em_bench.readers import json_lines, read_text
from em_bench.text import shown

REQUIRED = ("id", "prompt")
CANARY = "canary"


def load_prompts(path: Path, required: Iterable[str] = REQUIRED) -> list[dict[str, Any]]:
    """The rows of a prompt file, all with the same keys and without the canary.

    Raises `ConfigError` (file, line, what is wrong).
    """
    text = read_text(path, ConfigError, what="prompt file", hint="check `prompts` in the task")
    rows: list[dict[str, Any]] = []
    places: dict[str, str] = {}
    for place, row in json_lines(text, f"prompt file {path}", ConfigError):
        _check(row, place, required)
        if (first := places.setdefault(row["id"], place)) != place:
            line = first.rpartition(":")[2]
            raise ConfigError(
                f"{place} has the id '{shown(row['id'], 80)}' twice, first in line {line}; ids must be unique"
            )
        rows.append(row)
    if not rows:
        raise ConfigError(f"prompt file {path} is empty; it holds one JSON object a line with {', '.join(required)}")
    keys = list(dict.fromkeys(key for row in rows for key in row if key != CANARY))
    return [{key: row.get(key) for key in keys} for row in rows]


def _check(row: Mapping[str, Any], where: str, required: Iterable[str]) -> None:
    for field in required:
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise ConfigError(f"{where} has no text in the field `{field}`; each line needs {', '.join(required)}")
    if not isinstance(row.get("system"), str | None):
        raise ConfigError(f"{where} has a `system` that is not text; put it in quotes or leave it out")
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{where} holds half a character (a lone surrogate); fix its escape") from error


def prompt_set_hash(rows: Iterable[Mapping[str, Any]]) -> str:
    """sha256 over ids, prompts and systems in order: runs with the same hash have the same prompts."""
    content = [[row["id"], row.get("system"), row["prompt"]] for row in rows]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
