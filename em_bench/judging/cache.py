"""The verdict cache: SQLite in WAL mode, so that two runs may use it at once.

Only scored verdicts are kept: a failure must get another chance. A cache that cannot be used means judging some
responses again, never a lost run, so every fault here is one warning and then no cache.
"""

import hashlib
import json
import logging
import sqlite3
import time
from pathlib import Path

from em_bench.judge import HasCacheContext, Judge
from em_bench.types import Sample, Verdict

log = logging.getLogger(__name__)

WAL_ATTEMPTS = 100
SCHEMA = "CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict TEXT NOT NULL) WITHOUT ROWID"


def verdict_key(judge: Judge, sample: Sample) -> str:
    """A hash of what a verdict depends on. A judge's `version` stands for its rubric, judge model and parameters."""
    parts = [judge.name, judge.version, sample.domain, sample.system, sample.prompt, sample.response]
    if isinstance(judge, HasCacheContext) and (context := judge.also_by(sample)):
        parts.append(context)
    # json escapes lone surrogates, which a plain encode() would refuse
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class VerdictCache:
    """`get` and `put` by `verdict_key`. Open one for each run; closing is optional."""

    def __init__(self, path: Path) -> None:
        self._connection: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # autocommit: a verdict that was paid for is on disk before the next request
            self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            _use_wal(self._connection)
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            self._give_up(path, error)
        self._path = path

    def get(self, key: str) -> Verdict | None:
        if self._connection is None:
            return None
        try:
            row = self._connection.execute("SELECT verdict FROM verdicts WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            self._give_up(self._path, error)
            return None
        try:
            return Verdict.from_dict(json.loads(row[0])) if row else None
        except (ValueError, TypeError):  # of another version, or damaged: the sample is judged again
            return None

    def put(self, key: str, verdict: Verdict) -> None:
        if self._connection is None or verdict.unscored is not None:
            return
        try:
            text = json.dumps(verdict.to_dict(), default=repr)
            self._connection.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", (key, text))
        except sqlite3.Error as error:
            self._give_up(self._path, error)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _give_up(self, path: Path, error: Exception) -> None:
        log.warning(
            "verdict cache %s cannot be used (%s); continuing without it. Set EM_BENCH_CACHE_DIR to move it.",
            path,
            error,
        )
        self.close()


def _use_wal(connection: sqlite3.Connection) -> None:
    """Two processes that open a new file at once: SQLite does not wait here, whatever `timeout` says."""
    for attempt in range(WAL_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or attempt == WAL_ATTEMPTS - 1:
                raise
            time.sleep(0.05)
        else:
            return
