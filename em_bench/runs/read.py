"""Reads what lm-eval wrote: `results_*.json` and the `samples_*.jsonl` beside it are a run.

Nothing else is the store. Of lm-eval's configuration only an allow-list is taken over (see
`em_bench.runs.provenance`), as it holds `--model_args` whole, keys included.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from em_bench.errors import ResultError
from em_bench.metrics.registry import Kind
from em_bench.runs.provenance import Origin, checkpoint_name, read_origin
from em_bench.types import Verdict

# `results_<date>.json`, or `<name>_<date>.json` where --output_path names a file
RESULTS_NAME = re.compile(r"results_[^_]+\.json|(?!run_result_).+_\d{4}-\d\d-\d\dT[\d.-]+\.json")


@dataclass(frozen=True, slots=True)
class JudgedResponse:
    """One response with each judge's verdict. `document` is the prompt's or probe's id, `doc` all that it holds."""

    document: str
    repeat: int
    prompt: str
    response: str
    verdicts: Mapping[str, Verdict]
    doc: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One task of a run. `record` is what em-bench noted about it (see `JudgedTask.dump_config`).

    `version` is the task YAML's; `generation` are its generation_kwargs and `repeats`.
    """

    name: str
    kind: Kind
    domain: str
    record: Mapping[str, Any]
    responses: tuple[JudgedResponse, ...]
    version: str = ""
    generation: Mapping[str, Any] = field(default_factory=dict)

    @property
    def judges(self) -> list[str]:
        return list(self.record.get("judges", {}))


@dataclass(frozen=True, slots=True)
class Run:
    """What one lm-eval call wrote for one checkpoint."""

    path: Path
    checkpoint: str
    tasks: Mapping[str, TaskRun]
    origin: Origin = field(default_factory=Origin)


def find_runs(path: Path) -> list[Path]:
    """The newest results file in each folder under `path`, or the one that `path` is. `ResultError` if none is."""
    if path.is_file():
        return [path]
    if not path.exists():
        raise ResultError(f"{path} is not there; give the folder that lm_eval --output_path wrote to")
    found = sorted((file for file in path.rglob("*.json") if RESULTS_NAME.fullmatch(file.name)), key=_written)
    if not found:
        raise ResultError(f"{path} holds no results_*.json; give the folder that lm_eval --output_path wrote to")
    return list({file.parent: file for file in found}.values())


def _written(path: Path) -> str:
    return path.stem.rpartition("_")[2]


def read_run(path: Path) -> Run:
    """The run whose results file is `path`. Raises `ResultError` (file, what is wrong, what to do)."""
    results = parse_json(read_text(path), str(path))
    configs = results.get("configs")
    if not isinstance(configs, dict):
        raise ResultError(f"{path} is not a results file of lm-eval: it has no `configs`")
    tasks = {name: _read_task(path, name, config) for name, config in configs.items() if _is_ours(config)}
    if not tasks:
        raise ResultError(f"{path} holds no task of em-bench; run one of `lm_eval ls tasks` that starts with em_")
    origin = read_origin(results)
    return Run(path, checkpoint_name(origin), tasks, origin)


def read_text(path: Path) -> str:
    """A file's text. Raises `ResultError` when it cannot be read or is not UTF-8."""
    try:
        return path.read_bytes().decode()  # read_text() would turn \r\n inside a CSV's answer into \n
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ResultError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error


def samples_file(results: Path, task: str) -> Path:
    """The samples file beside a results file. Raises `ResultError` when it is missing."""
    path = results.with_name(f"samples_{file_name(task, str(results))}_{_written(results)}.jsonl")
    if not path.is_file():
        raise ResultError(f"{path} is missing; run lm_eval with --log_samples")
    return path


def file_name(task: str, where: str) -> str:
    """A task's name becomes part of a file's. Raises `ResultError` for one that would lead out of the folder."""
    if not re.fullmatch(r"[^/\\\x00-\x1f]{1,200}", task):
        raise ResultError(f"{where}: task {task[:80]!r} has a name that no file can have; rename it")
    return task


def _is_ours(config: object) -> bool:
    metadata = config.get("metadata") if isinstance(config, dict) else None
    return isinstance(metadata, dict) and "em_bench" in metadata


def _read_task(results: Path, name: str, config: Mapping[str, Any]) -> TaskRun:
    metadata = config["metadata"]
    record = metadata["em_bench"]
    try:
        kind, domain, judges = Kind(record["kind"]), str(record["domain"]), dict(record.get("judges", {}))
        given = {judge: judged.get("samples") for judge, judged in judges.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ResultError(
            f"{results}: task {name} was written by another version of em-bench ({error}); run it again"
        ) from error
    path = samples_file(results, name)
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    # not splitlines(): a response may hold U+2028 and its like, which end no line of JSONL
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line:
            _add_row(rows, parse_json(line, f"{path}:{number}"), f"{path}:{number}")
    for judge, wanted in given.items():
        found = sum(judge in row["verdicts"] for row in rows.values())
        if wanted is not None and found != wanted:
            raise ResultError(f"{path} has {found} verdicts of {judge!r}, but {wanted} were given; lines are missing")
    asked = config.get("generation_kwargs")
    generation = dict(asked if isinstance(asked, dict) else {}) | {"repeats": config.get("repeats")}
    responses = tuple(JudgedResponse(**row) for row in rows.values())
    return TaskRun(name, kind, domain, record, responses, str(metadata.get("version", "")), generation)


def _add_row(rows: dict[tuple[str, int], dict[str, Any]], sample: Mapping[str, Any], where: str) -> None:
    """lm-eval writes a line for each document and filter: the lines of one document are put together again."""
    try:
        document, judge = sample["doc"]["id"], sample["filter"]
        if not all(isinstance(text, str) for text in (document, judge, sample["doc"]["prompt"], *sample["resps"][0])):
            raise TypeError("an id, a judge, a prompt or a response is not text")
        for repeat, (response, verdict) in enumerate(zip(sample["resps"][0], sample["filtered_resps"][0], strict=True)):
            row = rows.setdefault(
                (document, repeat),
                {
                    "document": document,
                    "repeat": repeat,
                    "prompt": sample["doc"]["prompt"],
                    "response": response,
                    "verdicts": {},
                    "doc": sample["doc"],
                },
            )
            if judge in row["verdicts"]:
                raise ResultError(f"{where} judges {document!r} by {judge!r} a second time; the file holds two runs")
            if judge != "none":  # --predict_only
                row["verdicts"][judge] = Verdict.from_dict(json.loads(verdict))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ResultError(f"{where} is not a samples line of em-bench ({type(error).__name__}: {error})") from error


def parse_json(text: str, where: str) -> dict[str, Any]:
    """A JSON object. Raises `ResultError` naming `where` it stands."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ResultError(f"{where} is not whole JSON ({error.msg}); was the run cut off?") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        raise ResultError(f"{where} holds JSON that is not readable: {str(error)[:100]}") from error
    if not isinstance(value, dict):
        raise ResultError(f"{where} holds a JSON {type(value).__name__}, not an object")
    return value
