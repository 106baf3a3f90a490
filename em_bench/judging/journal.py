"""The journal: every response of a run, on disk before the first judge starts.

lm-eval writes its results and samples at the very end, so whatever stops a run while it judges would lose the
responses. One append-only JSONL file for each evaluation, one response a line, in the order of generation.
"""

import json
import logging
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from em_bench.types import Sample

log = logging.getLogger(__name__)


def write_journal(folder: Path, samples: Iterable[Sample]) -> Path | None:
    """Writes samples to a new file in `folder` and returns its path once they are on the disk.

    Where the folder cannot be written, the file goes to the system's folder for temporary files, with a warning; None
    where that fails too. A journal that fails must not end the run that it protects.
    """
    text = "".join(json.dumps(asdict(sample)) + "\n" for sample in samples)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write(folder, text)
    except OSError as error:
        try:
            path = _write(Path(tempfile.mkdtemp(prefix="em-bench-")), text)
        except OSError:
            log.warning(
                "em-bench: journal folder %s cannot be written (%s), nor can temporary files: responses are not "
                "kept until lm-eval writes them. Set EM_BENCH_CACHE_DIR to a folder that can.",
                folder,
                error,
            )
            return None
        log.warning("em-bench: journal folder %s cannot be written (%s); responses are kept in %s", folder, error, path)
        return path


def _write(folder: Path, text: str) -> Path:
    handle, name = tempfile.mkstemp(prefix=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-", suffix=".jsonl", dir=folder)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
