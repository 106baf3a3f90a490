"""Published prompt sets and question files as documents, read in the schema that they were published in.

What a file is, by sha256, goes into the task's record in every case, with what became of each of its categories; a file
that differs from a pinned one is refused.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from em_bench.errors import ConfigError
from em_bench.prompts.published.catalogue import PublishedSet, catalogue, category_key
from em_bench.prompts.published.download import matches
from em_bench.prompts.published.locate import LocalCopy, find_file
from em_bench.prompts.questions import parse_questions, probe_rows
from em_bench.readers import csv_rows, json_lines
from em_bench.readers.text_file import decode
from em_bench.text import shown

SHOWN = 10  # categories in one line
CONTEXT_BREAK = "\n\n---\n\n"  # as HarmBench's own code joins a context and a behavior


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a task asks: its documents, what goes into its record about where they come from, and the question file
    whose own judge prompts can judge the responses.
    """

    rows: list[dict[str, Any]]
    record: Mapping[str, Any]
    rubric: Path | None


def load_published(
    spec: str, published_dir: Path | None, cache_dir: Path, unreachable: set[str] | None = None
) -> Loaded:
    """The documents of `set` or `set/part`. Raises `PrerequisiteError` when the file is not to be had, and
    `ConfigError` when it is not what it should be; both in one line.
    """
    name, _, part = spec.partition("/")
    sets = catalogue()
    if name not in sets or (part and part not in sets[name].parts):
        names = ", ".join(f"{key}/{half}" if half else key for key, each in sets.items() for half in each.parts or [""])
        raise ConfigError(f"published set {spec!r} is unknown; known: {names}")
    entry = sets[name]
    copy = find_file(entry, published_dir, cache_dir, unreachable)
    rows = read_rows(entry, copy)
    return _select(entry, part, rows, copy)


def read_rows(entry: PublishedSet, copy: LocalCopy) -> list[dict[str, Any]]:
    """Every row of the file as a document, with its original columns under `_row`. Raises `ConfigError`."""
    if not matches(copy.content, copy.file.sha256):
        raise ConfigError(
            f"{copy.path} has the sha256 {copy.sha256}, not the pinned {copy.file.sha256} of {entry.title}: it is "
            f"another version or was changed; download {copy.file.address} again, or, to ask another version, name "
            f"the file {entry.files[-1].name}"
        )
    text = decode(copy.content, str(copy.path), ConfigError)
    if not text.strip():
        raise ConfigError(f"{copy.path} is empty; download {copy.file.address} again")
    if entry.format == "questions":
        questions = parse_questions(text, str(copy.path))
        bare = {question.id for question in questions if not question.judge_prompts}
        return [
            row | {"_row": {"id": row["question"]}, "_bare": row["question"] in bare} for row in probe_rows(questions)
        ]
    return _prompt_rows(entry, _table(entry, copy, text), copy.path)


def _table(entry: PublishedSet, copy: LocalCopy, text: str) -> list[tuple[str, dict[str, Any]]]:
    """The rows of a CSV or JSONL file, each with where it stands; at least the columns that are needed are there."""
    where = str(copy.path)
    if entry.format == "jsonl":
        rows: list[tuple[str, dict[str, Any]]] = list(json_lines(text, where, ConfigError))
    else:
        # a file whose sha256 is pinned is what its authors published, ragged lines included
        rows = list(csv_rows(text, where, ConfigError, strict=copy.file.sha256 is None))
    if not rows:
        raise ConfigError(f"{copy.path} has no rows; download {copy.file.address} again")
    columns = entry.columns
    needed = [names for names in (columns.prompt, columns.category, columns.context) if names]
    needed += [[part.column] for part in entry.parts.values()]
    for where, row in rows:
        for names in needed:
            if not any(name in row for name in names):
                has = ", ".join(shown(name, 80) for name in row)
                raise ConfigError(f"{where} has no column `{names[0]}`, which {entry.title} has; it has {has}")
    return rows


def _prompt_rows(entry: PublishedSet, table: list[tuple[str, dict[str, Any]]], path: Path) -> list[dict[str, Any]]:
    width = len(str(len(table)))
    rows: list[dict[str, Any]] = []
    for number, (where, row) in enumerate(table, 1):
        category = str(_first(entry, row, "category") or "").strip()
        rows.append(
            {
                "id": f"{entry.name}-{_first(entry, row, 'id') or str(number).zfill(width)}",
                "prompt": _prompt(entry, row, where),
                "subcategory": category,
                "domain": entry.domains.get(category_key(category), ""),
                "_row": row,
            }
        )
    if twice := [name for name, count in Counter(row["id"] for row in rows).items() if count > 1]:
        raise ConfigError(f"{path} has the id {twice[0].removeprefix(entry.name + '-')!r} twice; ids must be unique")
    return rows


def _prompt(entry: PublishedSet, row: Mapping[str, Any], where: str) -> str:
    value = _first(entry, row, "prompt")
    # SORRY-Bench keeps a conversation of one turn
    text = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{where} has no text in `{entry.columns.prompt[0]}`; download the file again")
    context = _first(entry, row, "context")
    prompt = f"{context}{CONTEXT_BREAK}{text}" if isinstance(context, str) and context.strip() else text
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{where} holds half a character (a lone surrogate); download the file again") from error
    return prompt


def _select(entry: PublishedSet, part: str, rows: list[dict[str, Any]], copy: LocalCopy) -> Loaded:
    """The rows of a part, and the record that says what became of all rows of the file."""
    rule = entry.parts.get(part)
    chosen = [row for row in rows if rule is None or re.search(rule.matches, str(row["_row"][rule.column]))]
    if not chosen:
        raise ConfigError(f"{copy.path} has no rows of the part {part!r} of {entry.title}; download it again")
    record: dict[str, Any] = {
        "set": entry.name,
        "part": part or None,
        "file": copy.path.name,
        "from": copy.origin,
        "sha256": copy.sha256,
        "pinned": copy.file.sha256 is not None,
        "address": copy.file.address or None,
        "rows_in_file": len(rows),
        "rows_expected": entry.rows,
    }
    bare = sum(row.get("_bare", False) for row in chosen)
    if entry.format == "questions":
        record["without_judge_prompts"] = bare
    else:
        record["by_domain"] = dict(Counter(row["domain"] for row in chosen if row["domain"]))
        record["without_domain"] = dict(Counter(row["subcategory"] for row in chosen if not row["domain"]))
    documents = [{key: value for key, value in row.items() if not key.startswith("_")} for row in chosen]
    return Loaded(documents, record, copy.path if entry.format == "questions" and not bare else None)


def notice(task: str, record: Mapping[str, Any]) -> str | None:
    """The one line about prompts whose category belongs to no domain, or None."""
    without = record.get("without_domain")
    if not without:
        return None
    total = sum(record["by_domain"].values()) + sum(without.values())
    largest = sorted(without.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{shown(category, 80) or '(none given)'} {count}" for category, count in largest[:SHOWN]]
    if len(largest) > SHOWN:
        named.append(f"and {len(largest) - SHOWN} more")
    return (
        f"{task}: {sum(without.values())} of {total} prompts are in categories that belong to no single domain "
        f"({', '.join(named)}); they are asked and counted in the task, in no domain"
    )


def _first(entry: PublishedSet, row: Mapping[str, Any], key: str) -> Any:
    return next((row[name] for name in getattr(entry.columns, key) if row.get(name) not in (None, "")), None)
