"""Reads responses to be judged as runs: what lm-eval stored, and tables and journals.

| what                       | how it is recognised                                                         |
| ---                        | ---                                                                          |
| a run, or a folder of runs | `results_*.json` with `samples_*.jsonl` beside it, as lm-eval writes them    |
| one task of a run          | its `samples_*.jsonl`, with the `results_*.json` beside it                   |
| a journal                  | JSONL whose rows have `id`, `task`, `prompt`, `response` and `metadata`      |
| any JSONL or CSV           | rows with `question` or `prompt`, and `answer` or `response`; optionally     |
|                            | `question_id` or `id`, `system`, `domain`, `task`, `kind`                    |

The rows of a table without `task` are those of task `responses`, whatever the file's name, so that the tables of two
checkpoints pair by their questions; the checkpoint is called what the file is.

Rows are never skipped: one that cannot be read refuses its file, with the line and what to fix. Only the last line of
a journal may be half a line: its run was killed while it wrote.
"""

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from em_bench.errors import ResultError
from em_bench.metrics.registry import Kind
from em_bench.readers import csv_rows, numbered_lines, parse_object, read_text
from em_bench.runs.duplicates import without_copies
from em_bench.runs.model import Run, TaskFiles, TaskRun
from em_bench.runs.provenance import Checkpoint
from em_bench.runs.read import (
    NO_FILTER,
    collect_samples,
    file_name,
    find_runs,
    is_run,
    read_run,
)
from em_bench.types import DOMAINS

log = logging.getLogger(__name__)

PROMPT_KEYS = ("question", "prompt")
RESPONSE_KEYS = ("answer", "response")
ID_KEYS = ("question_id", "id")
TABLE = "responses"
"""The task of a table's rows that name none."""
SAMPLES_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")


def read_stored(path: Path, kind: Kind | None = None) -> list[Run]:
    """The responses in a file, or in every run under a folder. `kind` is what prompts are where nothing else says."""
    if is_run(path) and path.exists():
        return [read_run(each) for each in find_runs(path)]
    if named := SAMPLES_NAME.fullmatch(path.name):
        results = path.with_name(f"results_{named['date']}.json")
        if not results.is_file():
            raise ResultError(f"{path} has no {results.name} beside it, which says what its task asks; put it there")
        return [read_run(results, named["task"])]
    tasks = {task.name: task for task in _read_table(path, kind)}
    return [Run(path, Checkpoint(path.stem, None, None, None), tasks)]


def _read_table(path: Path, kind: Kind | None) -> list[TaskRun]:
    """The tasks in a journal, a JSONL or a CSV file."""
    rows = without_copies(list(table_rows(path)), path, (*ID_KEYS, *PROMPT_KEYS))
    if not rows:
        raise ResultError(f"{path} holds no rows")
    table = f"{TABLE}_benign" if path.stem.endswith("_benign") else TABLE
    tasks: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    domains = {str(row.get("domain") or "") for _, row in rows if not row.get("task")}
    for where, row in rows:
        # a task has one domain
        own = f"{TABLE}_{row['domain']}" if len(domains) > 1 and row.get("domain") else table
        tasks.setdefault(file_name(str(row.get("task") or own), where), []).append((where, row))
    return [_table_task(name, members, kind) for name, members in tasks.items()]


