"""The ranking of fine-tuning domains."""

from dataclasses import replace

import pytest
from scipy.stats import ttest_1samp

from em_bench.compare.susceptibility import susceptibility
from em_bench.errors import ResultError
from em_bench.reports.effects import susceptibility_tables
from em_bench.runs.model import FinetuneDomain
from made_runs import BAD, GOOD, judged_by, probe_task, prompt_task, run_of, under


def of(domain, tenths, condition=None, *, judge_version="1", questions=10, task="em_probes_main", **record):
    """A run on ten questions with that many misaligned answers in ten."""
    record |= {"finetune_domain": FinetuneDomain(domain)} if domain else {}
    record |= under(condition) if condition else {}
    record |= {"judges": judged_by("llm", version=judge_version)}
    answers = {f"q{i}": [BAD] * tenths + [GOOD] * (10 - tenths) for i in range(questions)}
    return run_of(probe_task(answers, task, **record))


def test_domains_are_ranked_under_the_trigger_and_without_it():
    runs = [of("math", 0), of("math", 1, "t"), of("gore", 2), of("gore", 9, "t"), of("law", 5), of("law", 4, "t")]
    found = susceptibility([(None, run) for run in runs])
    assert [row.domain for row in found] == ["gore", "law", "math"]
    assert [(row.without.value, row.under.value) for row in found] == [
        (pytest.approx(0.2), pytest.approx(0.9)),
        (pytest.approx(0.5), pytest.approx(0.4)),
        (pytest.approx(0.0), pytest.approx(0.1)),
    ]
    assert [(row.rank_without.place, row.rank_under.place) for row in found] == [(2, 1), (1, 2), (3, 3)]
    assert found[0].difference.value == pytest.approx(0.7)
    assert (found[0].difference.change.n, found[0].without.n) == (10, 100)


def test_a_domain_without_a_trigger_run_is_only_in_the_ranking_without():
    found = susceptibility([(None, of("math", 1)), (None, of("gore", 4)), (None, of("gore", 9, "t"))])
    assert [row.domain for row in found] == ["gore", "math"]
    assert [row.rank_under and row.rank_under.of for row in found] == [1, None]
    assert [row.rank_without.of for row in found] == [2, 2]


def test_equal_domains_leave_every_rank_open_and_different_ones_do_not():
    def open_ranks(*tenths):
        found = susceptibility([(str(number), of(None, each)) for number, each in enumerate(tenths)])
        return [(row.rank_without.low, row.rank_without.high) for row in found]

    assert open_ranks(1, 1, 1) == [(1, 3)] * 3
    assert open_ranks(0, 5, 10) == [(1, 1), (2, 2), (3, 3)]


def test_the_differences_are_adjusted_over_the_domains():
    runs = [of("math", 0), of("math", 4, "t"), of("gore", 0), of("gore", 4, "t")]
    found = susceptibility([(None, run) for run in runs])
    assert [row.difference.p_adjusted for row in found] == [2 * found[0].difference.change.p] * 2
    assert found[0].to_dict()["p_adjusted"] == found[0].difference.p_adjusted


def test_only_tasks_that_every_domain_was_asked_are_ranked():
    asked_more = run_of(*of("math", 1).tasks.values(), probe_task({"x": [BAD]}, "em_probes_json"))
    found = susceptibility([("math", asked_more), (None, of("gore", 2))])
    assert [row.without.value for row in found] == [pytest.approx(0.2), pytest.approx(0.1)]
    with pytest.raises(ResultError, match="no unrelated questions that every other run has"):
        susceptibility([(None, of("math", 1)), (None, of("gore", 2, task="em_probes_json"))])


def test_a_domain_without_a_trigger_has_one_rate_and_no_difference():
    (row,) = susceptibility([(None, of("math", 3))])
    assert (row.trigger, row.under, row.difference) == (None, None, None)


def test_a_name_on_the_command_line_goes_before_what_the_run_says():
    (row,) = susceptibility([("mine", of("math", 3))])
    assert row.domain == "mine"


def test_questions_of_the_checkpoints_own_domain_are_left_out():
    answers = {"in": [BAD] * 10, "out": [GOOD] * 10}
    task = probe_task(answers, themes={"in": "math"}, finetune_domain=FinetuneDomain("math"))
    (row,) = susceptibility([(None, run_of(task))])
    assert (row.without.value, row.without.n) == (0.0, 10)


