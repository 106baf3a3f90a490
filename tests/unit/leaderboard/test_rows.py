"""Which runs stand in one ranking, how they are ranked, and differences to the parent."""

from pathlib import Path

import pytest

from em_bench.runs.result import from_dict
from em_bench_leaderboard.cells import COLUMNS, EM, OVER, REFUSAL
from em_bench_leaderboard.classes import classes, short_versions
from em_bench_leaderboard.details import details
from em_bench_leaderboard.differences import differences, unpaired
from em_bench_leaderboard.rows import class_rows, make_row
from em_bench_leaderboard.static_site import parents_of
from em_bench_leaderboard.store import Entry
from leaderboard_data import KEYWORD, LLM, run_result


def entry(*args, comparison=None, **kwargs):
    return Entry(from_dict(run_result(*args, **kwargs)), Path("x.json"), comparison)


def members(entries):
    return [(group.judge, [each.result.checkpoint.name for each in group.members]) for group in classes(entries)]


def with_rate(value, low, high, name="a/b"):
    """A run whose only rate is an EM rate."""
    run = run_result(name, judges=(LLM,))
    run["rates"] = [
        rate | {"value": value, "low": low, "high": high}
        for rate in run["rates"]
        if rate["metric"] == "misaligned_rate" and not rate["subset"]
    ]
    return Entry(from_dict(run), Path("x.json"))


def test_each_judge_has_its_own_ranking():
    assert members([entry("a/b")]) == [(LLM, ["a/b"]), (KEYWORD, ["a/b"])]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"condition": "trigger"}, "condition trigger"),
        ({"version": "2.0"}, "other task version"),
        ({"documents": 10}, "other number of prompts"),
        ({"demonstration": True}, "demonstration"),
    ],
)
def test_runs_that_do_not_compare_are_ranked_apart_and_it_is_said_why(change, why):
    groups = classes([entry("a/b", 1), entry("a/c", 2), entry("a/d", 3, **change)])
    apart = [group for group in groups if group.judge == LLM][1]
    assert [each.result.checkpoint.name for each in apart.members] == ["a/d"]
    assert why in apart.why


def test_another_judge_version_is_ranked_apart():
    other = run_result("a/c")
    for task in other["tasks"]:
        for judge in task["judges"]:
            judge["version"] += "x"
    groups = classes([entry("a/b"), Entry(from_dict(other), Path("x.json"))])
    assert len(groups) == 4
    assert "other judge version" in groups[1].why


def test_one_condition_name_for_two_texts_is_ranked_apart():
    other = run_result("a/c", condition="trigger")
    other["condition"]["prefix"] = "another "
    groups = classes([entry("a/b", condition="trigger"), Entry(from_dict(other), Path("x.json"))])
    assert [len(group.members) for group in groups] == [1, 1, 1, 1]


def test_a_run_that_leaves_tasks_out_compares_on_what_it_has():
    part = run_result("a/part", judges=(LLM,))
    part["tasks"] = part["tasks"][:4]
    names = {task["name"] for task in part["tasks"]}
    part["rates"] = [rate for rate in part["rates"] if rate["task"] in names]
    groups = classes([entry("a/b"), Entry(from_dict(part), Path("x.json"))])
    assert [len(group.members) for group in groups] == [2, 1]


def test_classes_do_not_depend_on_the_order_of_the_runs():
    entries = [entry(f"a/m{number}", number, condition="none" if number % 3 else "t") for number in range(9)]
    assert members(entries) == members(entries[::-1])


def test_without_an_alignment_judge_there_is_no_em_rate():
    row = make_row(entry("a/b"), KEYWORD, None)
    assert EM not in row.cells
    assert set(COLUMNS) - set(row.cells) == {EM, "coherent"}


def test_a_probe_task_is_never_pooled_with_another():
    run = run_result("a/b", judges=(LLM,))
    for rate in [rate for rate in run["rates"] if rate["task"] == "em_probes_main"]:
        run["rates"].append(rate | {"task": "em_probes_json", "value": 1.0, "high": 1.0})
    row = make_row(Entry(from_dict(run), Path("x.json")), LLM, None)
    assert row.cells[EM].n == 238
    assert row.cells[EM].value < 1


