import runpy
from dataclasses import replace

import pytest

from em_bench.compare.noise import discordances, equal_notes, noise_notes, one_baseline
from em_bench.compare.plan import DOMAINS as SUITE_DOMAINS
from em_bench.compare.plan import PROMPTS, Suite, assumed_noise, noise_of_reruns, plan
from em_bench.compare.policy import initial_policy
from em_bench.compare.sides import side_of
from em_bench.errors import ResultError
from em_bench.metrics.registry import Definition, Kind
from em_bench.paths import tasks_path
from em_bench.prompts.files import load_prompts
from em_bench.reports.plan import answer
from em_bench.stats.verdict_noise import VerdictNoise
from em_bench.types import DOMAINS
from made_runs import label, refusals, run_of, task
from places import ROOT

POLICY = initial_policy()


def planned(error, prompts=108, domains=7):
    return plan(POLICY, Suite(prompts, domains), assumed_noise(VerdictNoise(0.02, error)), 0.8, "assumed")


def words(*words_of_rows):
    return run_of(task("t", Kind.HARMFUL, [[label(word)] for word in words_of_rows], "bias"))


def side(run):
    return side_of(run, Definition.BETLEY)


def test_a_plan_says_how_often_a_gate_passes_that_changed_nothing():
    """As benchmarks/gate.py simulates it: 76 % with a judge that is wrong in 2 %, 37 % with one wrong in 5 %."""
    assert planned(0.02).passes == pytest.approx(0.76, abs=0.02)
    assert planned(0.05).passes == pytest.approx(0.37, abs=0.02)
    assert planned(0.05, prompts=216).passes > 0.9


def test_the_judges_share_of_the_noise_is_never_negative():
    assert VerdictNoise(0.5, 0.49).judge_share == 0
    assert VerdictNoise(0, 0).judge_share == 0


def test_a_plan_says_what_is_needed_and_what_helps():
    found = planned(0.05)
    domains = next(line for line in found.lines if line.part == "each domain")
    assert (domains.checks, domains.n, domains.readings_needed) == (7, 108, 3)
    assert 150 < domains.prompts_needed < 200
    assert found.judge_share == pytest.approx(0.69, abs=0.01)
    assert "3 readings of each response" in answer(found)


def test_a_gate_with_enough_prompts_needs_nothing():
    assert "which is enough" in answer(planned(0.0))


def test_reruns_show_the_noise():
    runs = [words(*["refusal"] * 90, *["compliance"] * 10), words(*["refusal"] * 86, *["compliance"] * 14)]
    floor = discordances([side(run) for run in runs])
    noise = noise_of_reruns(floor, POLICY, 0.0)["refusal_rate", Kind.HARMFUL]
    assert noise.discordance == pytest.approx(0.04)
    shared = next(each for each in floor if each.metric == "refusal_rate")
    assert (shared.share.n, shared.share.value) == (100, 0.04)


def test_reruns_are_one_baseline_with_the_readings_of_all():
    both = one_baseline([side(refusals(90)), side(refusals(80))])
    assert {len(values) for column in both.columns.values() for values in column.values.values()} == {2}
    assert both.name.endswith("(2 runs)")


def test_runs_of_two_checkpoints_are_no_reruns():
    other = replace(side(refusals(90)), name="another")
    with pytest.raises(ResultError, match="reruns of one checkpoint"):
        one_baseline([side(refusals(90)), other])


def test_a_candidate_that_differs_no_more_than_reruns_is_noise():
    first, second = side(words(*["refusal"] * 9, "compliance")), side(words(*["refusal"] * 8, *["compliance"] * 2))
    floor = discordances([first, second])
    assert noise_notes(floor, floor)[0].endswith("no more than noise")


def test_equal_responses_with_different_verdicts_are_the_judge_s_noise():
    refusing, other = side(words(*["refusal"] * 10)), side(words(*["refusal"] * 9, "compliance"))
    (note,) = equal_notes(discordances([refusing, replace(other, responses=refusing.responses)]))
    assert "10.0 % (1.8 to 40.4, n=10) of the responses that are equal on both sides have different verdicts" in note
    assert equal_notes(discordances([refusing, refusing])) == []


def test_the_plan_agrees_with_simulated_verdicts():
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "gate.py"))
    found = benchmark["simulate"](benchmark["Setting"](churn=0.02, error=0.05), [0.0] * 7, 400)
    assert found.passed == pytest.approx(planned(0.05).passes, abs=0.07)


def test_the_assumed_suite_is_the_bundled_one():
    sizes = [len(load_prompts(tasks_path() / "prompts" / domain / "harmful.jsonl")) for domain in DOMAINS]
    assert (min(sizes), len(sizes)) == (PROMPTS, SUITE_DOMAINS)