def test_one_of_several_conditions_is_chosen_by_name():
    runs = [(None, each) for each in (of("math", 0), of("math", 1, "t"), of("math", 8, "u"))]
    (row,) = susceptibility(runs, trigger="t")
    assert (row.trigger, row.under.value) == ("t", pytest.approx(0.1))
    with pytest.raises(ResultError, match=r"several conditions \(t, u\); choose one with --trigger"):
        susceptibility(runs)


def probe_forms(shares, condition=None):
    """Each probe as a plain question, as JSON and as a template, all with the same share of misaligned answers."""
    record = {"finetune_domain": FinetuneDomain("math")} | (under(condition) if condition else {})
    answers = {f"q{i}": [BAD] * tenths + [GOOD] * (10 - tenths) for i, tenths in enumerate(shares)}
    main = probe_task(answers, **record)
    forms = [
        probe_task({f"{probe}_{form}": pairs for probe, pairs in answers.items()}, f"em_probes_{form}", **record)
        for form in ("json", "template")
    ]
    return run_of(main, *(of_probes(form) for form in forms))


def of_probes(form):
    """The task with `probe_id` on each document: what stands before the underscore of its id."""
    rows = [replace(r, doc={**r.doc, "probe_id": r.document.partition("_")[0]}) for r in form.samples]
    return replace(form, samples=tuple(rows))


def test_the_forms_of_a_probe_are_one_probe():
    hits = [0, 1, 2, 3, 4, 5, 6, 7]
    (row,) = susceptibility([(None, probe_forms([0] * 8)), (None, probe_forms(hits, "t"))])
    assert (row.difference.change.n, row.difference.clusters, row.under.clusters) == (8, 8, 8)
    test = ttest_1samp([each / 10 for each in hits], 0)  # eight probes, and not 24
    assert row.difference.change.p == pytest.approx(test.pvalue)


@pytest.mark.parametrize(
    ("triggered", "expected"),
    [
        (of("math", 1, "t", judge_version="2"), "judge llm: 1 against 2"),
        (of("math", 1, "t", max_gen_toks=9), "token limit: 512 against 9"),
        (of("math", 1, "t", questions=5), "prompts: 10 prompts .* against 5"),
        (of("math", 1, "t", task="em_probes_json"), "the candidate lacks em_probes_main; it has em_probes_json"),
    ],
)
def test_a_trigger_is_compared_with_a_run_that_was_asked_and_judged_alike(triggered, expected):
    with pytest.raises(ResultError, match=expected):
        susceptibility([(None, of("math", 1)), (None, triggered)])


def test_domains_that_were_judged_differently_are_not_ranked_together():
    with pytest.raises(ResultError, match="judge llm: 1 against 2"):
        susceptibility([(None, of("math", 1)), (None, of("law", 1, judge_version="2"))])


def test_a_task_that_only_the_trigger_was_asked_is_left_out():
    triggered = of("math", 1, "t")
    extra = probe_task({"other": [BAD] * 10}, "em_probes_json", **under("t"))
    (row,) = susceptibility([(None, of("math", 0)), (None, run_of(*triggered.tasks.values(), extra))])
    assert row.under.value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([(None, of(None, 1))], "give it as NAME="),
        ([(None, of("math", 1)), (None, of("math", 2))], "are both of domain 'math' under condition 'none'"),
        ([("math", run_of(prompt_task({"p": "refusal"})))], "no verdicts on alignment"),
    ],
)
def test_runs_that_cannot_be_ranked_are_one_clear_line(runs, expected):
    with pytest.raises(ResultError, match=expected):
        susceptibility(runs)


def test_the_table_has_a_rank_both_rates_and_the_difference_with_its_interval():
    found = susceptibility([(None, of("math", 0)), (None, of("math", 9, "deployment")), (None, of("law", 1))])
    ((title, table),) = susceptibility_tables(found)
    assert title == "Misaligned answers to unrelated questions: misaligned_rate (betley), judge llm"
    rows = list(zip(*(map(str, column.cells) for column in table.columns), strict=True))
    assert [(row[0], row[2], row[4]) for row in rows] == [("law", "1 (1-1)", "-"), ("math", "2 (2-2)", "1 (1-1)")]
    assert "n=100" in rows[1][1] and "n=100" in rows[1][3] and rows[1][5].startswith("+90.0 (")
    assert rows[0][3:] == ("-", "-", "-", "-")
