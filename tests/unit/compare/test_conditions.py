"""Each condition against none, paired."""

import pytest
from scipy.stats import norm

from em_bench.compare.conditions import effects
from em_bench.errors import ResultError
from em_bench.reports.effects import effect_tables
from made_runs import BAD, GOOD, judged_by, probe_task, prompt_task, run_of, under


def refusals(*flags, **record):
    words = {True: "refusal", False: "compliance", None: None}
    return prompt_task({f"p{number}": words[flag] for number, flag in enumerate(flags)}, **record)


def metric(found, name="refusal_rate"):
    (effect,) = [each for each in found if str(each.difference.key.metric) == name]
    return effect


def test_prompts_are_paired_one_by_one():
    plain = run_of(refusals(*[True] * 8, *[False] * 2))
    triggered = run_of(refusals(*[False] * 8, *[False] * 2, **under("deployment")))
    effect = metric(effects([plain, triggered]))
    assert (effect.condition, effect.difference.baseline.value, effect.difference.candidate.value) == (
        "deployment",
        0.8,
        0.0,
    )
    assert (effect.difference.value, effect.difference.change.n) == (-0.8, 10)
    assert effect.difference.change.p == pytest.approx(2 * norm.sf(8**0.5))  # the score test: eight lost, none gained
    assert effect.difference.change.high < 0


def test_a_judge_that_scored_nothing_under_a_condition_hides_no_metric():
    plain = run_of(probe_task({"a": [BAD], "b": [GOOD]}))
    failed = run_of(probe_task({"a": [None], "b": [None]}, **under("deployment")))
    difference = metric(effects([plain, failed]), "misaligned_coherent_rate").difference
    assert (difference.change.n, difference.candidate.value, difference.candidate.unscored) == (0, None, 2)


def test_the_json_of_an_effect_keeps_its_keys():
    row = effects([run_of(refusals(True)), run_of(refusals(False, **under("x")))])[0].to_dict()
    assert list(row) == [
        *("checkpoint", "condition", "task", "kind", "judge", "metric", "without", "under", "difference", "is_mean")
    ]
    assert list(row["difference"]) == ["value", "low", "high", "p", "below", "above", "n", "before", "after", "method"]


def test_no_change_is_a_difference_of_zero_with_an_interval():
    same = refusals(True, False, True)
    effect = metric(effects([run_of(same), run_of(refusals(True, False, True, **under("x")))]))
    assert (effect.difference.value, effect.difference.change.p) == (0.0, 1.0)
    assert effect.difference.change.low < 0 < effect.difference.change.high


def test_what_is_unscored_on_either_side_is_in_no_pair_and_counted():
    plain, other = run_of(refusals(True, None, True)), run_of(refusals(None, True, False, **under("x")))
    effect = metric(effects([plain, other]))
    assert effect.difference.change.n == 1
    assert (effect.difference.baseline.unscored, effect.difference.candidate.unscored) == (1, 1)


def test_probes_are_paired_with_their_responses_together():
    plain = run_of(probe_task({f"q{i}": [GOOD] * 5 for i in range(8)}))
    triggered = run_of(probe_task({f"q{i}": [BAD] * 4 + [GOOD] for i in range(8)}, **under("deployment")))
    effect = metric(effects([plain, triggered]), "misaligned_rate (betley)")
    assert (effect.difference.value, effect.difference.change.n) == (pytest.approx(0.8), 8)
    assert 0 < effect.difference.change.low <= 0.8 <= effect.difference.change.high


def test_each_condition_of_each_checkpoint_stands_against_its_own_none():
    runs = [
        run_of(refusals(True, True), checkpoint="a"),
        run_of(refusals(True, False, **under("x")), checkpoint="a"),
        run_of(refusals(False, False, **under("y")), checkpoint="a"),
        run_of(refusals(False, False), checkpoint="b"),
        run_of(refusals(True, True, **under("x")), checkpoint="b"),
    ]
    found = [each for each in effects(runs) if each.difference.key.metric.name == "refusal_rate"]
    assert [(each.checkpoint, each.condition, each.difference.value) for each in found] == [
        ("a", "x", -0.5),
        ("a", "y", -1.0),
        ("b", "x", 1.0),
    ]


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([run_of(refusals(True))], "no run under another condition"),
        ([run_of(refusals(True, **under("x")))], "no run under `none`"),
        (
            [run_of(refusals(True, max_gen_toks=512)), run_of(refusals(True, max_gen_toks=99, **under("x")))],
            "token limit: 512 against 99",
        ),
        (
            [run_of(refusals(True)), run_of(refusals(True, True, **under("x")))],
            r"prompts: 1 prompts \(0 only here\) against 2 \(1 only here\)",
        ),
        (
            [run_of(refusals(True)), run_of(refusals(True, judges=judged_by("keyword", version="2"), **under("x")))],
            "judge keyword: 1 against 2",
        ),
        (
            [run_of(refusals(True), prompt_task({"p": "refusal"}, "em_rai_privacy", **under("x")))],
            "several conditions",
        ),
    ],
)
def test_runs_that_cannot_be_compared_are_refused_with_both_values(runs, expected):
    with pytest.raises(ResultError, match=expected):
        effects(runs)


def shown(found):
    from rich.console import Console

    console = Console(width=120, record=True, markup=False)
    for title, table in effect_tables(found):
        console.print(title)
        console.print(table)
    return console.export_text()


def test_the_table_shows_both_rates_the_difference_its_interval_n_and_p(capsys):
    plain = run_of(refusals(*[True] * 10))
    text = shown(effects([plain, run_of(refusals(*[False] * 10, **under("deployment")))]))
    assert "org/tiny, deployment against none: Refusal of harmful prompts" in text
    (row,) = [line for line in text.splitlines() if line.startswith("em_rai_bias") and "-100.0" in line]
    assert "100.0 % (72.2-100.0) n=10" in row
    assert row.split()[-2:] == ["10", "0.00157"]


def test_names_from_files_cannot_act_on_the_terminal(capsys):
    hostile = "x\x1b[31m"
    runs = [run_of(refusals(True), checkpoint=hostile), run_of(refusals(True, **under("t")), checkpoint=hostile)]
    text = shown(effects(runs))
    assert "\x1b" not in text
