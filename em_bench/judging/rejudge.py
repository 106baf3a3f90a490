"""Judges stored responses of any number of runs, tables and journals in one session, and writes what the judges say.

One session, so that a judge model is loaded once and equal responses are asked about once.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from em_bench.config import Settings
from em_bench.errors import ResultError
from em_bench.judging.selection import JudgePool
from em_bench.judging.session import Session
from em_bench.judging.stored import judged_tasks, write_run
from em_bench.runs.read import Run, read_run
from em_bench.runs.result import from_run, run_result_path, write_run_result
from em_bench.runs.stored_responses import Stored


def judge_stored(
    stored: Sequence[Stored], settings: Settings, folder: Path | None = None, pool: JudgePool | None = None
) -> list[Run]:
    """The runs as they were written, beside what was read or in `folder`, each with its `RunResult`.

    Raises `ConfigError` where no judge reads the responses, `PrerequisiteError` where a judge cannot work, and
    `ResultError` where the verdicts cannot be written.
    """
    pool = pool or JudgePool()
    tasks = [judged_tasks(each, settings, pool) for each in stored]
    session = Session([task for members in tasks for task in members], settings)
    session.check_ready(pool)
    session.judge()
    try:
        runs = [read_run(write_run(each, members, folder)) for each, members in zip(stored, tasks, strict=True)]
        for run in runs:
            write_run_result(from_run(run), run_result_path(run.path))
    except OSError as error:  # a full disk, say
        raise ResultError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}; judge again with another "
            "--output: what is in the verdict cache is not asked again"
        ) from error
    return runs


def forecast_stored(stored: Sequence[Stored], settings: Settings) -> dict[str, Any]:
    """What judging would cost, by judge version; nothing is asked and no key is needed."""
    pool = JudgePool()
    return Session([task for each in stored for task in judged_tasks(each, settings, pool)], settings).forecast()
