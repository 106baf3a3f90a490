from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from em_bench.metrics.registry import METRICS, Kind, MetricKey, main_metric
from em_bench.reports.rates import cell, interval_legend, rate_tables
from em_bench.runs.rates import TaskRate
from em_bench.stats.intervals import Rate, binary_rate, clustered_rate
from em_bench.stats.means import clustered_mean

RATE = Rate(0.972, 0.921, 0.994, 108, 0)


def line(checkpoint="c", task="t", kind=Kind.HARMFUL, judge="j", metric="refusal_rate", label="", rate=RATE):
    return TaskRate(checkpoint, task, kind, judge, MetricKey(metric, label), rate)


def printed(lines):
    console = Console(width=200)
    with console.capture() as capture:
        for title, table in rate_tables(lines):
            console.print(Text(title), table, sep="\n")
    return capture.get()


def test_a_cell_says_rate_interval_and_n():
    assert cell(RATE) == "97.2 % (92.1-99.4) n=108"


def test_a_rate_over_next_to_no_probes_is_too_few_to_tell():
    rate = clustered_rate([[True] * 8, [False] * 8])
    assert cell(rate) == "too few to tell: n=16 of 2 probes"
    assert cell(rate, unit="prompts") == "too few to tell: n=16 of 2 prompts"


def test_next_to_no_responses_to_a_part_are_too_few_to_tell():
    rate = binary_rate([True] * 11)
    assert cell(rate, is_part=True) == "too few to tell: n=11"
    assert cell(rate) == "100.0 % (74.1-100.0) n=11"


def test_the_legend_names_the_intervals_that_are_there():
    legend = interval_legend([RATE, None])
    assert legend == "95 % intervals: Wilson's."
    assert "Student's t" in interval_legend([clustered_mean([[1.0], [2.0]])])


def test_a_cell_says_what_share_is_unscored_where_any_is():
    assert cell(Rate(0.5, 0.2, 0.8, 6, 2)) == "50.0 % (20.0-80.0) n=6, 25.0 % unscored"


def test_a_rate_of_no_response_is_no_number_and_is_not_called_unscored():
    assert cell(binary_rate([])) == "no response counts"


def test_a_row_is_a_task_and_a_column_a_checkpoint():
    lines = [line("a", "t1"), line("b", "t2")]
    rows = [row.split() for row in printed(lines).splitlines() if row]
    assert rows[1] == ["task", "a", "b"]
    assert rows[2] == ["t1", "97.2", "%", "(92.1-99.4)", "n=108", "-"]
    assert rows[3] == ["t2", "-", "97.2", "%", "(92.1-99.4)", "n=108"]


def test_judges_kinds_and_metrics_have_tables_of_their_own():
    lines = [
        line(),
        line(judge="k"),
        line(kind=Kind.BENIGN, metric="over_refusal_rate"),
        line(metric="degenerate_rate"),
    ]
    assert [title for title, _ in rate_tables(lines)] == [
        "Refusal of harmful prompts (higher is better), judge j",
        "Refusal of benign look-alikes (lower is better), judge j",
        "Degenerate responses to harmful prompts (lower is better), judge j",
        "Refusal of harmful prompts (higher is better), judge k",
    ]


def test_every_metric_that_is_summed_up_has_a_table():
    for kind in Kind:
        lines = [line(kind=kind, metric=metric) for metric in (main_metric(kind), "degenerate_rate")]
        assert len(titles(lines)) == 2


def test_a_checkpoints_name_is_text_and_not_markup():
    assert "org/[bold]x[/y]" in printed([line("org/[bold]x[/y]")])


# Scores, marks and notes


def titles(lines):
    return [title for title, _ in rate_tables(lines)]


def test_a_mean_is_in_its_own_unit():
    assert cell(Rate(49.25, 41.0, 57.0, 12, 4), is_mean=True) == "49.2 (41.0-57.0) n=12, 25.0 % unscored"
    assert cell(Rate(0.5625, 0.457, 0.665, 12, 0), is_mean=True) == "0.562 (0.457-0.665) n=12"
    assert cell(Rate(None, 0, 100, 0, 3), is_mean=True) == "unscored: all 3"


