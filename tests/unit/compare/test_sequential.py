import json
from dataclasses import replace
from itertools import pairwise

import pytest

from em_bench.compare.gate import Outcome
from em_bench.compare.sequential import part_of, replay, settle
from em_bench.errors import ResultError
from em_bench.metrics.registry import Kind
from em_bench.types import DOMAINS
from gates import INITIAL_POLICY, verdict
from made_runs import judged_by, label, probes, refusals, run_of, task, with_tasks


def shuffled(lost, n=108):
    """Refusals of every domain's prompts, but for those lost, which are spread over the prompts."""
    tasks = []
    for domain in DOMAINS:
        words = ["compliance" if lost.get(domain) and d % (n // lost[domain]) == 0 else "refusal" for d in range(n)]
        tasks.append(task(f"em_rai_{domain}", Kind.HARMFUL, [[label(word)] for word in words], domain))
        tasks.append(task(f"em_rai_{domain}_benign", Kind.BENIGN, [[label("compliance")]] * 56, domain))
    return run_of(*tasks)


BASELINE = shuffled({})


def test_where_nothing_changed_it_passes_after_half_of_the_prompts():
    result = replay(BASELINE, BASELINE, INITIAL_POLICY)
    assert (result.outcome, result.reason) == (Outcome.PASS, "every check passed")
    assert result.early
    assert result.asked < 0.55 * result.total
    assert result.total == 7 * (108 + 56)


def test_a_great_loss_regresses_at_once():
    result = replay(BASELINE, shuffled(dict.fromkeys(DOMAINS, 54)), INITIAL_POLICY)
    assert (result.outcome, result.reason) == (Outcome.REGRESS, "a check regressed")
    assert result.looks == 1 or result.asked < 0.25 * result.total


def test_a_loss_in_one_domain_regresses_there():
    result = replay(BASELINE, shuffled({"privacy": 36}), INITIAL_POLICY)
    assert result.outcome is Outcome.REGRESS
    regressed = {check.name for check in result.checks if check.outcome is Outcome.REGRESS}
    assert "refusal, privacy" in regressed
    assert regressed <= {"refusal, privacy", "refusal, all harmful"}


def test_domains_that_have_passed_are_not_asked_further():
    result = replay(BASELINE, shuffled({"privacy": 9}), INITIAL_POLICY)
    asked = {name: len(documents) for name, documents in result.documents.items()}
    assert asked["em_rai_privacy"] == 108
    assert asked["em_rai_bias"] < 80


def test_what_no_prompt_settles_is_decided_as_in_the_ordinary_gate():
    candidate = shuffled({"privacy": 9})
    result = replay(BASELINE, candidate, INITIAL_POLICY)
    (privacy,) = [check for check in result.checks if check.name == "refusal, privacy"]
    (ordinary,) = [check for check in verdict(BASELINE, candidate).checks if check.name == "refusal, privacy"]
    assert not privacy.early
    assert (privacy.outcome, privacy.units) == (ordinary.outcome, 108)
    assert result.outcome is ordinary.outcome is Outcome.INCONCLUSIVE


def test_few_probes_are_all_asked_and_pass_by_the_ordinary_gate():
    source = with_tasks(BASELINE, probes([0] * 32))
    result = replay(source, source, INITIAL_POLICY)
    (check,) = [check for check in result.checks if check.name.startswith("misaligned")]
    assert (check.outcome, check.units, check.early) == (Outcome.PASS, 32, False)
    assert result.outcome is Outcome.PASS


def test_a_required_metric_that_is_not_measured_is_inconclusive():
    rules = tuple(replace(rule, required=True) for rule in INITIAL_POLICY.rules)
    result = replay(BASELINE, BASELINE, replace(INITIAL_POLICY, rules=rules))
    assert result.outcome is Outcome.INCONCLUSIVE
    unmeasured = {check.name for check in result.checks if check.outcome is Outcome.INCONCLUSIVE}
    assert unmeasured == {"misaligned coherent, em_probes", "coherent, em_probes"}


def test_each_look_asks_for_all_before_and_more():
    looks = []

    def ask(documents):
        looks.append({(name, each) for name, names in documents.items() for each in names})
        return part_of(BASELINE, documents)

    result = settle(BASELINE, INITIAL_POLICY, ask)
    assert len(looks) == result.looks > 3
    assert all(before < after for before, after in pairwise(looks))


def test_a_stored_part_of_the_candidate_gives_the_same_verdict_as_the_whole():
    candidate = shuffled({"privacy": 36})
    whole = replay(BASELINE, candidate, INITIAL_POLICY)
    assert replay(BASELINE, part_of(candidate, whole.documents), INITIAL_POLICY) == whole


def test_a_candidate_that_lacks_the_next_prompts_is_not_comparable():
    with pytest.raises(ResultError, match="does not ask the same at"):
        replay(BASELINE, part_of(BASELINE, {name: ["d0", "d1"] for name in BASELINE.tasks}), INITIAL_POLICY)


def test_a_candidate_read_by_another_judge_version_is_not_comparable():
    other = refusals(100, n=108)
    tasks = {n: replace(t, judges=judged_by("keyword", version="2+def")) for n, t in other.tasks.items()}
    with pytest.raises(ResultError, match="is not comparable: judge keyword"):
        replay(refusals(100, n=108), replace(other, tasks=tasks), INITIAL_POLICY)


def test_a_policy_without_a_check_of_the_baselines_prompts_is_refused():
    with pytest.raises(ResultError, match="no prompt that the policy has a check for"):
        rules = tuple(rule for rule in INITIAL_POLICY.rules if rule.metric == "coherent_rate")
        replay(BASELINE, BASELINE, replace(INITIAL_POLICY, rules=rules))


def test_a_result_is_plain_json():
    result = replay(BASELINE, BASELINE, INITIAL_POLICY)
    assert json.loads(json.dumps(result.to_dict()))["asked"] == result.asked


def test_an_early_estimate_that_strays_beyond_the_margin_is_no_regression():
    candidate = shuffled(dict.fromkeys(DOMAINS, 4))  # 3.7 points; the margin is 5
    outcomes = {replay(BASELINE, candidate, INITIAL_POLICY, seed).outcome for seed in range(8)}
    assert Outcome.REGRESS not in outcomes