def table_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a JSONL or CSV file, each with where it stands. Raises `ResultError`."""
    if path.suffix.lower() in (".csv", ".tsv"):
        return csv_rows(read_text(path), str(path))
    return _jsonl_rows(path)


def _jsonl_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    text = read_text(path)
    last, is_journal = text.count("\n") + 1, False
    for number, line in numbered_lines(text):
        try:
            row = parse_object(line, f"{path}:{number}")
        except ResultError:
            if number == last and is_journal:
                log.warning(
                    "em-bench: %s:%d is half a line, as its run was killed while it wrote; left out", path, number
                )
                return
            raise
        is_journal = isinstance(row.get("metadata"), dict) and "document" in row["metadata"]
        yield f"{path}:{number}", row


def _table_task(name: str, members: Sequence[tuple[str, Mapping[str, Any]]], kind: Kind | None) -> TaskRun:
    documents: dict[tuple[str, str, str], dict[str, Any]] = {}
    seen: Counter[str] = Counter()
    kinds, domains = set(), set()
    id_keys = _id_keys([row for _, row in members])
    for where, row in _without_two_responses(members):
        prompt, response = _needed(row, PROMPT_KEYS, where), _needed(row, RESPONSE_KEYS, where)
        metadata = row["metadata"] if isinstance(row.get("metadata"), dict) else {}
        document = str(metadata.get("document") or _first(row, id_keys) or prompt)
        # one question may stand in several paraphrases, and be asked under several system prompts
        key = (document, prompt, str(row.get("system") or ""))
        if key not in documents:
            seen[document] += 1
            unique = document if seen[document] == 1 else f"{document} ({seen[document]})"
            documents[key] = _line(len(documents), unique, prompt, row.get("system"))
        documents[key]["resps"][0].append(response)
        documents[key]["filtered_resps"][0].append(response)
        kinds.add(str(row.get("kind") or metadata.get("kind") or kind or ""))
        domains.add(str(row.get("domain") or ""))
    if unknown := domains - {"", *DOMAINS}:
        raise ResultError(f"{members[0][0]}: unknown domain {', '.join(unknown)}; known: {', '.join(DOMAINS)}")
    domain = domains.pop() if len(domains) == 1 else ""
    lines = tuple(documents.values())
    return TaskRun(
        name=name,
        kind=_one_kind(kinds, name, domain, members[0][0]),
        domain=domain,
        samples=collect_samples((members[0][0], line) for line in lines),
        files=TaskFiles(lines=lines),
    )


def _id_keys(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The columns that may name a question; an `id` of the row's own, where questions come several times, does not."""
    ids = [row.get("id") for row in rows]
    prompts = {_first(row, PROMPT_KEYS) for row in rows}
    are_the_rows_own = None not in ids and len(set(map(str, ids))) == len(ids) > len(prompts)
    return tuple(key for key in ID_KEYS if key != "id" or not are_the_rows_own)


def _without_two_responses(
    members: Sequence[tuple[str, Mapping[str, Any]]],
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows; a journal has one response of each id. Raises `ResultError` for a second one."""
    places: dict[str, str] = {}
    for where, row in members:
        is_journal = isinstance(row.get("metadata"), dict) and "document" in row["metadata"]
        if is_journal and places.setdefault(str(row.get("id")), where) != where:
            raise ResultError(
                f"{where} and {places[str(row.get('id'))]} are two responses of {row.get('id')}; were two journals "
                "joined? give them one by one"
            )
        yield where, row


def _line(number: int, document: str, prompt: str, system: object) -> dict[str, Any]:
    """A line as lm-eval's samples files have them, of a response that lm-eval did not generate."""
    doc = {"id": document, "prompt": prompt, "system": str(system) if system else None}
    hashes = {"doc_hash": json.dumps(doc), "prompt_hash": prompt, "target_hash": ""}
    line = {"doc_id": number, "doc": doc, "target": "", "arguments": {}, "resps": [[]], "metrics": []}
    line |= {key: hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for key, text in hashes.items()}
    return line | {"filter": NO_FILTER, "filtered_resps": [[]]}


def _needed(row: Mapping[str, Any], keys: Sequence[str], where: str) -> str:
    value = _first(row, keys)
    if value is None:
        raise ResultError(f"{where} has none of the fields {', '.join(keys)}; it has {', '.join(map(str, row))}")
    return value


def _first(row: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    return next((str(row[key]) for key in keys if isinstance(row.get(key), str | int)), None)


def _one_kind(kinds: set[str], task: str, domain: str, where: str) -> Kind:
    """What the rows say; else what the task's name or domain implies; else open probes."""
    if len(kinds) > 1:
        raise ResultError(f"{where}: the rows of task {task!r} are of several kinds ({', '.join(sorted(kinds))})")
    (kind,) = kinds
    if not kind:
        kind = Kind.BENIGN if task.endswith("_benign") else Kind.HARMFUL if domain else Kind.PROBE
    try:
        return Kind(kind)
    except ValueError:
        raise ResultError(f"{where}: task {task!r} is of the unknown kind {kind!r}; known: {', '.join(Kind)}") from None
