"""Reads prompt and probe files: JSONL, one object a line, each with a unique `id` and a `prompt`.

A file that does not hold what it should is refused whole, with the line and what to mend: a prompt that is skipped in
silence would change what a rate means.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from em_bench.errors import ConfigError

REQUIRED = ("id", "prompt")


def load_prompts(path: Path, required: Iterable[str] = REQUIRED) -> list[dict[str, Any]]:
    """The rows of a prompt file, all with the same keys. Raises `ConfigError` (file, line, what is wrong)."""
    try:
        # not splitlines(): a prompt may hold U+2028 and its like, which end no line of JSONL
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise ConfigError(
            f"prompt file {path} cannot be read: {error.strerror or error}; check `prompts` in the task"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"prompt file {path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    rows: list[dict[str, Any]] = []
    first: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            row = _parse(line, f"{path}:{number}", required)
            if (other := first.setdefault(row["id"], number)) != number:
                raise ConfigError(
                    f"{path}:{number} has the id {row['id']!r} twice (first in line {other}); ids must be unique"
                )
            rows.append(row)
    if not rows:
        raise ConfigError(f"prompt file {path} is empty; it holds one JSON object a line with {', '.join(required)}")
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [{key: row.get(key) for key in keys} for row in rows]


def _parse(line: str, where: str, required: Iterable[str]) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{where} is not JSON: {error.msg} at column {error.colno}; one JSON object a line"
        ) from error
    if not isinstance(row, dict):
        raise ConfigError(f"{where} holds a JSON {type(row).__name__}; one JSON object a line")
    for field in required:
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise ConfigError(f"{where} has no text in the field `{field}`; each line needs {', '.join(required)}")
    if not isinstance(row.get("system"), str | None):
        raise ConfigError(f"{where} has a `system` that is not text; put it in quotes or leave it out")
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{where} holds half a character (a lone surrogate); mend the escape \\ud800 to \\udfff"
        ) from error
    return row


def prompt_set_hash(rows: Iterable[Mapping[str, Any]]) -> str:
    """sha256 over ids, prompts and systems in order: two runs with the same hash asked the same things."""
    asked = [[row["id"], row.get("system"), row["prompt"]] for row in rows]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()
