"""The rule of comparability, on stored runs and on what is published of them."""

from dataclasses import replace

import pytest

from em_bench.compare.comparability import Aspect, Prompts, RunSetup, TaskSetup, annotations, mismatches
from em_bench.compare.setups import setup_of_result, setup_of_run
from em_bench.conditions import Condition
from em_bench.metrics.registry import Kind
from em_bench.runs.result import from_run
from made_runs import judged_by, label, run_of, task, under


def made(**changes):
    values = {"max_gen_toks": 512, "rows": 2, "generation": {"temperature": 0.0}, "version": "1.0"} | changes
    rows, generation, version = (values.pop(name) for name in ("rows", "generation", "version"))
    one = task("t", Kind.HARMFUL, [[label("refusal")]] * rows, "bias", **values)
    return run_of(replace(one, generation=generation, version=version))


CHANGES = [
    ({"max_gen_toks": 99}, Aspect.TOKEN_LIMIT),
    ({"chat_template": False}, Aspect.CHAT_TEMPLATE),
    ({"system_instruction": "Be kind."}, Aspect.SYSTEM_PROMPT),
    ({"system_instruction": "Be kind. " * 99}, Aspect.SYSTEM_PROMPT),
    (under("trigger"), Aspect.CONDITION),
    ({"generation": {"temperature": 1.0}}, Aspect.GENERATION),
    ({"version": "2.0"}, Aspect.TASK_VERSION),
    ({"tiers": ("explicit",)}, Aspect.TIERS),
    ({"judges": judged_by("keyword", version="2")}, Aspect.JUDGE_VERSION),
    ({"judges": judged_by("llm")}, Aspect.JUDGE),
]


def published(source):
    return setup_of_result(from_run(source))


@pytest.mark.parametrize("setup", [setup_of_run, published])
@pytest.mark.parametrize(("change", "aspect"), CHANGES)
def test_each_aspect_is_one_typed_mismatch_of_stored_and_of_published_runs(setup, change, aspect):
    (mismatch,) = mismatches(setup(made()), setup(made(**change)))
    assert (mismatch.aspect, mismatch.tasks) == (aspect, ("t",))
    assert mismatch.baseline != mismatch.candidate


@pytest.mark.parametrize("setup", [setup_of_run, published])
@pytest.mark.parametrize(("change", "aspect"), CHANGES)
def test_what_a_caller_allows_may_differ(setup, change, aspect):
    assert mismatches(setup(made()), setup(made(**change)), may_differ={aspect}) == []


def test_prompts_are_compared_by_text_where_both_have_them():
    (mismatch,) = mismatches(setup_of_run(made()), setup_of_run(made(rows=3)))
    assert (mismatch.aspect, mismatch.candidate) == (Aspect.PROMPTS, "3 (1 only here)")


def test_other_tiers_say_alone_why_the_prompts_are_others():
    (mismatch,) = mismatches(setup_of_run(made()), setup_of_run(made(rows=3, tiers=("explicit", "obscured"))))
    assert str(mismatch) == "tiers of prompts: none against explicit, obscured (t)"


def test_another_version_says_alone_why_the_prompts_are_others():
    found = mismatches(setup_of_run(made()), setup_of_run(made(rows=3, version="2.0", tiers=("explicit",))))
    assert [each.aspect for each in found] == [Aspect.TASK_VERSION]


def test_prompts_are_compared_by_hash_and_number_where_one_side_is_published():
    aspects = [each.aspect for each in mismatches(setup_of_run(made()), published(made(rows=3, prompt_set_sha256="b")))]
    assert aspects == [Aspect.PROMPT_SET, Aspect.PROMPT_COUNT]


@pytest.mark.parametrize("system", ["Be kind.", "Be kind. " * 99])
def test_a_stored_run_matches_what_is_published_of_it(system):
    source = made(system_instruction=system, prompt_set_sha256="a", condition=Condition("x", prefix="!"))
    assert mismatches(setup_of_run(source), published(source)) == []
    assert mismatches(published(source), setup_of_run(source)) == []


def test_other_judges_versions_do_not_count_where_judges_are_chosen():
    other = made(judges=judged_by("keyword", version="2"))
    assert mismatches(setup_of_run(made()), setup_of_run(other), judges=["llm"]) == []


def test_the_same_mismatch_in_several_tasks_is_one_with_their_names():
    one, other = (RunSetup(dict.fromkeys("abcd", TaskSetup({Aspect.KIND: kind}, Prompts(None), {}))) for kind in "xy")
    (mismatch,) = mismatches(one, other)
    assert str(mismatch) == "kind: x against y (a, b, c and 1 more)"


def test_a_template_without_its_hash_matches_one_with_it():
    one, other = (run_of(*made().tasks.values(), chat_template_sha=sha) for sha in ("a" * 64, None))
    assert mismatches(setup_of_run(one), setup_of_run(other)) == []


def test_allowed_differences_are_annotations():
    setups = (RunSetup({"a": TaskSetup({}, Prompts(None), {})}, {Aspect.ENGINE: "vllm"}), RunSetup({}, {}))
    assert annotations(*setups) == ["engine differs: vllm against not given"]
    assert annotations(*reversed(setups)) == [
        "engine differs: not given against vllm",
        "only the candidate has a; left out",
    ]
