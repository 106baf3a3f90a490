"""What a test of a judge model on a rubric's cases says: with a scripted judge model that knows the answers."""

import json
import re

import pytest

from em_bench import api
from em_bench.calibration.case_file import read_cases
from em_bench.errors import ConfigError
from em_bench.judge_model import Completion
from em_bench.testing import ScriptedJudgeModel, installed, prompt_text
from em_bench_judges.rubric import FOLDER

NAMES = sorted(path.stem for path in (FOLDER / "cases").glob("*.yaml"))
FENCED = re.compile(r"<<<PROMPT (\w+)>>>\n(.*)\n<<<END PROMPT.*<<<RESPONSE \1>>>\n(.*)\n<<<END RESPONSE", re.DOTALL)


def answer_for(case, degenerate=None):
    """What a judge model says that gives the expected verdict."""
    if case.by_score and case.by_score[1] <= 1:
        middle = round(sum(case.by_score) / 2 * 8)
        return f"It does so.\nrefused: 0\nspecificity: {1 + middle // 2}\nconvincingness: {1 + (middle + 1) // 2}"
    if case.by_score:
        return str(round(sum(case.by_score) / 2))
    label = case.expected if isinstance(case.expected, str) else case.expected[0]
    if label.isupper():
        return label
    form = "" if case.degenerate is None else f"DEGENERATE: {'yes' if case.degenerate else 'no'}\n"
    return f"It does so.\n{form}VERDICT: {label}"


def oracle(name, wrong=()):
    """A judge model that says of each case what is expected, but for those in `wrong`."""
    cases = read_cases(FOLDER / "cases" / f"{name}.yaml").cases
    by_text = {(case.sample.prompt, case.sample.response.strip()): case for case in cases}

    def respond(request):
        _, prompt, response = FENCED.search(prompt_text(request)).groups()
        case = by_text.get((prompt, response), cases[0])  # the pair that a readiness check asks about is no case
        return wrong[case.sample.id] if case.sample.id in wrong else answer_for(case)

    return ScriptedJudgeModel(respond, name="toy:x")


def run(name, model, **options):
    with installed(judge_models={"toy": lambda *_, **__: model}):
        return api.test_rubric(name, api.JudgeSelection(model="toy:x"), **options)


@pytest.mark.parametrize("name", NAMES)
def test_a_judge_model_that_gives_every_expected_verdict_misses_none(name):
    (test,) = run(name, model := oracle(name))
    assert (test.agreement.value, test.missed, dict(test.unscored)) == (1.0, (), {})
    assert test.auc is None or test.auc.value > 0.97
    assert test.separated is None or {rate.value for rate in test.separated.values()} == {1.0}
    assert test.form is None or test.form.value == 1.0
    assert model.closed == 1
    json.dumps(test.to_dict())


def test_what_is_missed_confused_and_unscored_is_counted():
    wrong = {
        "plain": "It complies.\nVERDICT: compliance",
        "terse": "I cannot judge this.",
        "json": Completion(error="x"),
    }
    (test,) = run("refusal", oracle("refusal", wrong))
    n = len(test.results)
    assert (test.agreement.n, test.agreement.unscored) == (n - 2, 2)
    assert test.agreement.value == pytest.approx((n - 3) / (n - 2))
    assert [each.case.sample.id for each in test.missed] == ["plain"]
    assert test.missed[0].verdict.reason == "It complies."
    assert test.confusion["refusal"]["compliance"] == 1
    assert test.confusion["refusal"]["unscored"] == 2
    assert set(test.unscored) == {"the judge declined", "request failed: x"}
    assert test.clear.value < 1.0 == test.borderline.value


def test_a_judge_model_that_is_too_mild_separates_by_rank_and_not_at_the_cut_off():
    cases = read_cases(FOLDER / "cases" / "alignment.yaml").cases
    mild = {case.sample.id: str(round(40 + case.by_score[0] / 2)) for case in cases if case.by_score}
    (test,) = run("alignment", oracle("alignment", mild))
    assert test.separated["hits"].value == 0
    assert test.separated["others"].value == 1
    assert test.auc.value > 0.9
    assert test.agreement.value < 0.8


def test_several_judge_models_are_tested_one_by_one():
    models = {"x": oracle("care"), "y": oracle("care", {"cold-refusal": "Fine.\nVERDICT: supportive"})}
    with installed(judge_models={"toy": lambda name, **_: models[name]}):
        tests = api.test_rubric("care", api.JudgeSelection(model="toy:x,toy:y"))
    assert [test.model for test in tests] == ["toy:x", "toy:y"]
    assert [len(test.missed) for test in tests] == [0, 1]


OWN = """name: politeness
version: "1"
reading: labels
labels: [polite, rude]
prompt: "{{ response }} VERDICT: <polite or rude>"
"""
TABLE = "rubric: politeness\ncases:\n- {id: a, prompt: p, response: Thanks., expect: %s, why: thanks}\n"


def own_rubric(tmp_path, expect="polite"):
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "own.yaml").write_text(TABLE % expect)
    (tmp_path / "own.yaml").write_text(OWN)
    return str(tmp_path / "own.yaml")


def test_a_rubric_of_ones_own_has_its_cases_beside_it(tmp_path):
    (test,) = run(own_rubric(tmp_path), ScriptedJudgeModel(lambda _: "VERDICT: polite"))
    assert (test.rubric, test.agreement.value) == ("politeness", 1.0)


def test_another_table_may_be_named(tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(TABLE % "rude")
    (test,) = run(own_rubric(tmp_path), ScriptedJudgeModel(lambda _: "VERDICT: polite"), cases=other)
    assert test.agreement.value == 0.0


@pytest.mark.parametrize(
    ("expect", "reason"),
    [("kind", "case a expects 'kind', which rubric 'politeness' never gives"), ("[0, 5]", "expects a range of scores")],
)
def test_an_expectation_that_the_rubric_cannot_meet_is_refused(tmp_path, expect, reason):
    with pytest.raises(ConfigError, match=re.escape(reason)):
        run(own_rubric(tmp_path, expect), ScriptedJudgeModel())


def test_without_a_table_or_a_judge_model_it_says_what_to_do(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN)
    with pytest.raises(ConfigError, match="has no table of cases; name one with `--cases`"):
        run(str(tmp_path / "own.yaml"), ScriptedJudgeModel())
    with pytest.raises(ConfigError, match="name one with `--judge-model`"):
        api.test_rubric("refusal", api.JudgeSelection())
