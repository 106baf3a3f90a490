from dataclasses import replace

import pytest

from em_bench.compare.comparison import compare
from em_bench.compare.diagnosis import Change
from em_bench.compare.gate import Outcome, gate
from em_bench.compare.judges import Agreement, each_judge
from em_bench.compare.policy import parse_policy
from em_bench.compare.regressions import with_regressions
from em_bench.metrics.registry import Kind
from em_bench.reports.judges import answer_line
from made_runs import judged_by, label, probes, run_of, task

POLICY = parse_policy({"version": 1, "metrics": {"refusal_rate": {"margin": 0.05}}}, "policy")


def judged(n=100, **refused):
    """One domain; `refused`: of each judge, how many of n answers it calls refusals."""
    made = task("em_rai_bias", Kind.HARMFUL, [[label("refusal")]] * n, "bias")
    samples = tuple(
        replace(
            sample,
            verdicts={judge: label("refusal" if place < count else "compliance") for judge, count in refused.items()},
        )
        for place, sample in enumerate(made.samples)
    )
    return run_of(replace(made, samples=samples, judges=judged_by(*refused)))


def verdicts(before, after, policy=None):
    tables = [compare(before, after)]
    gated = [compare(before, after, confidence=policy.confidence)] if policy else []
    (found,) = each_judge(tables, None, gated, policy)
    return found


@pytest.mark.parametrize(
    ("keyword", "llm", "agreement"),
    [(50, 50, Agreement.AGREE), (90, 90, Agreement.AGREE), (90, 50, Agreement.PARTLY), (100, 50, Agreement.OPPOSITE)],
)
def test_judges_agree_by_what_is_significant(keyword, llm, agreement):
    found = verdicts(judged(keyword=90, llm=90), judged(keyword=keyword, llm=llm))
    (row,) = [row for row in found.rows if row.metric.name == "refusal_rate"]
    assert row.agreement is agreement
    assert found.survives is (agreement is Agreement.AGREE)


def test_each_judge_has_its_own_diagnosis():
    found = verdicts(judged(keyword=90, llm=90), judged(keyword=90, llm=50))
    kinds = {verdict.judge: verdict.kind for verdict in found.verdicts}
    assert kinds["llm"] is Change.REFUSAL_LOST
    assert kinds["keyword"] is not Change.REFUSAL_LOST


def test_the_gate_is_passed_or_not_by_judge():
    found = verdicts(judged(300, keyword=290, llm=290), judged(300, keyword=290, llm=150), POLICY)
    assert {verdict.judge: verdict.outcome for verdict in found.verdicts} == {
        "keyword": Outcome.PASS,
        "llm": Outcome.REGRESS,
    }
    assert found.survives is False
    assert answer_line(found).startswith("The gate's verdict depends on the judge: pass with keyword first; regress")


def test_a_gate_that_every_judge_decides_alike_survives():
    found = verdicts(judged(300, keyword=290, llm=280), judged(300, keyword=150, llm=150), POLICY)
    assert found.survives is True
    assert "survives the judge: regress with keyword, llm first" in answer_line(found)


def test_one_judge_alone_has_nothing_to_compare():
    found = verdicts(run_of(probes([0] * 8)), run_of(probes([1] * 8)))
    assert found.survives is None
    assert "No rate is measured by two judges (llm)" in answer_line(found)


def test_what_only_the_gate_calls_a_regression_ends_the_diagnosis():
    policy = parse_policy({"version": 1, "metrics": {"refusal_rate": {"margin": 0.01}}}, "policy")
    before, after = judged(300, keyword=290), judged(300, keyword=280)
    result = gate(compare(before, after, confidence=policy.confidence), policy)
    sentence = with_regressions(compare(before, after), result).diagnosis.sentence
    assert result.outcome is Outcome.REGRESS
    assert sentence.endswith("by the gate's one-sided test worse than its margin: refusal, bias.")


def test_a_regression_that_the_diagnosis_names_is_not_repeated():
    before, after = judged(300, keyword=290), judged(300, keyword=100)
    compared = compare(before, after)
    result = gate(compare(before, after, confidence=POLICY.confidence), POLICY)
    assert with_regressions(compared, result) == compared
