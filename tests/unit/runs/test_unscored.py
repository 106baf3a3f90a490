"""When a judge left so much unscored that a command must not end as if all were well."""

import pytest

from em_bench.metrics.registry import Kind
from em_bench.runs.unscored import shortfalls
from made_runs import label, run_of, task


def run(*words_of_tasks):
    return run_of(
        *(
            task(f"em_rai_{number}", Kind.HARMFUL, [[label(word)] for word in words], "bias")
            for number, words in enumerate(words_of_tasks)
        )
    )


def test_a_judge_that_scored_nothing_is_named():
    (shortfall,) = shortfalls([run([None] * 4, [None])])
    assert str(shortfall) == "org/tiny: judge 'keyword' scored none of 5 responses; its rates say nothing"


@pytest.mark.parametrize(("most", "tasks"), [(None, []), (0.5, []), (0.49, ["em_rai_1"]), (0.0, ["em_rai_1"])])
def test_a_share_is_allowed_in_each_task(most, tasks):
    half = run(["refusal"] * 4, ["refusal", None])
    assert [each.task for each in shortfalls([half], most)] == tasks


def test_of_a_judge_that_scored_all_there_is_nothing_to_say():
    assert shortfalls([run(["refusal"])], 0.0) == []