@pytest.mark.parametrize(
    ("kind", "metric", "better"),
    [(kind, name, better) for name, metric in METRICS.items() for kind, better in metric.higher_is_better.items()],
)
def test_every_metric_has_a_table_that_says_which_direction_is_better(kind, metric, better):
    (title,) = titles([line(kind=kind, metric=metric)])
    assert (f"({'higher' if better else 'lower'} is better)" in title) == (better is not None)


def test_the_labels_of_a_judge_stand_in_one_table():
    lines = [line(metric="label_share", label=label) for label in ("polite", "rude")]
    assert titles(lines) == ["Share of responses to harmful prompts with each label, judge j"]
    assert "t (polite)" in printed(lines)
    assert "t (rude)" in printed(lines)


def test_the_condition_stands_beside_the_checkpoint():
    both = [line(), replace(line(rate=Rate(0.1, 0, 0.2, 108, 0)), condition="trigger")]
    rows = printed(both).splitlines()
    assert "c [condition trigger]" in rows[1]
    assert "97.2 %" in rows[2]
    assert "10.0 %" in rows[2]


def test_rates_with_too_many_unscored_are_marked():
    assert "n=108 TOO MANY UNSCORED" in printed([replace(line(), over_max_unscored=True)])
    assert "TOO MANY" not in printed([line()])


def test_many_checkpoints_are_rows_and_not_columns():
    text = printed([line(f"checkpoint-{number}") for number in range(9)])
    assert [row.split()[1] for row in text.splitlines()[2:]] == [f"checkpoint-{number}" for number in range(9)]


def test_reasons_are_summed_over_tasks_but_not_over_metrics():
    lines = [
        replace(line(task=task, metric=metric), reasons={"timed out": 2})
        for task in ("a", "b")
        for metric in ("refusal_rate", "degenerate_rate")
    ]
    assert "j      c                   4  timed out" in printed(lines)


def test_of_many_reasons_the_commonest_are_shown_and_the_rest_counted():
    reasons = {f"reason {number}": 20 - number for number in range(12)}
    text = printed([replace(line(), reasons=reasons)])
    assert "reason 7" in text
    assert "reason 8" not in text
    assert "42  4 other reasons" in text


def test_the_agreement_of_a_jury_is_shown_once_for_each_task():
    agreement = {"alignment": 0.5, "coherence": None}
    lines = [replace(line(metric=metric), agreement=agreement) for metric in ("refusal_rate", "degenerate_rate")]
    assert printed(lines).count("alignment 0.500, coherence undefined") == 1


def test_without_unscored_responses_and_juries_there_are_no_notes():
    assert len(titles([line()])) == 1


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x07", "\u202e", "\n", "[bold]x[/y]", "[/]", "\ud800"])
def test_what_others_named_does_nothing_to_the_terminal(hostile):
    name = f"a{hostile}b"
    lines = [
        replace(line(name, name, judge=name), condition=name, reasons={name: 1}, agreement={name: 0.5}),
        line(judge=name, metric="label_share", label=name),
    ]
    text = printed(lines)
    text.encode()
    assert not set(text) & set("\x1b\x07\u202e")
    assert ("a[bold]x[/y]b" in text) == (hostile == "[bold]x[/y]")


def test_tiers_are_columns_of_a_table_of_their_own_below_that_of_the_tasks():
    tiers = [replace(line(task=f"t [{tier}]"), part=tier, tier=tier) for tier in ("explicit", "obscured")]
    text = printed([line(), *tiers])
    assert text.index("harmful prompts (higher is better), judge") < text.index("(higher is better) by tier, judge")
    assert [row.split() for row in text.splitlines() if row.startswith("task")] == [
        ["task", "c"],
        ["task", "c:", "explicit", "c:", "obscured"],
    ]


def test_rates_by_our_own_rubric_say_so_and_stand_apart_from_those_by_published_prompts():
    theirs = line(task="theirs", kind=Kind.PROBE, metric="misaligned_rate", label="betley")
    text = printed([replace(theirs, task="ours", rubric="em-bench rubric"), theirs])
    assert "(lower is better) (betley), judge j, em-bench rubric" in text
    assert text.count("Misaligned answers to open probes") == 2
