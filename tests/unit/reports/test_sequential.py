import io

from rich.console import Console

from em_bench.compare.gate import Outcome
from em_bench.compare.sequential import SequentialCheck, SequentialResult
from em_bench.reports.sequential import sequential_line, sequential_parts

PASSED = SequentialCheck("refusal, bias", "margin 10 points", Outcome.PASS, "within", -0.021, 54, 108, early=True)
OPEN = SequentialCheck(
    "refusal, privacy", "margin 10 points", Outcome.INCONCLUSIVE, "not settled", 0.05, 108, 108, early=False
)
MISSING = SequentialCheck("coherent rate", "", Outcome.SKIPPED, "not measured on either side", None, 0, 0, early=False)


def result(outcome, *checks, asked=54, reason="every check passed"):
    documents = {"em_rai_bias": tuple(f"d{number}" for number in range(asked))}
    return SequentialResult(outcome, reason, 0.05, 1, 7, documents, 108, checks)


def printed(given):
    console = Console(file=io.StringIO(), width=100)
    for part in sequential_parts(given):
        console.print(part)
    return console.file.getvalue()


def test_the_last_line_is_the_verdict_and_what_was_saved():
    text = printed(result(Outcome.PASS, PASSED))
    assert text.splitlines()[-1] == "Gate: PASS after 54 of 108 prompts (every check passed); 54 prompts saved"


def test_where_every_prompt_was_asked_nothing_was_saved():
    line = sequential_line(result(Outcome.INCONCLUSIVE, OPEN, asked=108, reason="every prompt was asked"))
    assert line == "Gate: INCONCLUSIVE after 108 of 108 prompts (every prompt was asked)"


def test_each_check_has_its_estimate_its_prompts_and_its_verdict():
    first = printed(result(Outcome.PASS, PASSED)).splitlines()[1]
    assert first.split("  ")[0] == "refusal, bias"
    assert first.split() == ["refusal,", "bias", "-2.1", "margin", "10", "points", "54", "of", "108", "pass"]


def test_why_a_check_did_not_pass_is_printed():
    text = printed(result(Outcome.INCONCLUSIVE, PASSED, OPEN, MISSING))
    assert "inconclusive: refusal, privacy, margin 10 points: not settled\n" in text
    assert "not checked: coherent rate: not measured on either side\n" in text


def test_of_a_regression_only_what_regressed_is_explained():
    lost = SequentialCheck("refusal, safety", "margin 10 points", Outcome.REGRESS, "worse", 0.3, 18, 108, early=True)
    text = printed(result(Outcome.REGRESS, lost, OPEN, reason="a check regressed"))
    assert "regress: refusal, safety, margin 10 points: worse\n" in text
    assert "not settled" not in text
