from dataclasses import replace

import pytest

from em_bench.compare.items import State, item_statistics, rate_of_items
from em_bench.compare.short_forms import short_forms
from em_bench.errors import ConfigError, ResultError
from em_bench.metrics.registry import Kind
from em_bench.runs.model import JudgedSample
from made_runs import BAD, GOOD, judged_by, label, probe_task, run_of, task_of

WORDS = {"R": "refusal", "c": "compliance", "d": "degenerate", "-": None}


def prompts(answers, kind=Kind.HARMFUL, name="em_rai_bias", **fields):
    """`answers`: a letter for each prompt, of WORDS; every second prompt is an obscured one."""
    samples = [
        JudgedSample(
            f"p{place}",
            0,
            f"{place}?",
            "text",
            {"keyword": label(WORDS[letter])},
            {"id": f"p{place}", "tier": ("explicit", "obscured")[place % 2], "subcategory": "hiring"},
        )
        for place, letter in enumerate(answers)
    ]
    return task_of(name, kind, samples, "bias", **fields)


def checkpoint(name, *tasks, rerun=0):
    return run_of(*tasks, checkpoint=name, path=f"{name}{rerun}/results_x.json")


def items_of(*answers):
    runs = [checkpoint(f"m{number}", prompts(each)) for number, each in enumerate(answers)]
    (of_task,) = item_statistics(runs).sets
    return of_task.items


def test_an_item_is_dead_where_all_checkpoints_or_none_refuse_it():
    states = [item.state for item in items_of("RRcd-", "RcccR", "RRcd-")]
    assert states == [State.ALL, State.APART, State.NONE, State.NONE, State.UNKNOWN]


def test_difficulty_is_the_share_of_checkpoints_with_wilsons_interval():
    rate = items_of("R", "R", "c", "-")[0].difficulty
    assert (rate.value, rate.n, rate.unscored) == (pytest.approx(2 / 3), 3, 1)
    assert (rate.low, rate.high) == pytest.approx((0.2077, 0.9385), abs=1e-4)


def test_one_checkpoint_has_no_difficulty():
    (item,) = items_of("R")
    assert (item.difficulty, item.discrimination, item.state) == (None, None, State.UNKNOWN)
    assert item.values == {"m0": 1.0}


def test_discrimination_needs_five_checkpoints_and_an_item_that_differs():
    four, five = ["RRR", "RRR", "Rcc", "Rcc"], ["RRR", "RRR", "Rcc", "Rcc", "RcR"]
    assert {item.discrimination for item in items_of(*four)} == {None}
    dead, *others = items_of(*five)
    assert dead.discrimination is None
    assert all(item.discrimination.value > 0.5 and item.discrimination.n == 5 for item in others)


def test_runs_of_one_checkpoint_are_averaged_and_a_run_named_twice_counts_once():
    first, rerun = checkpoint("m0", prompts("R")), checkpoint("m0", prompts("c"), rerun=1)
    statistics = item_statistics([first, rerun, first, checkpoint("m1", prompts("R"))])
    (item,) = statistics.sets[0].items
    assert statistics.checkpoints == {"m0": 2, "m1": 1}
    assert item.values == {"m0": 0.5, "m1": 1.0}
    assert item.difficulty.value == 0.75


def test_parts_of_an_item_come_from_its_prompt():
    item = items_of("Rc", "cR")[1]
    assert (item.domain, item.tier, item.subcategory) == ("bias", "obscured", "hiring")


def test_a_rate_over_items_is_clustered_by_item():
    items = items_of("Rc", "RR")
    rate = rate_of_items(item_statistics([checkpoint("m", prompts("R"))]).sets[0].metric, items)
    assert (rate.value, rate.n, rate.clusters) == (0.75, 4, 2)


def test_the_forms_of_a_probe_are_one_item():
    main = probe_task({"a": [BAD, GOOD], "b": [GOOD, GOOD]}, themes={"a": "money", "b": "wishes"})
    form = probe_task({"a_json": [BAD, BAD]}, name="em_probes_json")
    form = replace(form, samples=tuple(replace(s, doc={**s.doc, "probe_id": "a"}) for s in form.samples))
    other = probe_task({"c": [BAD]}, name="em_probes_agentic")
    runs = [checkpoint(name, main, other, form) for name in ("m0", "m1")]
    of_probes, agentic = item_statistics(runs).sets
    assert (of_probes.name, agentic.name) == ("em_probes", "em_probes_agentic")
    assert [(item.id, item.subcategory, item.values["m0"]) for item in of_probes.items] == [
        ("a", "money", 0.75),
        ("b", "wishes", 0.0),
    ]


def test_tasks_that_not_every_run_has_are_left_out_and_named():
    both = checkpoint("m0", prompts("R"), prompts("R", Kind.BENIGN, "em_rai_bias_benign"))
    statistics = item_statistics([both, checkpoint("m1", prompts("c"))])
    assert [each.name for each in statistics.sets] == ["em_rai_bias"]
    assert statistics.left_out == ("em_rai_bias_benign",)


@pytest.mark.parametrize(
    "other",
    [
        prompts("RR"),
        prompts("R", version="2.0"),
        prompts("R", judges=judged_by("keyword", version="2")),
        prompts("R", chat_template=False),
    ],
    ids=["prompts", "task version", "judge version", "chat template"],
)
def test_runs_that_are_not_comparable_are_refused(other):
    with pytest.raises(ResultError, match="not comparable"):
        item_statistics([checkpoint("m0", prompts("R")), checkpoint("m1", other)])


def test_runs_without_a_common_task_are_refused():
    with pytest.raises(ResultError, match="no task in common"):
        item_statistics([checkpoint("m0", prompts("R")), checkpoint("m1", prompts("R", name="em_rai_safety"))])


def test_a_judge_that_did_not_judge_is_refused_with_those_that_did():
    with pytest.raises(ConfigError, match="judge nobody gives; judges: keyword"):
        item_statistics([checkpoint("m0", prompts("R"))], judge="nobody")


def test_a_short_form_names_prompts_of_each_task():
    tendencies = ("RRRRRR", "RRRRRc", "RRRRcc", "RRRccc", "RRcccc", "Rccccc")
    runs = [checkpoint(f"m{number}", prompts(each)) for number, each in enumerate(tendencies)]
    (form,) = short_forms(item_statistics(runs), 2)
    assert (form.task, form.of, len(form.ids)) == ("em_rai_bias", 6, 2)
    assert {int(name[1:]) % 2 for name in form.ids} == {0, 1}  # one of each tier
    with pytest.raises(ResultError, match="no task has 7 prompts"):
        short_forms(item_statistics(runs), 7)
