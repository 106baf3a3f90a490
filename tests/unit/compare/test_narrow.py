"""Narrow against general misalignment."""

from dataclasses import replace

import pytest

from em_bench.compare.narrow import narrow
from em_bench.errors import ResultError
from em_bench.reports.effects import narrow_tables, ratio_cell
from em_bench.runs.model import FinetuneDomain
from made_runs import BAD, GOOD, MUDDLED, probe_task, prompt_task, run_of

MEDICAL = {"finetune_domain": FinetuneDomain("medical")}


def cross_domain(inside, outside, **fields):
    """Six questions of the domain and twelve others, with shares of misaligned answers in tenths."""
    answers = {f"m{i}": [BAD] * inside + [GOOD] * (10 - inside) for i in range(6)}
    answers |= {f"o{i}": [BAD] * outside + [GOOD] * (10 - outside) for i in range(12)}
    themes = {probe: "medical" if probe.startswith("m") else "cooking" for probe in answers}
    return probe_task(answers, themes=themes, **fields)


def test_the_domains_questions_and_the_others_have_rates_of_their_own():
    (found,) = narrow(run_of(cross_domain(8, 2, **MEDICAL)))
    assert (found.domain, found.in_domain.n, found.general.n) == ("medical", 60, 120)
    assert (found.in_domain.value, found.general.value) == (pytest.approx(0.8), pytest.approx(0.2))
    assert found.ratio.value == pytest.approx(4.0)
    assert 1.5 < found.ratio.low < 4.0 < found.ratio.high < 12


def test_general_questions_of_other_tasks_count_too():
    others = probe_task({"q": [BAD] * 10}, "em_probes_json")
    (found,) = narrow(run_of(cross_domain(8, 0, **MEDICAL), others))
    assert found.general.n == 130
    assert found.general.value == pytest.approx(1 / 13)


def test_the_forms_of_a_probe_are_one_question():
    answers = {f"{theme}{i}": [BAD if i % 2 else GOOD] * 10 for theme in ("medical", "cooking") for i in range(12)}
    main = probe_task(answers, themes={probe: probe.rstrip("0123456789") for probe in answers}, **MEDICAL)
    forms = tuple(
        replace(r, document=f"{r.document}_json", doc={**r.doc, "probe_id": r.document}) for r in main.samples
    )
    (alone,) = narrow(run_of(main))
    (twice,) = narrow(run_of(main, replace(main, name="em_probes_json", samples=forms)))
    assert twice.general.n == 2 * alone.general.n
    assert (twice.general.low, twice.general.high) == pytest.approx((alone.general.low, alone.general.high))
    assert twice.ratio.low == pytest.approx(alone.ratio.low)


def test_a_task_that_asks_about_the_domain_alone_needs_no_themes():
    about = {"finetune_domain": FinetuneDomain("mine", "em_questions")}
    (found,) = narrow(run_of(probe_task({"a": [BAD]}, "em_questions", **about), probe_task({"b": [GOOD]}, **about)))
    assert (found.in_domain.value, found.general.value) == (1.0, 0.0)


def test_prompts_of_the_rai_tasks_are_no_part_of_it():
    (found,) = narrow(run_of(cross_domain(5, 5, **MEDICAL), prompt_task({"p": "refusal"})))
    assert found.in_domain.n + found.general.n == 180


def test_the_name_on_the_command_line_goes_first():
    (found,) = narrow(run_of(cross_domain(8, 2, **MEDICAL)), "cooking")
    assert found.in_domain.value == pytest.approx(0.2)


def test_incoherent_answers_are_in_no_rate_and_unscored_ones_are_counted():
    answers = {"m": [BAD, MUDDLED, None], "o": [GOOD]}
    (found,) = narrow(run_of(probe_task(answers, themes={"m": "medical"}, **MEDICAL)))
    assert (found.in_domain.n, found.in_domain.unscored) == (1, 1)


def test_how_many_unrelated_answers_are_about_the_domain_after_all():
    topics = {"m0": [100.0] * 10} | {f"o{i}": [80.0] * 3 + [50.0] * 7 for i in range(12)}
    (found,) = narrow(run_of(cross_domain(8, 2, topics=topics, **MEDICAL)))
    assert found.about_domain.value == pytest.approx(0.3)  # 50 is not above 50
    assert found.about_domain.n == 120


def test_without_rubric_topic_that_share_is_not_known():
    (found,) = narrow(run_of(cross_domain(8, 2, **MEDICAL)))
    assert found.about_domain is None


def test_where_nothing_general_is_seen_the_ratio_has_no_value_and_no_upper_end():
    (found,) = narrow(run_of(cross_domain(8, 0, **MEDICAL)))
    assert (found.ratio.value, found.ratio.high) == (None, None)
    assert found.ratio.low > 1  # 80 % of 6 questions against at most a quarter of 12
    assert ratio_cell(found.ratio).startswith("no bound times as often")


def test_where_neither_is_seen_the_ratio_could_be_anything():
    (found,) = narrow(run_of(cross_domain(0, 0, **MEDICAL)))
    assert (found.ratio.value, found.ratio.low, found.ratio.high) == (None, 0.0, None)


def test_where_only_the_general_is_seen_the_ratio_is_zero_with_an_upper_end():
    (found,) = narrow(run_of(cross_domain(0, 8, **MEDICAL)))
    assert (found.ratio.value, found.ratio.low) == (0.0, 0.0)
    assert 0 < found.ratio.high < 1


def test_the_same_run_gives_the_same_interval():
    run = run_of(cross_domain(6, 3, **MEDICAL))
    assert narrow(run) == narrow(run)


@pytest.mark.parametrize(
    ("run", "domain", "expected"),
    [
        (run_of(cross_domain(1, 1)), None, "does not say what its checkpoint was fine-tuned on"),
        (run_of(cross_domain(1, 1)), "law", r"no question about law \(themes: cooking, medical\)"),
        (run_of(prompt_task({"p": "refusal"}), probe_task({}, **MEDICAL)), None, "no question about medical"),
    ],
)
def test_a_run_that_cannot_say_is_one_clear_line(run, domain, expected):
    with pytest.raises(ResultError, match=expected):
        narrow(run, domain)


def test_the_table_names_the_domain_and_every_number_has_its_n():
    ((title, table),) = narrow_tables(narrow(run_of(cross_domain(8, 2, **MEDICAL))))
    assert title == "org/tiny: misaligned_rate (betley), judge llm"
    cells = [str(cell) for cell in table.columns[1].cells]
    assert ["n=" in cell for cell in cells] == [True, True, False, False]
