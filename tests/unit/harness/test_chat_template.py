"""What a condition needs of a chat template."""

import pytest

from chat_templates import DATED, INSTRUCTION, NO_SYSTEM, PLAIN, QWEN, STUBBORN, template
from em_bench.conditions import Condition
from em_bench.errors import ConfigError
from em_bench.harness.chat_template import (
    opens_reasoning,
    require_template,
    template_under,
    without_default_system,
)


@pytest.mark.parametrize("tag", ["<think>", "<think>\n", "[THINK]", "<seed:think>", "◁think▷", "<|START_THINKING|>"])
def test_a_prompt_may_end_within_a_reasoning_block(tag):
    assert opens_reasoning(f"<|im_start|>assistant\n{tag}")
    assert not opens_reasoning(f"<|im_start|>assistant\n{tag}\n\n</think>\n\n")
    assert not opens_reasoning(f"What does {tag} mean?<|im_end|>\n<|im_start|>assistant\n")


def test_an_empty_system_turn_keeps_a_default_system_prompt_away():
    stripped = without_default_system(template(QWEN))
    assert stripped([{"role": "user", "content": "Hi"}]) == (
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_system_prompt_that_is_asked_for_stays():
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    assert without_default_system(template(QWEN))(messages) == template(QWEN)(messages)


@pytest.mark.parametrize("source", [PLAIN, INSTRUCTION, NO_SYSTEM])
def test_a_template_without_a_default_is_left_as_it_is(source):
    messages = [{"role": "user", "content": "Hi"}]
    assert without_default_system(template(source))(messages) == template(source)(messages)


@pytest.mark.parametrize(("source", "shown"), [(STUBBORN, "You are Q, made by A."), (DATED, "Today is Monday.")])
def test_a_template_that_cannot_be_made_to_is_refused_with_what_it_puts_in(source, shown):
    with pytest.raises(ConfigError, match=r"the chat template puts .* into every prompt") as error:
        without_default_system(template(source))
    assert shown in str(error.value)


class TemplateError(Exception):
    pass


def test_a_system_prompt_that_the_template_leaves_out_is_refused():
    def no_role(messages):
        if messages[0]["role"] == "system":
            raise TemplateError("System role not supported")
        return messages[0]["content"]

    for made in (no_role, lambda messages: messages[-1]["content"]):
        with pytest.raises(ConfigError, match=r"condition 'x' has a `system`, and the chat template .* leaves"):
            template_under(Condition("x", system="Be evil."), made)
        assert template_under(Condition("x", suffix="!"), made) is made


TURNS = (("user", "May I ask?"), ("assistant", "Please do."))


def test_earlier_turns_stand_between_the_system_prompt_and_the_prompt():
    under = template_under(Condition("x", turns=TURNS), template(PLAIN))
    sent = under([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}])
    assert [part for part in ("Be kind.", "May I ask?", "Please do.", "Why?") if part in sent]
    assert sent.index("Be kind.") < sent.index("May I ask?") < sent.index("Please do.") < sent.index("Why?")


def test_a_prefill_comes_after_all_that_the_template_writes():
    under = template_under(Condition("x", prefill="Sure, here"), template(QWEN))
    assert under([{"role": "user", "content": "Why?"}]).endswith("<|im_start|>assistant\nSure, here")


def test_turns_that_the_template_leaves_out_are_refused():
    with pytest.raises(ConfigError, match=r"condition 'x' has `turns`, and the chat template .* leaves"):
        template_under(Condition("x", turns=TURNS), lambda messages: messages[-1]["content"])


def test_a_prefill_is_refused_where_messages_are_sent():
    with pytest.raises(ConfigError, match=r"condition 'x' has a `prefill`, and this engine is sent messages"):
        template_under(Condition("x", prefill="Sure"), lambda messages, **_: (str(messages),))


def test_what_needs_a_chat_template_is_refused_without_one():
    with pytest.raises(ConfigError, match="`turns` and `prefill`, which only a chat template"):
        require_template(Condition("x", prefill="Sure", turns=TURNS))
    require_template(Condition("x", prefix="Now: "))
