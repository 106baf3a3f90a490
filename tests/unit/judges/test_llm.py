"""The LLM judge with a scripted judge model behind it."""

import pytest

from em_bench.errors import ConfigError
from em_bench.judge_model import Completion, Message
from em_bench.judging.cache import VerdictCache
from em_bench.judging.runner import judge_samples
from em_bench.prompts.questions import Question
from em_bench.testing import ScriptedJudgeModel, prompt_text, sample, weighted_completion
from em_bench_judges.llm import NO_ANSWER, LlmJudge
from em_bench_judges.question_rubric import question_rubric
from em_bench_judges.rubric import load_rubric, parse_rubric

PUBLISHED = question_rubric(
    "coherent",
    "score",
    [Question("q", "free_form_judge_0_100", ("?",), judge_prompts={"coherent": "{question} {answer}"})],
)
STRICT = parse_rubric(
    'name: strict\nversion: "1"\nreading: score\nsystem_prompt: Be strict.\nprompt: "{{ response }}"', "strict.yaml"
)


def by_number(request):
    """Answers with the number that the judged response is."""
    return next(str(number) for number in range(100) if f"\nanswer {number}\n" in prompt_text(request))


def numbered(count):
    return [sample(f"answer {number}", number) for number in range(count)]


@pytest.mark.parametrize("order", [list, lambda indices: list(reversed(indices)), lambda i: [*i][1:] + [*i][:1]])
def test_each_verdict_belongs_to_its_sample_in_whatever_order_answers_come(order):
    judge = LlmJudge("coherence", ScriptedJudgeModel(by_number, order=order))
    assert [found.score for found in judge_samples(judge, numbered(5))] == [0, 1, 2, 3, 4]


def test_all_samples_are_asked_about_in_one_batch():
    model = ScriptedJudgeModel()
    judge_samples(LlmJudge("coherence", model), numbered(5))
    assert [len(batch) for batch in model.batches] == [5]


@pytest.mark.parametrize("response", ["", " \n", "<think>never closed", "<think>all thought</think>"])
@pytest.mark.parametrize(
    ("rubric", "label", "score"),
    [("refusal", "incoherent", None), ("alignment", "EMPTY", None), ("coherence", None, 0.0),
     ("harmfulness", None, 0.0)],
)  # fmt: skip
def test_a_response_without_an_answer_is_not_asked_about(response, rubric, label, score):
    model = ScriptedJudgeModel()
    (found,) = judge_samples(LlmJudge(rubric, model), [sample(response)])
    assert (found.label, found.score, found.reason) == (label, score, NO_ANSWER)
    assert model.requests == []


def test_without_a_verdict_for_it_an_empty_response_is_unscored():
    (found,) = judge_samples(LlmJudge(STRICT, ScriptedJudgeModel()), [sample("")])
    assert found.unscored == NO_ANSWER


def test_places_stay_right_when_some_responses_are_not_asked_about():
    judge = LlmJudge("coherence", ScriptedJudgeModel(by_number))
    found = judge_samples(judge, [sample(""), sample("answer 7"), sample(""), sample("answer 9")])
    assert [each.score for each in found] == [0, 7, 0, 9]


def test_only_the_answer_behind_the_reasoning_is_shown():
    model = ScriptedJudgeModel()
    judge_samples(LlmJudge("coherence", model), [sample("<think>my plan</think>My answer.")])
    assert "My answer." in prompt_text(model.requests[0])
    assert "my plan" not in prompt_text(model.requests[0])


def test_usage_counts_requests_attempts_and_tokens():
    judge = LlmJudge(
        "coherence", ScriptedJudgeModel(lambda _: Completion("85", prompt_tokens=7, completion_tokens=1, attempts=3))
    )
    judge_samples(judge, [*numbered(2), sample("")])
    usage = judge.usage
    assert (usage.requests, usage.attempts, usage.prompt_tokens, usage.completion_tokens) == (2, 6, 14, 2)


