"""Runs of the first prompt set are read and printed as before, and are not compared with those of the second."""

import shutil

import pytest

from em_bench.runs.read import read_one_run
from em_bench.runs.result import read_run_result
from places import ROOT
from run_files import edit, results_file

FIRST = ROOT / "tests" / "data" / "runs" / "v1"


@pytest.fixture
def second(tmp_path):
    """The same responses, as if to the second prompt set."""
    folder = shutil.copytree(FIRST, tmp_path / "v2")

    def of_second(results):
        for config in results["configs"].values():
            config["metadata"]["version"] = 2.0
            config["metadata"]["em_bench"]["tiers"] = ["explicit", "obscured"]

    edit(results_file(folder), of_second)
    for path in folder.glob("samples_*.jsonl"):
        edit(path, lambda line: line["doc"].update(prompt=f"Now: {line['doc']['prompt']}", tier="explicit"))
    return folder


def test_a_run_of_the_first_version_is_read():
    found = read_one_run(FIRST)
    assert {(task.version, task.tiers, len(task.samples)) for task in found.tasks.values()} == {("1.0", (), 4)}


def test_a_run_result_of_the_first_version_is_read():
    (path,) = FIRST.glob("run_result_*.json")
    result = read_run_result(path)
    assert {(task.version, task.tiers) for task in result.tasks} == {("1.0", ())}
    assert {rate.subset_of for rate in result.rates} == {""}


def test_a_run_of_the_first_version_is_summarized(em_bench):
    printed = em_bench("summarize", FIRST)
    assert printed.code == 0
    assert "em_rai_toxicity  75.0 %" in printed.out
    assert "by tier" not in printed.out


def test_two_runs_of_the_first_version_are_compared(em_bench, tmp_path):
    again = shutil.copytree(FIRST, tmp_path / "again")
    assert em_bench("compare", FIRST, again).code == 0


def test_the_versions_are_not_compared_and_one_line_says_what_to_do(em_bench, second):
    refused = em_bench("compare", FIRST, second)
    assert refused.code == 2
    assert (
        refused.err.strip()
        .splitlines()[-1]
        .endswith(
            "is not comparable: prompt set 1.0 against 2.0: other prompts; evaluate the baseline again (em_rai_bias, "
            "em_rai_toxicity); --force compares what both have"
        )
    )


def test_the_older_side_is_what_is_evaluated_again(em_bench, second):
    assert "evaluate the candidate again" in em_bench("compare", second, FIRST).err
