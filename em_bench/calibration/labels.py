"""Responses that a person has labelled: what judges are calibrated against.

A file is JSONL, CSV or a JSON list of objects, with a response and a label in each row; or with the id of a stored
response and its label. The caller gives the names of its columns and what its labels mean in em-bench's
words, so no file has to be changed.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from em_bench.calibration.options import Columns, LabelMap
from em_bench.errors import ResultError
from em_bench.metrics.registry import Kind
from em_bench.readers import parse_json, read_text
from em_bench.runs.tables import PROMPT_KEYS, RESPONSE_KEYS, table_rows
from em_bench.types import DOMAINS, Sample


@dataclass(frozen=True, slots=True)
class Labelled:
    """A response with a person's label, in em-bench's words, and the subgroup it belongs to."""

    sample: Sample
    label: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """What a file holds. `left_out` counts rows by the file's own label; "" are rows without one."""

    rows: tuple[Labelled, ...]
    left_out: Mapping[str, int]


def read_labelled(path: Path, columns: Columns, labels: LabelMap, kind: Kind = Kind.HARMFUL) -> LabelledSet:
    """The labelled responses in a file. Raises `ResultError` (file, what is wrong, what to do)."""
    labelled, left_out = _labelled_rows(path, columns, labels)
    answers = (columns.response,) if columns.response else RESPONSE_KEYS
    questions = (columns.prompt,) if columns.prompt else PROMPT_KEYS
    rows = []
    for number, (where, row, label) in enumerate(labelled, 1):
        response = _first(row, answers, where, needed=True)
        prompt = _first(row, questions, where, needed=columns.prompt is not None)
        name = text_of(row, columns.id, where) if columns.id else str(number)
        sample = _sample(name, path.stem, prompt, response, row, kind)
        rows.append(Labelled(sample, label, text_of(row, columns.group, where) if columns.group else ""))
    return LabelledSet(tuple(rows), left_out)


def read_labels(path: Path, columns: Columns, labels: LabelMap) -> tuple[dict[str, tuple[str, str]], Mapping[str, int]]:
    """From the id of a stored response to its label and subgroup; and how many rows were left out, by label."""
    labelled, left_out = _labelled_rows(path, columns, labels)
    by_id: dict[str, tuple[str, str]] = {}
    for where, row, label in labelled:
        name = text_of(row, columns.id or "id", where)
        if name in by_id:
            raise ResultError(f"{where} labels {name!r} a second time; leave one of the two")
        by_id[name] = (label, text_of(row, columns.group, where) if columns.group else "")
    return by_id, left_out


def _labelled_rows(
    path: Path, columns: Columns, labels: LabelMap
) -> tuple[list[tuple[str, dict[str, Any], str]], Mapping[str, int]]:
    """Where each labelled row stands, the row, and its label in em-bench's words."""
    labelled: list[tuple[str, dict[str, Any], str]] = []
    left_out: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for where, row in rows_of(path):
        value = text_of(row, columns.label, where)
        if not value or value in labels.ignored:
            left_out[value] += 1
        elif labels.words and value not in labels.words:
            unknown[value] += 1
        else:
            labelled.append((where, row, labels.words.get(value, value)))
    if unknown:
        raise ResultError(f"{path}: {_counted(unknown)} not in --label-map; name them there or in --ignore-label")
    if not labelled:
        raise ResultError(f"{path} holds no labelled row{_because(left_out)}")
    return labelled, dict(left_out)


def rows_of(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a JSONL, CSV or JSON file, each with where it stands. Raises `ResultError`."""
    return _json_rows(path) if path.suffix.lower() == ".json" else table_rows(path)


def _json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    values = parse_json(read_text(path), str(path))
    if not isinstance(values, list):
        raise ResultError(f"{path} holds a JSON {type(values).__name__}; give a list of objects, JSONL or CSV")
    for number, value in enumerate(values, 1):
        if not isinstance(value, dict):
            raise ResultError(f"{path}, item {number}, is a JSON {type(value).__name__}, not an object")
        yield f"{path}, item {number}", value


def text_of(row: Mapping[str, Any], column: str, where: str) -> str:
    """A cell as text, "" where it is empty. Raises `ResultError` when there is no such column."""
    if column not in row:
        raise ResultError(f"{where} has no column {column!r}; it has {', '.join(map(str, row))}")
    value = row[column]
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)


def _first(row: Mapping[str, Any], keys: Sequence[str | None], where: str, *, needed: bool) -> str:
    """The first column that is there, as it is."""
    for key in keys:
        if isinstance(row.get(str(key)), str):
            return str(row[str(key)])
    if not needed:
        return ""
    raise ResultError(f"{where} has no text in {' or '.join(map(str, keys))}; it has {', '.join(map(str, row))}")


def _sample(name: str, task: str, prompt: str, response: str, row: Mapping[str, Any], kind: Kind) -> Sample:
    domain = str(row.get("domain") or "")
    system = row.get("system")
    return Sample(
        id=name,
        task=task,
        domain=domain if domain in DOMAINS else "",
        prompt=prompt,
        response=response,
        system=system if isinstance(system, str) and system else None,
        metadata={"kind": str(kind)},
    )


def _counted(labels: Counter[str]) -> str:
    named = ", ".join(f"{label!r} ({count})" for label, count in labels.most_common(12))
    more = f" and {len(labels) - 12} more" if len(labels) > 12 else ""
    return f"{'labels' if len(labels) > 1 else 'label'} {named}{more} {'are' if len(labels) > 1 else 'is'}"


def _because(left_out: Counter[str]) -> str:
    if not left_out:
        return ""
    return ": " + ", ".join(f"{count} {label or 'without a label'}" for label, count in left_out.most_common(12))
