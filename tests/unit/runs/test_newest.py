"""Which of a folder's results is read, when clocks, time zones and copies disagree."""

import json
import logging
import os
import time
from pathlib import Path

import pytest

from em_bench.runs.newest import JUDGED, write_time
from em_bench.runs.read import find_runs

EARLY, LATE = 1_760_000_000.0, 1_760_100_000.0


def results(folder: Path, name: str, changed: float = EARLY, **values: object) -> Path:
    path = folder / f"results_{name}.json"
    path.write_text(json.dumps(values))
    os.utime(path, (changed, changed))
    return path


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


def test_the_date_in_the_file_decides_whatever_time_zone_its_name_is_in(tmp_path, warnings):
    results(tmp_path, "2026-01-01T23-00-00.0", EARLY, date=EARLY)
    last = results(tmp_path, "2026-01-01T11-00-00.0", LATE, date=LATE)
    assert find_runs(tmp_path) == [last]
    (warning,) = warnings()
    assert "by its name results_2026-01-01T23-00-00.0.json is newer" in warning
    assert "name the file" in warning


def test_what_was_judged_later_is_newer_than_the_run_it_was_read_from(tmp_path, warnings):
    results(tmp_path, "2026-01-01T10-00-00.0", EARLY, date=EARLY)
    last = results(tmp_path, "2026-01-01T11-00-00.0", LATE, date=EARLY, **{JUDGED: LATE})
    assert find_runs(tmp_path) == [last]
    assert warnings() == []


def test_files_without_a_date_go_by_their_names(tmp_path, warnings):
    last = results(tmp_path, "2026-01-02T10-00-00.0")
    results(tmp_path, "2026-01-01T10-00-00.0")
    assert find_runs(tmp_path) == [last]
    assert warnings() == []


def test_a_file_that_was_changed_long_after_the_newest_is_warned_of(tmp_path, warnings):
    results(tmp_path, "2026-01-01T10-00-00.0", LATE, date=EARLY)
    last = results(tmp_path, "2026-01-02T10-00-00.0", EARLY, date=LATE)
    assert find_runs(tmp_path) == [last]
    assert "results_2026-01-01T10-00-00.0.json was changed after it" in warnings()[0]


def test_a_date_in_the_future_is_warned_of(tmp_path, warnings):
    results(tmp_path, "2026-01-01T10-00-00.0", date=EARLY)
    results(tmp_path, "2099-01-01T10-00-00.0", date=time.time() + 1e6)
    find_runs(tmp_path)
    assert "dated in the future" in warnings()[0]


def test_equal_dates_are_warned_of(tmp_path, warnings):
    for name in ("a", "b"):
        (tmp_path / f"{name}_2026-01-01T10-00-00.0.json").write_text(json.dumps({"date": EARLY}))
    find_runs(tmp_path)
    assert "has the same date" in warnings()[0]


@pytest.mark.parametrize("existing", ["2099-01-01T10-00-00.000000", "2001-01-01T10-00-00.000000"])
def test_a_file_that_is_written_now_is_the_newest_of_its_folder_by_date_and_by_name(tmp_path, existing):
    results(tmp_path, existing, date=time.time() + 1e6)
    now = write_time(tmp_path)
    last = results(tmp_path, now.name, time.time(), date=EARLY, **{JUDGED: now.date})
    assert find_runs(tmp_path) == [last]
    assert now.name > existing