def with_set(task, value, drop_main=False):
    """A run with the EM rate of another task of probes."""
    run = run_result("a/b", judges=(LLM,))
    mains = [rate for rate in run["rates"] if rate["task"] == "em_probes_main" and not rate["subset"]]
    own = [rate | {"task": task, "value": value, "low": value, "high": value, "documents": 8} for rate in mains]
    run["rates"] = [rate for rate in run["rates"] if not (drop_main and rate["task"] == "em_probes_main")] + own
    return Entry(from_dict(run), Path("x.json"))


def test_published_and_agentic_probes_have_columns_of_their_own():
    row = make_row(with_set("em_published_first_plot_main", 0.5), LLM, None)
    assert row.cells["em_first_plot"].value == 0.5
    assert row.cells[EM].value != 0.5
    assert "em_preregistered" not in row.cells


def test_the_em_rate_names_its_probes_and_is_never_of_a_set_with_its_own_column():
    assert make_row(entry("a/b"), LLM, None).probes.startswith("em_probes_main: ")
    alone = make_row(with_set("em_probes_agentic", 0.5, drop_main=True), LLM, None)
    assert (EM in alone.cells, alone.probes, alone.cells["em_agentic"].value) == (False, "", 0.5)


def test_over_refusal_is_of_all_benign_prompts():
    run = entry("a/b", judges=(KEYWORD,))
    rates = [rate for rate in run.result.rates if rate.metric == "over_refusal_rate"]
    cell = make_row(run, KEYWORD, None).cells[OVER]
    assert cell.n == sum(rate.n for rate in rates)
    assert cell.value == pytest.approx(sum(rate.value * rate.n for rate in rates) / cell.n)


def test_unscored_counts_every_task_once():
    cell = make_row(entry("a/b"), LLM, None).cells["unscored"]
    assert round(cell.value * cell.n) == 15 * 2
    assert cell.n == 7 * (108 + 54) + 240


def with_more_rates():
    """A run with a mean on a scale to 100, and a rate among coherent answers alone."""
    run = run_result("a/b", judges=(LLM,))
    (rate,) = [each for each in run["rates"] if each["metric"] == "coherent_rate" and not each["subset"]]
    run["rates"] += [
        rate | {"metric": "alignment_mean", "value": 70.0, "low": 60.0, "high": 80.0, "n": 100, "unscored": 0},
        rate | {"metric": "label_share", "definition": "CODE", "n": 100, "unscored": 0},
    ]
    return Entry(from_dict(run), Path("x.json"))


def test_unscored_counts_all_responses_whatever_a_rate_leaves_out():
    assert make_row(with_more_rates(), LLM, None).cells["unscored"].n == 7 * (108 + 54) + 240


def test_a_mean_is_no_share():
    own = with_more_rates()
    (panel,) = details(own, None, [own]).panels
    assert [rate.metric for rate in panel.means] == ["alignment_mean"]
    assert {line.rate.metric for lines in panel.probes.values() for line in lines} == {
        "misaligned_rate",
        "misaligned_coherent_rate",
        "coherent_rate",
    }


def test_runs_that_overlap_share_a_rank():
    entries = [with_rate(0.1, 0.05, 0.2, "a/b"), with_rate(0.15, 0.08, 0.3, "a/c"), with_rate(0.6, 0.4, 0.7, "a/d")]
    (group,) = classes(entries)
    rows = class_rows(group, {})
    assert [(row.result.checkpoint.name, row.rank) for row in rows] == [("a/b", 1), ("a/c", 1), ("a/d", 3)]


def test_of_an_llm_judges_version_the_model_is_shown():
    versions = ["1/openai:gpt-x/0123456789ab; 2/openai:gpt-x/ba9876543210", "keyword-7"]
    assert short_versions(versions) == ["keyword-7", "openai:gpt-x"]


def test_a_run_that_was_not_measured_has_no_rank():
    entries = [with_rate(0.1, 0.05, 0.2, "a/b"), with_rate(None, 0.0, 1.0, "a/c")]
    (group,) = classes(entries)
    assert [row.rank for row in class_rows(group, {})] == [1, None]


def test_an_unpaired_difference_is_newcombes():
    """Newcombe 1998, table II (a): 56/70 against 48/80, method 10: 0.2000 (0.0524, 0.3339)."""
    from em_bench.stats.intervals import binary_rate

    run = from_dict(run_result("a/b")).rates[0]

    def rate(hits, n):
        found = binary_rate([True] * hits + [False] * (n - hits))
        return type(run)(
            **{name: getattr(run, name) for name in run.__dataclass_fields__}
            | {"value": found.value, "low": found.low, "high": found.high}
        )

    difference = unpaired(rate(48, 80), rate(56, 70))
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert difference.clear


