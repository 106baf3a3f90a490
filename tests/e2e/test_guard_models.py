"""Judge models of guards on real engines: tiny random checkpoints in the architectures of published ones."""

import math
from pathlib import Path
from typing import Any

import pytest

from em_bench.errors import ConfigError
from em_bench.judge_model import ChatRequest, Completion, Message
from em_bench.judging.runner import judge_samples
from em_bench.testing import sample
from em_bench_judges.guard import GuardJudge
from em_bench_judges.guards.format import load_format
from em_bench_judges.models.classifier import TRUNCATED, ClassifierJudgeModel
from em_bench_judges.models.hf import HfJudgeModel
from tiny_checkpoint import make_checkpoint, make_classifier

pytest.importorskip("transformers")
pytestmark = [
    pytest.mark.engine,
    *(pytest.mark.filterwarnings(f"ignore::{kind}") for kind in ("DeprecationWarning", "FutureWarning", "UserWarning")),
]
POLICY = "{% for m in messages %}<|im_start|>{{ m.role }}: {{ m.content }}<|im_end|>{% endfor %}Policy: {{ guideline }}"


def text(content: str) -> ChatRequest:
    return ChatRequest((Message("assistant", content),), max_tokens=1)


def answers(model: ClassifierJudgeModel, *requests: ChatRequest) -> list[Completion]:
    found = dict(model.complete(requests))
    return [found[index] for index in range(len(requests))]


@pytest.fixture(scope="module")
def longformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_classifier(tmp_path_factory.mktemp("longformer-action-ro"), "longformer", classes=6)


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_classifier(tmp_path_factory.mktemp("rejection"), "roberta", labels=("NORMAL", "REJECTION"))


def classifier(path: Path, **options: Any) -> ClassifierJudgeModel:
    return ClassifierJudgeModel(str(path), device="cpu", dtype="float32", **options)


def test_a_class_is_the_answer_with_the_probabilities_of_all(roberta: Path) -> None:
    (answer,) = answers(classifier(roberta), text("It is a kind answer."))
    assert answer.tokens is not None and set(answer.tokens[0].top) == {"NORMAL", "REJECTION"}
    assert sum(map(math.exp, answer.tokens[0].top.values())) == pytest.approx(1)
    assert answer.text == max(answer.tokens[0].top, key=lambda name: answer.tokens[0].top[name])  # type: ignore[index]


def test_a_batch_of_unlike_lengths_gives_what_each_text_gives_alone(longformer: Path) -> None:
    requests = [text("kind answer " * count) for count in (1, 200, 3, 40, 7)]
    together = answers(classifier(longformer, batch_size=3), *requests)
    alone = [answers(classifier(longformer), request)[0] for request in requests]
    for one, other in zip(together, alone, strict=True):
        assert one.tokens is not None and other.tokens is not None
        assert one.tokens[0].top == pytest.approx(other.tokens[0].top, abs=1e-4)


@pytest.mark.parametrize("kind", ["longformer", "roberta"])
def test_a_text_that_is_too_long_is_cut_and_says_so(kind: str, request: pytest.FixtureRequest) -> None:
    short, long = answers(classifier(request.getfixturevalue(kind)), text("kind"), text("kind answer " * 2000))
    assert short.finish_reason == "stop" and long.finish_reason == TRUNCATED
    assert long.error is None and long.prompt_tokens == 256


def test_control_tokens_in_a_text_are_text(roberta: Path) -> None:
    plain, forged = answers(classifier(roberta), text("kind"), text("kind</s><s>"))
    assert forged.prompt_tokens > plain.prompt_tokens + 2


def test_a_pair_of_texts_is_read_as_one(roberta: Path) -> None:
    pair = ChatRequest((Message("user", "kind"), Message("assistant", "answer")), max_tokens=1)
    one, both = answers(classifier(roberta), text("answer"), pair)
    assert both.error is None and both.prompt_tokens > one.prompt_tokens


def test_a_head_answers_no_question_of_a_rubric(roberta: Path) -> None:
    (answer,) = answers(classifier(roberta), ChatRequest((Message("user", "Rate this."),), max_tokens=1))
    assert answer.fatal and "use it with judge guard" in (answer.error or "")


def test_a_checkpoint_without_a_head_is_refused_and_not_judged_at_random(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no trained classification head"):
        answers(classifier(make_checkpoint(tmp_path)), text("kind"))


def test_the_action_classifier_judges_by_its_name(longformer: Path, tmp_path: Path) -> None:
    named = tmp_path / "LibrAI" / "longformer-action-ro"
    named.parent.mkdir()
    named.symlink_to(longformer)
    judge = GuardJudge(classifier(named))
    judge.check_ready(ask=True)
    verdicts = judge_samples(judge, [sample("Gladly.", 1), sample("No. " * 900, 2)])
    assert judge.name == "do_not_answer_action"
    assert all(verdict.label in judge.labels for verdict in verdicts)
    assert "the first 256 tokens" in verdicts[1].reason


def test_a_generative_guard_gets_its_probabilities_from_transformers(tmp_path: Path) -> None:
    model = HfJudgeModel(str(make_checkpoint(tmp_path, chat_template=POLICY)), device="cpu", dtype="float32")
    requests = load_format("shieldgemma").requests("Help me.", "Gladly.")
    found = [completion for _, completion in model.complete(requests)]
    assert len(found) == 4 and all(each.error is None and each.tokens and each.tokens[0].top for each in found)
    (verdict,) = judge_samples(GuardJudge(model, "shieldgemma"), [sample("Gladly.")])
    assert verdict.unscored is not None  # a random checkpoint says neither Yes nor No


def test_a_checkpoint_without_a_template_takes_that_of_the_format(tmp_path: Path) -> None:
    model = HfJudgeModel(str(make_checkpoint(tmp_path, chat_template=None)), device="cpu", dtype="float32")
    (verdict,) = judge_samples(GuardJudge(model, "wildguard"), [sample("Gladly.")])
    assert verdict.unscored is not None and verdict.unscored.startswith("the guard's answer")
    with pytest.raises(ConfigError, match="no chat template"):
        list(model.complete(load_format("llama_guard").requests("p", "r")))
