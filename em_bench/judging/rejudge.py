"""Judges the responses of any number of runs, tables and journals in one session, and writes the judged runs.

One session, so that a judge model is loaded once and is sent equal responses once.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from em_bench.config import Settings
from em_bench.errors import ResultError
from em_bench.judging.selection import JudgePool
from em_bench.judging.session import Session
from em_bench.judging.stored import judged_tasks, write_run
from em_bench.runs.model import Run
from em_bench.runs.result import from_run, run_result_path, write_run_result


def judge_stored(
    runs: Sequence[Run], settings: Settings, folder: Path | None = None, pool: JudgePool | None = None
) -> list[Run]:
    """The judged runs, written beside what was read or in `folder`, each with its `RunResult`.

    Raises `ConfigError` where no judge reads the responses, `PrerequisiteError` where a judge cannot work, and
    `ResultError` where the verdicts cannot be written.
    """
    pool = pool or JudgePool()
    tasks = [judged_tasks(run, settings, pool) for run in runs]
    session = Session([task for members in tasks for task in members], settings)
    session.check_ready(pool)
    session.judge()
    try:
        judged = [write_run(run, members, folder) for run, members in zip(runs, tasks, strict=True)]
        for run in judged:
            write_run_result(from_run(run), run_result_path(run.path))
    except OSError as error:  # a full disk, say
        raise ResultError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}; judge again with another "
            "--output: verdicts in the cache cost nothing again"
        ) from error
    return judged


def forecast_stored(runs: Sequence[Run], settings: Settings) -> dict[str, Any]:
    """What judging would cost, by judge version; no request is sent and no key is needed."""
    pool = JudgePool()
    return Session([task for run in runs for task in judged_tasks(run, settings, pool)], settings).forecast()