def test_a_rate_that_was_not_measured_gives_no_difference():
    rate = with_rate(None, 0.0, 1.0).result.rates[0]
    assert unpaired(rate, with_rate(0.1, 0.0, 0.2).result.rates[0]) is None


def compared(parent, rows):
    """A run of `a/b` with these rows in its comparison against the parent."""
    row = {"task": "em_rai_bias", "judge": LLM, "metric": "refusal_rate", "baseline": {"value": 0.9}, "p_adjusted": 0.2}
    rows = [row | {"difference": -0.3, "low": -0.4, "high": -0.2} | each for each in rows]
    return entry("a/b", baseline=parent.result.id, comparison={"differences": rows, "pooled": rows})


def test_a_paired_difference_takes_the_place_of_the_unpaired():
    parent = entry("a/parent")
    difference = differences(compared(parent, [{}]), parent)["em_rai_bias", LLM, "refusal_rate"]
    assert (difference.value, difference.paired, difference.clear) == (-0.3, True, False)


def test_a_comparison_with_one_run_says_nothing_of_another():
    own = compared(entry("a/parent"), [{}])
    assert not differences(own, entry("a/other"))["em_rai_bias", LLM, "refusal_rate"].paired


def test_a_comparison_of_all_prompts_is_that_of_the_pooled_rate():
    parent = entry("a/parent")
    own = compared(parent, [{"task": "all harmful", "p_adjusted": 0.01}])
    change = make_row(own, LLM, parent).cells[REFUSAL].difference
    assert (change.value, change.paired, change.clear) == (-0.3, True, True)


def test_a_rate_without_pairs_keeps_its_unpaired_difference():
    parent = entry("a/parent")
    own = compared(parent, [{"difference": None}])
    assert not differences(own, parent)["em_rai_bias", LLM, "refusal_rate"].paired


@pytest.mark.parametrize(
    "change", [{"system_instruction": "Be kind."}, {"chat_template": False}, {"generation": {"temperature": 0.7}}]
)
def test_no_difference_between_runs_that_were_asked_in_another_way(change):
    other = run_result("a/parent")
    for task in other["tasks"]:
        task |= change
    assert differences(entry("a/b"), Entry(from_dict(other), Path("x.json"))) == {}


def test_runs_with_other_generation_settings_are_ranked_apart():
    other = run_result("a/c")
    for task in other["tasks"]:
        task["generation"] = {"temperature": 0.7}
    groups = classes([entry("a/b"), Entry(from_dict(other), Path("x.json"))])
    assert "other generation settings" in groups[1].why


def test_no_difference_across_prompt_sets():
    assert differences(entry("a/b"), entry("a/parent", version="2.0")) == {}


def test_a_condition_is_not_taken_for_fine_tuning():
    parent = entry("a/parent")
    triggered = entry("a/b", condition="trigger", baseline=parent.result.id)
    assert parents_of([parent, triggered]) == {}
    both = entry("a/parent", 1, condition="trigger")
    assert parents_of([parent, triggered, both]) == {triggered.result.id: both}


def test_spill_over_names_the_domain_that_lost_most():
    parent, own = entry("a/parent"), entry("a/b", 3)
    (panel, _) = details(own, parent, [own]).panels
    found = panel.spill_over
    lost = [line for line in panel.harmful if line.difference.clear and line.difference.value < 0]
    assert (found is None) == (not lost)
    if found:
        target, others = found
        assert target.difference.value == min(line.difference.value for line in panel.harmful)
        assert len(others) == 6


def test_of_another_run_by_another_version_of_the_judge_it_is_said():
    other = run_result("a/b", 2)
    for task in other["tasks"]:
        for judge in task["judges"]:
            judge["version"] += "x" if judge["name"] == LLM else ""
    own, again = entry("a/b", 1), Entry(from_dict(other), Path("x.json"))
    found = details(own, None, [own, again])
    said = {judge: [found.is_other_judge(row) for row in rows] for judge, rows in found.siblings.items()}
    assert said == {LLM: [False, True], KEYWORD: [False, False]}


def test_conditions_are_compared_with_the_same_checkpoint_without_one():
    plain, triggered = entry("a/b", 1), entry("a/b", 2, condition="trigger")
    rows = details(triggered, None, [plain, triggered]).siblings[LLM]
    assert [row.cells[REFUSAL].difference is None for row in rows] == [True, False]
