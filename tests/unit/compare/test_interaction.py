"""A condition's effect in candidates, minus its effect in baselines."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from em_bench.compare.interaction import interactions
from em_bench.errors import ResultError
from em_bench.stats.paired import Method
from made_runs import BAD, GOOD, probe_task, run_of, under


def run(checkpoint, tenths, condition=None, **record):
    """A run with so many misaligned answers in ten, by probe."""
    answers = {f"q{i}": [BAD] * hits + [GOOD] * (10 - hits) for i, hits in enumerate(tenths)}
    return run_of(probe_task(answers, **(under(condition) if condition else {}), **record), checkpoint=checkpoint)


PLAIN, BASE = [0, 1, 0, 2, 1, 0, 3, 0], [1, 0, 0, 3, 2, 1, 2, 1]
SEEDS = [
    ([1, 2, 0, 3, 1, 0, 4, 1], [7, 5, 2, 9, 4, 3, 8, 1]),
    ([0, 2, 1, 1, 2, 0, 3, 0], [6, 6, 3, 4, 5, 1, 9, 2]),
    ([2, 1, 0, 2, 1, 1, 3, 1], [5, 8, 1, 6, 6, 2, 7, 3]),
]


def misaligned(found):
    (each,) = [each for each in found if each.difference.key.metric.name == "misaligned_rate"]
    return each.difference


def of_seeds(count, **options):
    candidates = [
        run(f"org/seed{seed}", tenths, condition)
        for seed in range(count)
        for tenths, condition in zip(SEEDS[seed], (None, "t"), strict=True)
    ]
    return misaligned(interactions([run("org/base", PLAIN), run("org/base", BASE, "t")], candidates, **options))


def by_probe(count):
    effects = [np.subtract(after, before) for before, after in SEEDS[:count]]
    return (np.mean(effects, axis=0) - np.subtract(BASE, PLAIN)) / 10


@pytest.mark.parametrize("count", [1, 3])
def test_it_is_the_t_interval_of_the_probes_differences_averaged_over_seeds(count):
    difference, values = of_seeds(count), by_probe(count)
    test = ttest_1samp(values, 0)
    interval = test.confidence_interval()
    change = difference.over_prompts
    assert (change.value, change.low, change.high) == pytest.approx((values.mean(), interval.low, interval.high))
    assert change.p == pytest.approx(test.pvalue)
    assert (len(difference.baselines), len(difference.candidates), change.n) == (1, count, 8)
    assert change.after - change.before == pytest.approx(change.value)


def test_the_ordinary_bootstrap_is_pcg64_over_probes():
    change = of_seeds(3, bootstrap_seed=2026).over_prompts
    values = by_probe(3)
    indices = np.random.Generator(np.random.PCG64(2026)).integers(8, size=(10_000, 8))
    low, high = np.percentile(values[indices].mean(axis=1), [2.5, 97.5])
    assert (change.low, change.high) == pytest.approx((low, high))
    assert change.method is Method.PERCENTILE


def test_several_seeds_have_an_interval_over_training_runs_and_one_has_none():
    assert of_seeds(1).over_runs is None
    several = of_seeds(3)
    assert several.over_runs.value == pytest.approx(several.over_prompts.value)
    assert several.over_runs.high > several.over_prompts.high


def test_a_condition_that_does_the_same_on_both_sides_has_no_effect_but_an_interval():
    both = [run("org/base", PLAIN), run("org/base", BASE, "t")]
    change = misaligned(interactions(both, [run("org/new", PLAIN), run("org/new", BASE, "t")])).over_prompts
    assert (change.value, change.p) == (0.0, 1.0)
    assert change.low < 0 < change.high


def test_a_probe_that_one_run_left_unscored_counts_nowhere():
    answers = {f"q{i}": [GOOD, GOOD] for i in range(4)}
    partly = answers | {"q0": [None, None]}
    runs = [run_of(probe_task(each), checkpoint=name) for each, name in ((answers, "a"), (partly, "b"))]
    triggered = [run_of(probe_task(answers, **under("t")), checkpoint=name) for name in ("a", "b")]
    assert misaligned(interactions([runs[0], triggered[0]], [runs[1], triggered[1]])).over_prompts.n == 3


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([run("org/new", PLAIN)], "every checkpoint needs runs under `none` and under the same condition"),
        ([run("org/new", PLAIN), run("org/new", BASE, "u")], "org/new: none, u"),
        ([run("org/base", PLAIN), run("org/base", BASE, "t")], "org/base is on both sides"),
        ([run("org/new", PLAIN), run("org/new", PLAIN), run("org/new", BASE, "t")], "under one condition"),
        (
            [run("org/new", PLAIN, max_gen_toks=9), run("org/new", BASE, "t", max_gen_toks=9)],
            "org/new against org/base, condition none is not comparable: token limit: 512 against 9",
        ),
    ],
)
def test_runs_that_make_no_difference_in_differences_are_one_clear_line(candidates, expected):
    with pytest.raises(ResultError, match=expected):
        interactions([run("org/base", PLAIN), run("org/base", BASE, "t")], candidates)
