"""Reads stored responses, whoever wrote them, as samples to be judged.

| what                       | how it is known                                                              |
| ---                        | ---                                                                          |
| a run, or a folder of runs | `results_*.json` with `samples_*.jsonl` beside it, as lm-eval writes them    |
| one task of a run          | its `samples_*.jsonl`, with the `results_*.json` beside it                   |
| a journal                  | JSONL whose rows have `id`, `task`, `prompt`, `response` and `metadata`      |
| any JSONL or CSV           | rows with `question` or `prompt`, and `answer` or `response`; optionally     |
|                            | `question_id` or `id`, `system`, `domain`, `task`, `kind`                    |

Rows are never skipped: one that cannot be read refuses its file, with the line and what to mend. Only the last line of
a journal may be half a line: its run was killed while it wrote.
"""

import csv
import hashlib
import io
import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from em_bench.errors import ResultError
from em_bench.metrics.registry import Kind
from em_bench.runs.read import RESULTS_NAME, file_name, find_runs, parse_json, read_text, samples_file
from em_bench.types import DOMAINS, Sample

log = logging.getLogger(__name__)

PROMPT_KEYS = ("question", "prompt")
RESPONSE_KEYS = ("answer", "response")
ID_KEYS = ("question_id", "id")
SAMPLES_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")


@dataclass(frozen=True, slots=True)
class StoredTask:
    """The responses to one task, as lm-eval's samples files hold them.

    `documents` is one line of such a file for each prompt or probe, without a judge's part; `judged` are the lines that
    judges have written already; `record` is what em-bench noted about the task. `own_systems`: the documents' system
    prompts were sent.
    """

    name: str
    kind: Kind
    domain: str
    documents: tuple[dict[str, Any], ...]
    judged: tuple[dict[str, Any], ...] = ()
    record: dict[str, Any] = field(default_factory=dict)
    own_systems: bool = True

    def samples(self) -> list[Sample]:
        """Every response, document by document."""
        return [
            Sample(
                id=f"{line['doc']['id']}#{repeat}",
                task=self.name,
                domain=self.domain,
                prompt=line["doc"]["prompt"],
                response=response,
                system=self._system(line["doc"]),
                metadata={"kind": str(self.kind), "document": line["doc"]["id"], "repeat": repeat},
            )
            for line in self.documents
            for repeat, response in enumerate(line["resps"][0])
        ]

    def _system(self, doc: Mapping[str, Any]) -> str | None:
        """The system prompt that was sent, joined as `JudgedTask` joins it: judges then see what they saw there."""
        condition = self.record.get("condition")
        parts = (
            self.record.get("system_instruction"),
            condition.get("system") if isinstance(condition, dict) else None,
            doc.get("system") if self.own_systems else None,
        )
        return "\n\n".join(str(part) for part in parts if part) or None


@dataclass(frozen=True, slots=True)
class Stored:
    """What one file or run holds. `results` is lm-eval's results file, empty for a table or a journal."""

    path: Path
    tasks: tuple[StoredTask, ...]
    results: Mapping[str, Any] = field(default_factory=dict)


def read_stored(path: Path, kind: Kind | None = None) -> list[Stored]:
    """The responses in a file, or in every run under a folder. `kind` is what prompts are where nothing else says."""
    if path.is_dir() or (path.is_file() and RESULTS_NAME.fullmatch(path.name)):
        return [_read_run(found) for found in find_runs(path)]
    if named := SAMPLES_NAME.fullmatch(path.name):
        results = path.with_name(f"results_{named['date']}.json")
        if not results.is_file():
            raise ResultError(f"{path} has no {results.name} beside it, which says what its task asks; put it there")
        return [_read_run(results, named["task"])]
    return [Stored(path, tuple(_read_table(path, kind)))]


def _read_run(path: Path, only: str | None = None) -> Stored:
    results = parse_json(read_text(path), str(path))
    tasks = []
    for name, config in dict(results.get("configs") or {}).items():
        record = (config.get("metadata") or {}).get("em_bench") if isinstance(config, dict) else None
        if isinstance(record, dict) and only in (None, name):
            own_systems = config.get("description") == "system" or "system_instruction" not in record
            tasks.append(_run_task(samples_file(path, name), name, record, own_systems))
    if not tasks:
        raise ResultError(f"{path} holds no task of em-bench")
    return Stored(path, tuple(tasks), results)


def _run_task(path: Path, name: str, record: dict[str, Any], own_systems: bool) -> StoredTask:
    documents: dict[str, dict[str, Any]] = {}
    judged = []
    for where, line in _jsonl_rows(path):
        try:
            bare = {
                key: value for key, value in line.items() if key not in ("filter", "filtered_resps", *line["metrics"])
            }
            texts = [line["doc"]["prompt"], *line["resps"][0]]
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("a prompt or a response is not text")
            documents.setdefault(line["doc"]["id"], bare | {"metrics": []})
            if line["filter"] != "none":  # --predict_only
                judged.append(line)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ResultError(f"{where} is not a samples line of em-bench ({type(error).__name__}: {error})") from error
    kind = _one_kind({str(record.get("kind") or "")}, name, str(record.get("domain") or ""), str(path))
    return StoredTask(
        name, kind, str(record.get("domain") or ""), tuple(documents.values()), tuple(judged), record, own_systems
    )


