"""Where a task's documents come from: its YAML names one of three.

    prompts: prompts/x.jsonl      # JSONL beside the YAML, else in `em-bench tasks-path`
    published: xstest/safe        # a published set, or a part of one (see `em_bench.prompts.published.load`)
    questions: x.yaml             # a question file beside the YAML; `questions: true` takes the one of the settings

A published set that cannot be had does not stop the loading of others: the task that would ask it stands with
`missing`, so that a run can say everything that is missing at once, before anything is generated.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from em_bench.config import Settings
from em_bench.errors import ConfigError
from em_bench.paths import tasks_path
from em_bench.prompts.files import REQUIRED, load_prompts
from em_bench.prompts.published.catalogue import catalogue
from em_bench.prompts.published.load import load_published, notice
from em_bench.prompts.published.locate import SetMissingError, find_local
from em_bench.prompts.questions import probe_rows, read_questions

WAYS = ("prompts", "published", "questions")
# lm-eval needs a document to build a task; this one is never asked
PLACEHOLDER = {"id": "missing", "prompt": "missing", "system": None}


@dataclass(frozen=True, slots=True)
class Source:
    """A task's documents. `record` goes into the task's record, `missing` says why there are none."""

    rows: list[dict[str, Any]]
    place: str
    record: Mapping[str, Any] = field(default_factory=dict)
    rubric: Path | None = None
    missing: str | None = None


def load_source(config: Mapping[str, Any], settings: Settings, unreachable: set[str] | None = None) -> Source:
    """What the task's YAML names. `unreachable`: hosts that need not be tried again.

    Raises `ConfigError` (file, what is wrong, what to do).
    """
    task = str(config.get("task"))
    named = [way for way in WAYS if config.get(way)]
    if len(named) != 1:
        raise ConfigError(f"task {task} needs `prompts:`, the path of a JSONL file (or `published:`, or `questions:`)")
    value, beside = config[named[0]], Path(str((config.get("metadata") or {}).get("config_source"))).parent
    if named[0] == "questions":
        return _questions(task, value, beside, settings)
    if not isinstance(value, str):
        raise ConfigError(f"task {task} has `{named[0]}: {value!r}`; give a text")
    if named[0] == "published":
        return _published(value, settings, unreachable)
    return _prompts(value, beside, described=config.get("description") == "system")


def notices(task: str, record: Mapping[str, Any], *, asks_llm: bool) -> list[str]:
    """What a user should know of a task's documents before they are asked, a line each."""
    lines = [line] if (line := notice(task, record)) else []
    if record.get("rows_expected") not in (None, record.get("rows_in_file")):
        rows, expected = record["rows_in_file"], record["rows_expected"]
        lines.append(f"{task}: {record['file']} has {rows} prompts, but the published set {expected}")
    if asks_llm and (bare := record.get("without_judge_prompts")):
        lines.append(
            f"{task}: {bare} questions of {record['file']} have no `judge_prompts`; the built-in rubrics judge the task"
        )
    return lines


def rubric_of(source: Mapping[str, Any], settings: Settings) -> Path | None:
    """The question file that stored responses answer, where it is available with the sha256 that `source`, recorded
    with them, names and all its questions have judge prompts. Nothing is fetched.
    """
    if source.get("without_judge_prompts") != 0:
        return None
    places = [settings.questions] if settings.questions else []
    if source.get("set") in catalogue():
        copy = find_local(catalogue()[source["set"]], settings.published_dir, settings.cache_dir)
        places += [copy.path] if copy else []
    for path in places:
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == source.get("sha256"):
            return path
    return None


def _prompts(value: str, beside: Path, *, described: bool) -> Source:
    shipped = tasks_path() / value
    path = shipped if shipped.is_file() and not (beside / value).is_file() else beside / value
    # lm-eval sends the word itself where a description names a field that a prompt does not have
    return Source(load_prompts(path, [*REQUIRED, *(["system"] if described else [])]), f"prompt file {path}")


def _published(value: str, settings: Settings, unreachable: set[str] | None) -> Source:
    try:
        loaded = load_published(value, settings.published_dir, settings.cache_dir, unreachable)
    except SetMissingError as error:
        return Source([dict(PLACEHOLDER)], value, missing=error.what)
    return Source(loaded.rows, f"published set {value}", loaded.record, loaded.rubric)


def _questions(task: str, value: object, beside: Path, settings: Settings) -> Source:
    path = beside / value if isinstance(value, str) else settings.questions
    if path is None:
        raise ConfigError(
            f'task {task} asks the questions of a file; name it with --metadata \'{{"questions": "file.yaml"}}\', '
            "EM_BENCH_QUESTIONS or `em-bench run --questions file.yaml`"
        )
    questions = read_questions(path)
    bare = sum(not question.judge_prompts for question in questions)
    record = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "questions": len(questions),
        "without_judge_prompts": bare,
    }
    return Source(probe_rows(questions), f"question file {path}", record, None if bare else path)