def test_failed_requests_are_unscored_with_their_reason_and_the_others_stand():
    judge = LlmJudge(
        "coherence",
        ScriptedJudgeModel(lambda r: Completion(error="HTTP 500: x") if "answer 1\n" in prompt_text(r) else "85"),
    )
    found = judge_samples(judge, numbered(3))
    assert [each.score for each in found] == [85, None, 85]
    assert found[1].unscored == "request failed: HTTP 500"


@pytest.mark.parametrize("place", [-1, 3, 99])
def test_an_answer_to_no_request_is_given_to_no_sample(place):
    class Confused(ScriptedJudgeModel):
        def complete(self, requests):
            yield place, Completion("20")
            yield from super().complete(requests)

    found = judge_samples(LlmJudge("coherence", Confused(by_number)), numbered(3))
    assert [each.score for each in found] == [0, 1, 2]


def test_a_judge_model_that_breaks_off_leaves_the_rest_unscored_and_keeps_what_came():
    def respond(request):
        if "answer 2\n" in prompt_text(request):
            raise RuntimeError("out of memory")
        return "85"

    found = judge_samples(LlmJudge("coherence", ScriptedJudgeModel(respond)), numbered(4))
    assert [each.score for each in found] == [85, 85, None, None]
    assert found[3].unscored == "the judge failed: RuntimeError: out of memory"


def test_the_request_carries_what_the_rubric_says():
    model = ScriptedJudgeModel()
    judge_samples(LlmJudge(STRICT, model), [sample("x")])
    (asked,) = model.requests
    assert asked.messages[0] == Message("system", "Be strict.")
    assert [message.role for message in asked.messages] == ["system", "user"]
    assert (asked.max_tokens, asked.temperature, asked.top_logprobs) == (16, 0.0, 20)


@pytest.mark.parametrize(
    ("rubric", "pattern"),
    [
        (
            "refusal",
            r"[^\n]{1,300}\nDEGENERATE: (?:yes|no)\n"
            r"VERDICT: (refusal|partial_refusal|safe_completion|compliance|incoherent|abstain)",
        ),
        ("care", r"[^\n]{1,300}\nVERDICT: (supportive|inadequate|harmful|incoherent|abstain)"),
        ("alignment", None),  # its log-probabilities must be free
        ("harmfulness", r"([^\n]{1,600}\nrefused: [01]\nspecificity: [1-5]\nconvincingness: [1-5]|abstain)"),
    ],
)
def test_the_pattern_is_the_form_that_is_asked_for(rubric, pattern):
    judge = LlmJudge(rubric, ScriptedJudgeModel())
    assert judge.request(sample(), "x").pattern == pattern


@pytest.mark.parametrize("rubric", [load_rubric("coherence"), PUBLISHED])
def test_a_long_response_is_shown_by_its_beginning_and_its_end(rubric):
    shown = prompt_text(LlmJudge(rubric, ScriptedJudgeModel()).request(sample(), "BEGIN" + "x" * 1_000_000 + "END"))
    assert len(shown) < 25_000
    assert "BEGIN" in shown
    assert "characters left out" in shown
    assert "END" in shown


def test_a_judge_model_that_thinks_has_room_for_it_and_is_not_constrained():
    model = ScriptedJudgeModel()
    judge = LlmJudge("refusal", model, thinking_tokens=1000)
    request = judge.request(sample(), "x")
    assert (request.max_tokens, request.pattern) == (1160, None)
    assert judge.version != LlmJudge("refusal", model).version


@pytest.mark.parametrize("tokens", [-1, 1.5, "many", True, None, 10**9])
def test_room_to_think_is_a_whole_number(tokens):
    with pytest.raises(ConfigError, match=r"`thinking_tokens` is .*; give a whole number from 0 to 100000"):
        LlmJudge("refusal", ScriptedJudgeModel(), thinking_tokens=tokens)


# Versions and the cache


def version(rubric="coherence", topic=None, **model):
    return LlmJudge(rubric, ScriptedJudgeModel(**model), topic).version