def _read_table(path: Path, kind: Kind | None) -> list[StoredTask]:
    """The tasks in a journal, a JSONL or a CSV file."""
    rows = list(table_rows(path))
    if not rows:
        raise ResultError(f"{path} holds no rows")
    tasks: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    domains = {str(row.get("domain") or "") for _, row in rows if not row.get("task")}
    for where, row in rows:
        # a task has one domain
        own = f"{path.stem}_{row['domain']}" if len(domains) > 1 and row.get("domain") else path.stem
        tasks.setdefault(file_name(str(row.get("task") or own), where), []).append((where, row))
    return [_table_task(name, members, kind) for name, members in tasks.items()]


def table_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a JSONL or CSV file, each with where it stands. Raises `ResultError`."""
    return _csv_rows(path) if path.suffix.lower() in (".csv", ".tsv") else _jsonl_rows(path)


def _jsonl_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # not splitlines(): a response may hold U+2028 and its like, which end no line of JSONL
    lines = read_text(path).removeprefix("\ufeff").split("\n")
    is_journal = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line, f"{path}:{number}")
        except ResultError:
            if number == len(lines) and is_journal:
                log.warning(
                    "em-bench: %s:%d is half a line, as its run was killed while it wrote; left out", path, number
                )
                return
            raise
        is_journal = isinstance(row.get("metadata"), dict) and "document" in row["metadata"]
        yield f"{path}:{number}", row


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    csv.field_size_limit(sys.maxsize)
    text = read_text(path).removeprefix("\ufeff").replace("\x00", "\ufffd")
    comments = re.match(r"(# [^\n]*\n)*", text)  # some published files have their version before the heading
    skipped = comments[0] if comments else ""
    text, before = text[len(skipped) :], skipped.count("\n")
    heading = text.partition("\n")[0]
    # the names of columns hold none of these: the one that is there separates them
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=heading.count), strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        if twice := sorted({name for name in names if name and names.count(name) > 1}):
            raise ResultError(f"{path}:{before + 1} has two columns {', '.join(twice)}; rename one")
        reader.fieldnames = names
        for row in reader:
            if None in row or None in row.values():
                raise ResultError(f"{path}:{before + reader.line_num} has not as many fields as the heading")
            yield f"{path}:{before + reader.line_num}", dict(row)
    except csv.Error as error:
        raise ResultError(f"{path}:{before + reader.reader.line_num} is not CSV: {error}") from error


def _table_task(name: str, members: Sequence[tuple[str, Mapping[str, Any]]], kind: Kind | None) -> StoredTask:
    documents: dict[tuple[str, str, str], dict[str, Any]] = {}
    seen: Counter[str] = Counter()
    kinds, domains = set(), set()
    for where, row in members:
        prompt, response = _needed(row, PROMPT_KEYS, where), _needed(row, RESPONSE_KEYS, where)
        noted = row["metadata"] if isinstance(row.get("metadata"), dict) else {}
        document = str(noted.get("document") or _first(row, ID_KEYS) or prompt)
        # one question may stand in several paraphrases, and be asked under several system prompts
        key = (document, prompt, str(row.get("system") or ""))
        if key not in documents:
            seen[document] += 1
            unique = document if seen[document] == 1 else f"{document} ({seen[document]})"
            documents[key] = _line(len(documents), unique, prompt, row.get("system"))
        documents[key]["resps"][0].append(response)
        kinds.add(str(row.get("kind") or noted.get("kind") or kind or ""))
        domains.add(str(row.get("domain") or ""))
    if unknown := domains - {"", *DOMAINS}:
        raise ResultError(f"{members[0][0]}: unknown domain {', '.join(unknown)}; known: {', '.join(DOMAINS)}")
    domain = domains.pop() if len(domains) == 1 else ""
    return StoredTask(name, _one_kind(kinds, name, domain, members[0][0]), domain, tuple(documents.values()))


def _line(number: int, document: str, prompt: str, system: object) -> dict[str, Any]:
    """A line as lm-eval's samples files have them, of a response that lm-eval did not generate."""
    doc = {"id": document, "prompt": prompt, "system": str(system) if system else None}
    hashes = {"doc_hash": json.dumps(doc), "prompt_hash": prompt, "target_hash": ""}
    return {"doc_id": number, "doc": doc, "target": "", "arguments": {}, "resps": [[]], "metrics": []} | {
        key: hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for key, text in hashes.items()
    }


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
