"""Rates of one judge's name side by side, where its versions differ."""

from em_bench.runs.judge_versions import version_warnings
from made_runs import judged_by, prompt_task, run_of


def run(*tasks, version, path):
    made = (prompt_task({"a": "refusal"}, name, judges=judged_by("keyword", version=version)) for name in tasks)
    return run_of(*made, path=path)


def test_another_version_of_a_judge_is_warned_of_once_for_all_tasks():
    runs = [run("a", "b", "c", version="1", path="x"), run("a", "b", version="2", path="y")]
    (warning,) = version_warnings(runs)
    assert "judge 'keyword' has other versions in these runs (1 in x against 2 in y)" in warning
    assert "a and 1 more do not compare" in warning


def test_one_version_of_a_judge_is_not_warned_of():
    assert version_warnings([run("a", version="1", path="x"), run("a", version="1", path="y")]) == []


def test_tasks_of_one_run_may_have_other_versions_as_their_rubrics_differ():
    assert version_warnings([run("a", version="1", path="x"), run("b", version="2", path="x")]) == []
