"""Training runs of one recipe against those of another."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from em_bench.compare.groups import compare_groups
from em_bench.errors import ResultError
from em_bench.reports.groups import claim
from em_bench.stats.crossed import crossed
from made_runs import BAD, GOOD, probe_task, run_of

BASE = [[0, 1, 0, 2, 1, 0], [1, 1, 0, 3, 0, 0], [0, 2, 1, 1, 1, 1]]
NEW = [[3, 5, 2, 6, 4, 3], [5, 6, 4, 8, 5, 2], [2, 4, 1, 7, 4, 3]]


def run(checkpoint, tenths, task="em_probes_main", **record):
    answers = {f"q{i}": [BAD] * hits + [GOOD] * (10 - hits) for i, hits in enumerate(tenths)}
    return run_of(probe_task(answers, task, **record), checkpoint=checkpoint)


def group(name, rows):
    return [run(f"org/{name}{number}", tenths) for number, tenths in enumerate(rows)]


def misaligned(found):
    (each,) = [each for each in found if each.key.metric.name == "misaligned_rate"]
    return each


def test_a_rate_that_a_run_lacks_is_named(caplog):
    silent = run_of(probe_task({f"q{i}": [None] * 10 for i in range(6)}), checkpoint="org/silent")
    compare_groups(group("base", BASE), [*group("new", NEW), silent])
    (message,) = {record.getMessage() for record in caplog.records}
    assert message.startswith("em-bench: org/silent has no ")
    assert "misaligned_coherent_rate by llm" in message


def test_the_groups_means_are_compared_over_prompts_and_over_runs():
    difference = misaligned(compare_groups(group("base", BASE), group("new", NEW)))
    before, after = np.array(BASE) / 10, np.array(NEW) / 10
    assert difference.over_prompts.value == pytest.approx(after.mean() - before.mean())
    expected = crossed(before, after)
    assert (difference.over_runs.low, difference.over_runs.p) == pytest.approx((expected.low, expected.p))
    assert (len(difference.baselines), difference.candidates) == (3, ("org/new0", "org/new1", "org/new2"))
    assert difference.over_prompts.n == 6
    assert difference.to_dict()["over_runs"]["run_share"] == pytest.approx(expected.run_share)


def test_no_interval_reaches_beyond_the_scale():
    two_runs = misaligned(compare_groups(group("base", [[0] * 6, [1] * 6]), group("new", [[1] * 6, [9] * 6]))).over_runs
    assert two_runs.high == 1
    assert two_runs.low == -1


def test_one_run_a_group_says_something_of_these_checkpoints_only():
    found = compare_groups(group("base", BASE[:1]), group("new", NEW[:1]))
    assert misaligned(found).over_runs is None
    assert "The baseline and candidate side says something of this checkpoint, not of its recipe" in claim(found)


def test_a_group_of_several_runs_is_its_recipe():
    assert "The baseline side says" in claim(compare_groups(group("base", BASE[:1]), group("new", NEW)))
    assert claim(compare_groups(group("base", BASE), group("new", NEW))) == (
        "3 baselines: org/base0, org/base1, org/base2; 3 candidates: org/new0, org/new1, org/new2. "
        "The intervals over runs hold for both recipes."
    )


def test_the_forms_of_a_probe_are_one_over_all_probes():
    def both_forms(name, rows):
        tasks = [run("", rows, task).tasks[task] for task in ("em_probes_main", "em_probes_json")]
        return run_of(*tasks, checkpoint=name)

    found = compare_groups(
        [both_forms(f"a{i}", row) for i, row in enumerate(BASE)],
        [both_forms(f"b{i}", row) for i, row in enumerate(NEW)],
    )
    rates = [each for each in found if each.key.metric.name == "misaligned_rate"]
    assert [(each.key.task, each.over_prompts.n) for each in rates] == [
        ("em_probes_main", 6),
        ("em_probes_json", 6),
        ("em_probes", 6),
    ]


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([run("org/new", NEW[0]), run("org/new", NEW[1])], "both of org/new, and reruns are no training runs"),
        ([run("org/new", NEW[0], max_gen_toks=9)], "token limit: 512 against 9"),
    ],
)
def test_runs_that_make_no_groups_are_one_clear_line(candidates, expected):
    with pytest.raises(ResultError, match=expected):
        compare_groups([run("org/base", BASE[0])], candidates)


def test_intervals_over_runs_cover_where_training_runs_differ_and_those_over_prompts_do_not():
    random = np.random.default_rng(7)
    held = np.zeros(2)
    for _ in range(400):  # equal recipes: runs of spread 0.05, and a rest of 0.15 at each of 30 prompts
        values = random.normal(0, 0.05, (6, 1)) + random.normal(0, 0.15, (6, 30))
        difference = crossed(values[:3], values[3:])
        over_prompts = ttest_1samp(values[3:].mean(axis=0) - values[:3].mean(axis=0), 0).confidence_interval()
        held += [difference.low <= 0 <= difference.high, over_prompts.low <= 0 <= over_prompts.high]
    assert held[0] / 400 > 0.93
    assert held[1] / 400 < 0.85
