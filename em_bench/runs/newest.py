"""Which of several results files in a folder is the newest.

A file's own `date`, or the time at which em-bench judged it, decides: it is in UTC. The time in a file's name is local
to the machine that wrote it, so it decides only where the files have no date or the same one. Where the name, or the
time of the last change on disk, says something else, a warning names both files: a clock may have been wrong.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from em_bench.errors import ResultError
from em_bench.readers import read_object

log = logging.getLogger(__name__)

JUDGED = "em_bench_judged"
"""The key of the time at which em-bench wrote the verdicts, in seconds since 1970."""
SLACK = 60.0
"""Seconds by which files' times may differ without a word: copies are written in any order."""
STEP = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a results file was written: by its content (else by its name), by its name, and on disk."""

    path: Path
    date: float
    named: float
    changed: float


@dataclass(frozen=True, slots=True)
class WriteTime:
    """When a file is written that has to be the newest of its folder: `name` for the file's name, `date` within it."""

    name: str
    date: float


def name_date(path: Path) -> str:
    """The time in a results file's name, as it stands there."""
    return path.stem.rpartition("_")[2]


def newest(files: Sequence[Path]) -> Path:
    """The newest of the results files of one folder; warns where their times disagree."""
    if len(files) == 1:
        return files[0]
    stamps = sorted((_stamp(path) for path in files), key=lambda stamp: (stamp.date, stamp.named, stamp.path.name))
    last = stamps[-1]
    if doubt := _doubt(last, stamps[:-1]):
        log.warning("em-bench: %s is read as the newest run of its folder, but %s; name the file to be read", *doubt)
    return last.path


def write_time(folder: Path, pattern: str = "results_*.json") -> WriteTime:
    """Now, but later than every results file in the folder, whatever its clock and its time zone were."""
    stamps = [_stamp(path) for path in folder.glob(pattern)]
    now, local = time.time(), datetime.now()
    date = max([now, *(stamp.date + STEP.total_seconds() for stamp in stamps)])
    names = [named + STEP for stamp in stamps if (named := _parsed(name_date(stamp.path))) is not None]
    return WriteTime(max([local, *names]).isoformat(timespec="microseconds").replace(":", "-"), date)


def _doubt(last: Stamp, others: Sequence[Stamp]) -> tuple[Path, str] | None:
    """What speaks against the newest, if anything does."""
    by_name = max(others, key=lambda stamp: stamp.named)
    on_disk = max(others, key=lambda stamp: stamp.changed)
    if last.date > time.time() + SLACK:
        return last.path, "it is dated in the future"
    if by_name.named > last.named + SLACK:
        return last.path, f"by its name {by_name.path.name} is newer"
    if on_disk.changed > last.changed + SLACK:
        return last.path, f"{on_disk.path.name} was changed after it"
    if (by_name.date, by_name.named) == (last.date, last.named):
        return last.path, f"{by_name.path.name} has the same date"
    return None


def _stamp(path: Path) -> Stamp:
    parsed = _parsed(name_date(path))
    named = parsed.timestamp() if parsed else 0.0
    dates = [date for date in _dates(path) if date is not None]
    try:
        changed = path.stat().st_mtime
    except OSError:
        changed = 0.0
    return Stamp(path, max(dates, default=named), named, changed)


def _dates(path: Path) -> list[float | None]:
    """The dates in a results file; one that cannot be read has none, and is refused when it is read."""
    try:
        results = read_object(path)
    except ResultError:
        return []
    return [_number(results.get(key)) for key in ("date", JUDGED)]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _parsed(name: str) -> datetime | None:
    """The time in a name: `2026-01-31T10-20-30.123456`, or a day alone."""
    day, _, clock = name.partition("T")
    try:
        return datetime.fromisoformat(f"{day}T{clock.replace('-', ':')}" if clock else day).replace(tzinfo=None)
    except ValueError:
        return None
