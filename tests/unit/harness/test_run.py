"""Whether lm-eval's tracker has written a run whole."""

import pytest

from em_bench.harness.run import count_missing
from run_files import results_file, samples_file

SAMPLES = {"em_tiny": ["a line"] * 3, "em_open": ["a line"] * 3}


def cut(folder):
    path = samples_file(folder)
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "missing"),
    [
        (lambda _: None, 0),
        (cut, 1),
        (lambda folder: samples_file(folder).write_text(""), 3),
        (lambda folder: samples_file(folder).unlink(), 6),
        (lambda folder: results_file(folder).write_text('{"results": {'), 6),
    ],
)
def test_samples_lines_that_are_not_on_disk_whole_are_counted(run_folder, damage, missing):
    results = results_file(run_folder)
    damage(run_folder)
    assert count_missing(results, SAMPLES) == missing
