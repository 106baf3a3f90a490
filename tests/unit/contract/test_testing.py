"""The public doubles: what third parties test with keeps its promises."""

import pytest

from em_bench.config import Settings, load_settings
from em_bench.errors import ConfigError
from em_bench.judge import HasModel, installed_judges, load_judge
from em_bench.judge_model import installed_judge_models, load_judge_model
from em_bench.judging.panel import panels_for
from em_bench.judging.runner import judge_samples
from em_bench.metrics.registry import Kind
from em_bench.testing import ScriptedJudge, ScriptedJudgeModel, installed, prompt_text, sample, samples
from em_bench_judges.llm import LlmJudge


def test_an_installed_double_is_loaded_by_its_name_and_gone_afterwards():
    judge = ScriptedJudge(name="mine")
    with installed(judge):
        assert load_judge("mine") is judge
    assert "mine" not in installed_judges()


def test_an_installed_kind_gets_the_name_and_the_options():
    with installed(judge_models={"toy": ScriptedJudgeModel.named}):
        model = load_judge_model("toy:x", seed=1)
    assert (model.name, model.parameters) == ("scripted:x", {"seed": 1})
    assert "toy" not in installed_judge_models()


def test_doubles_may_be_installed_within_each_other():
    with installed(ScriptedJudge(name="one")), installed(ScriptedJudge(name="two")):
        assert {"one", "two", "keyword"} <= installed_judges().keys()


def test_a_double_of_an_installed_name_is_refused_as_any_package_is():
    with installed(ScriptedJudge(name="keyword")), pytest.raises(ConfigError, match="is declared by em-bench"):
        load_judge("keyword")


def test_a_scripted_judge_keeps_what_it_received():
    judge = ScriptedJudge()
    assert [verdict.label for verdict in judge_samples(judge, samples(2))] == ["refusal"] * 2
    assert judge.received == samples(2)


def test_a_scripted_model_answers_an_llm_judge_and_keeps_its_requests():
    model = ScriptedJudgeModel(lambda _: "So.\nVERDICT: refusal")
    (verdict,) = judge_samples(LlmJudge("refusal", model), [sample("No way.")])
    assert verdict.label == "refusal"
    assert "No way." in prompt_text(model.requests[0])


@pytest.mark.parametrize(
    "make", [lambda judges: Settings(judges=judges), lambda judges: load_settings({"judges": judges})]
)
def test_settings_take_judge_objects_beside_names(make):
    judge = ScriptedJudge(name="mine")
    settings = make([judge, "keyword"])
    first, second = panels_for(Kind.HARMFUL, settings)
    assert first.members[0] is judge
    assert settings.judge_names == ["mine", "keyword"] == [first.name, second.name]


def test_two_judge_objects_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two judges are called mine"):
        panels_for(Kind.HARMFUL, Settings(judges=[ScriptedJudge(name="mine"), ScriptedJudge(name="mine")]))


def test_a_judge_has_only_the_options_that_it_defines():
    assert not isinstance(ScriptedJudge(), HasModel)
    assert isinstance(LlmJudge("refusal", ScriptedJudgeModel()), HasModel)
