"""The store: `<results>/<owner>__<model>/<run id>.json`, one RunResult each, sorted and indented so that a pull request
that adds one can be read.

Beside a run may lie `<run id>.samples.jsonl` (its responses, only when asked for) and `<run id>.comparison.json` (the
paired comparison against its baseline, made while both runs' samples were available).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from em_bench.errors import ResultError
from em_bench.readers import read_object
from em_bench.runs.model import Run
from em_bench.runs.result import RunResult, content_id, from_dict, to_dict
from em_bench_leaderboard.published import published_comparison, write_samples
from em_bench_leaderboard.secret_texts import find_secret

RUN_ID = re.compile(r"[0-9a-f]{16}")
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
SAMPLES, COMPARISON = ".samples.jsonl", ".comparison.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A published run and the files beside it, where there are any."""

    result: RunResult
    path: Path
    comparison: Mapping[str, Any] | None = None

    @property
    def samples(self) -> Path | None:
        path = self.path.with_suffix(SAMPLES)
        return path if path.is_file() else None


def read_store(folder: Path) -> list[Entry]:
    """All published runs, in the order of their paths. Raises `ResultError` naming the file that is not one."""
    if not folder.is_dir():
        raise ResultError(f"{folder} is not a folder; `em-bench leaderboard add RUN` makes it")
    paths = sorted(path for path in folder.glob("*/*.json") if not path.name.endswith(COMPARISON))
    entries = [_read_entry(path) for path in paths]
    path_by_id: dict[str, Path] = {}
    for entry in entries:
        if entry.result.id in path_by_id:
            raise ResultError(f"{entry.path} and {path_by_id[entry.result.id]} hold the same run; take one out")
        path_by_id[entry.result.id] = entry.path
    return entries


def _read_entry(path: Path) -> Entry:
    values = read_object(path)
    result = from_dict(values, str(path))
    if not RUN_ID.fullmatch(result.id) or path.stem != result.id:
        raise ResultError(f"{path} is not named after its run id {result.id[:40]!r}; add it with `leaderboard add`")
    beside = path.with_suffix(COMPARISON)
    return Entry(result, path, read_object(beside) if beside.is_file() else None)


def add(
    folder: Path,
    result: RunResult,
    *,
    run: Run | None = None,
    publish_samples: bool = False,
    comparison: Mapping[str, Any] | None = None,
) -> Path:
    """Publishes one run; its file. Raises `ResultError` for a duplicate, a secret, a baseline that is not there."""
    comparison = None if comparison is None else published_comparison(comparison)
    _check(folder, result, comparison)
    if publish_samples and run is None:
        raise ResultError(f"the samples of {result.checkpoint.name} are not available; give lm-eval's results folder")
    target = folder / folder_name(result.checkpoint.name) / f"{result.id}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    if publish_samples and run is not None:
        write_samples(run, target.with_suffix(SAMPLES))
    if comparison is not None:
        target.with_suffix(COMPARISON).write_text(canonical(comparison), encoding="utf-8", newline="\n")
    target.write_text(canonical(to_dict(result)), encoding="utf-8", newline="\n")
    return target


def _check(folder: Path, result: RunResult, comparison: Mapping[str, Any] | None) -> None:
    name = result.checkpoint.name
    if not NAME.fullmatch(name):
        raise ResultError(f"{name[:80]!r} is not a name like owner/model; give one with --name")
    if result.id != content_id(result):
        raise ResultError(
            f"{name}: its id {result.id[:40]!r} is not that of its content; was the file changed by hand?"
        )
    if secret := find_secret([to_dict(result), comparison]):
        raise ResultError(f"{name}: `{secret[0]}` holds what looks like {secret[1]}; nothing was added")
    published = {path.stem: path for path in folder.glob("*/*.json")}
    if result.id in published:
        raise ResultError(f"{name}: this run is already published ({published[result.id]})")
    if result.baseline is not None and result.baseline not in published:
        raise ResultError(f"baseline {result.baseline[:80]!r} is not in {folder}; add that run first")


def annotate(result: RunResult, **changes: Any) -> RunResult:
    """The result with its submitter's annotations; None changes nothing, and `name` renames the checkpoint."""
    own = {key: value for key, value in changes.items() if value is not None}
    if name := own.pop("name", None):
        renamed = replace(result, checkpoint=replace(result.checkpoint, name=name))
        result = replace(renamed, id=content_id(renamed))
    return replace(result, **own)


def published_id(folder: Path, result: RunResult) -> str:
    """The id under which a run is in the store, as it may have been renamed there. Raises `ResultError`."""
    for entry in read_store(folder):
        if content_id(replace(entry.result, checkpoint=result.checkpoint)) == content_id(result):
            return entry.result.id
    raise ResultError(f"the baseline {result.checkpoint.name} is not in {folder}; add that run first")


def canonical(value: Any) -> str:
    """JSON with one form only: sorted keys, two spaces, a line feed at the end."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def folder_name(checkpoint: str) -> str:
    """`owner__model`. Nothing in a name can lead out of the folder: what is no letter, digit, `.`, `_`, `-` is `-`."""
    owner, _, model = checkpoint.rpartition("/")
    return f"{_safe(owner) or 'local'}__{_safe(model) or 'unnamed'}"


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:96]
