"""Runs as the leaderboard takes them: a measured result with its samples, if those are beside it."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from em_bench.compare.comparison import compare
from em_bench.errors import ConfigError, ResultError
from em_bench.readers import read_object
from em_bench.runs.model import Run
from em_bench.runs.read import find_runs, read_run
from em_bench.runs.result import RunResult, from_run, read_run_result

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a run measured; `run` holds its samples, and is None where only the result is available."""

    result: RunResult
    run: Run | None


def load(paths: Iterable[Path]) -> list[Loaded]:
    """The runs at the paths: folders or results files of lm-eval, or `RunResult`s. Raises `ResultError`."""
    return [loaded for path in paths for loaded in _load(path)]


def load_one(path: Path) -> Loaded:
    """Raises `ConfigError` when the path holds several runs."""
    loaded = _load(path)
    if len(loaded) > 1:
        raise ConfigError(f"{path} holds {len(loaded)} runs; give one of them")
    return loaded[0]


def _load(path: Path) -> list[Loaded]:
    if path.is_file() and "rates" in read_object(path):
        beside = path.with_name(path.name.removeprefix("run_"))
        return [Loaded(read_run_result(path), read_run(beside) if beside != path and beside.is_file() else None)]
    if not path.exists():
        raise ResultError(f"{path} does not exist; give a folder that lm_eval --output_path wrote to")
    runs = [read_run(results) for results in find_runs(path)]
    return [Loaded(from_run(run), run) for run in runs]


def compared(baseline: Run | None, candidate: Run | None) -> dict[str, Any] | None:
    """Their comparison prompt by prompt, if both have samples and are comparable; else a warning says why not."""
    if baseline is None or candidate is None:
        return None
    try:
        return compare(baseline, candidate).to_dict()
    except ResultError as error:
        log.warning("not compared prompt by prompt: %s", error)
        return None