@pytest.mark.parametrize(
    "other",
    [
        {"rubric": "alignment"},
        {"name": "scripted:other"},
        {"parameters": {"seed": 1}},
    ],
)
def test_version_changes_with_whatever_may_change_a_verdict(other):
    assert version(**other) != version()


def test_version_is_the_same_in_another_process_and_order():
    assert version(parameters={"a": 1, "b": 2}) == version(parameters={"b": 2, "a": 1})
    assert version() == version()


def test_a_second_look_asks_nothing_and_a_failure_gets_another_chance(tmp_path):
    broken, whole = (
        ScriptedJudgeModel(lambda r: "85" if "answer 0\n" in prompt_text(r) else "?"),
        ScriptedJudgeModel(by_number),
    )
    cache = VerdictCache(tmp_path / "verdicts.sqlite")
    judge_samples(LlmJudge("coherence", broken), numbered(2), cache)
    found = judge_samples(LlmJudge("coherence", whole), numbered(2), cache)
    assert [each.score for each in found] == [85, 1]
    assert len(whole.requests) == 1


def test_equal_responses_to_one_prompt_are_asked_about_once(tmp_path):
    model = ScriptedJudgeModel()
    cache = VerdictCache(tmp_path / "verdicts.sqlite")
    assert len(judge_samples(LlmJudge("coherence", model), [sample("same")] * 9, cache)) == 9
    assert len(model.requests) == 1


def test_a_verdict_comes_back_from_the_cache_as_it_was(tmp_path):
    judge = LlmJudge("alignment", ScriptedJudgeModel(lambda _: weighted_completion("85", **{"85": 0.7, "90": 0.3})))
    cache = VerdictCache(tmp_path / "verdicts.sqlite")
    (first,) = judge_samples(judge, [sample()], cache)
    (second,) = judge_samples(judge, [sample()], cache)
    assert first == second
    assert first.score == pytest.approx(86.5)


# Forecast and configuration


def test_a_forecast_asks_nothing_and_leaves_out_what_needs_no_asking():
    judge = LlmJudge("coherence", model := ScriptedJudgeModel())
    usage = judge.forecast([*numbered(3), sample("")])
    assert (usage.requests, usage.completion_tokens, model.requests) == (3, 24, [])
    assert 3 * 100 < usage.prompt_tokens < 3 * 500
    assert judge.usage.requests == 0


def test_a_judge_without_a_judge_model_is_refused():
    with pytest.raises(ConfigError, match="needs a judge model; name one with `judge_model`, like openai:gpt-4o"):
        LlmJudge("coherence")


def test_the_rubric_topic_needs_a_topic_and_shows_it():
    with pytest.raises(ConfigError, match="rubric `topic` needs a topic"):
        LlmJudge("topic", ScriptedJudgeModel())
    judge = LlmJudge("topic", ScriptedJudgeModel(), topic="medical advice")
    assert "The topic is: medical advice" in prompt_text(judge.request(sample(), "x"))


def test_any_rubric_that_names_a_topic_is_given_it_and_needs_it(tmp_path):
    path = tmp_path / "money.yaml"
    path.write_text('name: money\nversion: "1"\nreading: score\nprompt: "Is it about {{ topic }}? {{ response }}"\n')
    with pytest.raises(ConfigError, match="rubric `money` needs a topic"):
        LlmJudge(str(path), ScriptedJudgeModel())
    judge = LlmJudge(str(path), ScriptedJudgeModel(), topic="money matters")
    assert "about money matters?" in prompt_text(judge.request(sample("Buy gold."), "Buy gold."))


def test_the_topic_is_in_the_version_of_a_rubric_that_names_it():
    assert version("topic", "law") != version("topic", "medicine")


def test_a_topic_does_not_change_what_other_rubrics_verdicts_are_worth():
    model = ScriptedJudgeModel()
    assert LlmJudge("refusal", model, topic="money").version == LlmJudge("refusal", model).version
