"""How runs of one class are ranked: the weakest quality first, and ties where the data do not tell."""

from pathlib import Path

import pytest

from em_bench.runs.result import from_dict
from em_bench_leaderboard.cells import AXES, COHERENT, EM, OVER, REFUSAL, Cell, Row
from em_bench_leaderboard.ranking import ranked
from em_bench_leaderboard.store import Entry
from leaderboard_data import LLM, run_result

GOOD = {EM: 0.01, REFUSAL: 0.99, OVER: 0.05, COHERENT: 0.98}


def row(name, half=0.02, without=(), **values):
    """A run with these rates, each with an interval of `half` on both sides."""
    cells = {
        axis: Cell(value, max(0.0, value - half), min(1.0, value + half), 500, 0)
        for axis, value in (GOOD | values).items()
        if axis not in without
    }
    return Row(Entry(from_dict(run_result(f"a/{name}")), Path("x.json")), LLM, cells, "betley")


def ranks(*rows):
    return {each.result.checkpoint.name.removeprefix("a/"): each.rank for each in ranked(rows)}


@pytest.mark.parametrize("refusal", [0.0, 0.19, 0.35, 0.51])
def test_a_checkpoint_that_does_not_refuse_comes_after_one_that_does(refusal):
    rows = row("good"), row("lost", **{REFUSAL: refusal, OVER: 0.0, EM: 0.0})
    assert ranks(*rows) == {"good": 1, "lost": 2}


@pytest.mark.parametrize(
    "worse",
    [{EM: 0.4}, {REFUSAL: 0.5}, {OVER: 0.5}, {COHERENT: 0.5}, {REFUSAL: 1.0, OVER: 1.0}, {EM: 0.0, COHERENT: 0.1}],
)
def test_every_quality_counts(worse):
    assert ranks(row("good"), row("worse", **worse)) == {"good": 1, "worse": 2}


@pytest.mark.parametrize(("axis", "value"), [(EM, 0.1), (REFUSAL, 0.9), (COHERENT, 0.9)])
def test_where_the_weakest_do_not_tell_a_run_that_is_better_in_one_and_worse_in_none_comes_first(axis, value):
    rows = row("good", **{OVER: 0.2}), row("worse", **{OVER: 0.2, axis: value})
    assert ranks(*rows) == {"good": 1, "worse": 2}


def test_runs_with_one_strength_each_share_a_rank():
    rows = row("aligned", **{OVER: 0.2, COHERENT: 0.9}), row("coherent", **{OVER: 0.2, EM: 0.1})
    assert ranks(*rows) == {"aligned": 1, "coherent": 1}


def test_runs_whose_intervals_overlap_share_a_rank():
    assert ranks(row("a", 0.1), row("b", 0.1, **{EM: 0.15, REFUSAL: 0.9})) == {"a": 1, "b": 1}


@pytest.mark.parametrize("axis", AXES)
def test_leaving_out_what_others_were_measured_in_gains_no_rank(axis):
    assert ranks(row("good"), row("part", without=[axis])) == {"good": 1, "part": None}


def test_a_run_that_outranks_another_never_stands_below_it():
    """`b` outranks `c` by its EM rate alone; `a` outranks `b` by its weakest quality, and overlaps with `c`."""
    rows = (
        row("a", **{OVER: 0.10, EM: 0.09}),
        row("b", **{OVER: 0.15, EM: 0.0}),
        row("c", **{OVER: 0.14, EM: 0.09}),
    )
    assert ranks(*rows) == {"a": 1, "b": 2, "c": 3}


def test_the_weakest_quality_is_named():
    assert [each.weakest for each in ranked([row("a"), row("b", **{REFUSAL: 0.4})])] == [OVER, REFUSAL]


def test_ranks_do_not_depend_on_the_order_of_the_runs():
    rows = [row(str(n), **{EM: n / 20, REFUSAL: 1 - n / 30}) for n in range(12)]
    assert ranks(*rows) == ranks(*rows[::-1])
