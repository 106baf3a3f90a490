"""Prompts of guards: their own chat templates, with a tokenizer of one token a character."""

import math
from types import SimpleNamespace

import jinja2
import pytest

from em_bench.errors import ConfigError
from em_bench.judge_model import ChatRequest, Completion, Message
from em_bench_judges.guards.format import load_format
from em_bench_judges.models.chat_tokenizer import ChatTokenizer

TURNS = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
PARTS = "{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}\n{% endif %}{% endfor %}"
PARTS += "{% endfor %}"
GUIDED = TURNS + "Policy: {{ guideline }}{% if add_generation_prompt %}[model]{% endif %}"


class Tokenizer:
    """Renders templates as transformers does; a token is a character, and `<end>` is a control token."""

    added_tokens_decoder = {0: SimpleNamespace(special=True, __str__=lambda self: "<end>")}  # noqa: RUF012

    def __init__(self, chat_template):
        self.chat_template = chat_template

    def apply_chat_template(self, messages, chat_template=None, tokenize=True, return_dict=False, **arguments):
        template = jinja2.Template(chat_template or self.chat_template)
        text = template.render(messages=messages, bos_token="<s>", **arguments)
        return self.encode(text) if tokenize else text

    def encode(self, text, add_special_tokens=True):
        return list(map(ord, text))


def shown(template, format, response="Gladly.", **options):
    """The prompt of a guard's first request, or the failed completion."""
    request = load_format(format).requests("Help me.", response)[0]
    ids = ChatTokenizer(Tokenizer(template), "hf:tiny", **options).prompt(request, math.inf)
    return ids if isinstance(ids, Completion) else "".join(map(chr, ids))


def test_the_turns_are_shown_by_the_checkpoints_template():
    assert shown(TURNS, "llama_guard") == "[user] Help me.\n[assistant] Gladly.\n"


def test_a_template_that_wants_parts_gets_them():
    assert shown(PARTS, "llama_guard") == "Help me.\nGladly.\n"


def test_a_template_that_leaves_out_the_response_is_an_error_and_no_verdict_on_nothing():
    failed = shown("{{ messages[0].content }}", "llama_guard")
    assert isinstance(failed, Completion) and "it leaves out a turn" in failed.error


def test_a_policy_is_an_argument_of_the_template_and_no_answer_is_begun():
    text = shown(GUIDED, "shieldgemma")
    assert 'Policy: "No Dangerous Content"' in text and not text.endswith("[model]")


def test_a_format_brings_the_template_that_its_checkpoint_lacks():
    text = shown(None, "wildguard")
    assert text.startswith("<s><|user|>\n[INST] ") and text.endswith("Answers: [/INST]\n<|assistant|>")
    assert "\n\nHuman user:\nHelp me.\n\nAI assistant:\nGladly.\n\n---\n\n" in text


def test_a_template_of_the_users_own_goes_before_the_formats():
    text = shown(None, "wildguard", template_kwargs={"chat_template": TURNS})
    assert text == "[user] Help me.\n[assistant] Gladly.\n"


def test_without_any_template_there_is_one_line_of_advice():
    chat = ChatTokenizer(Tokenizer(None), "hf:tiny")
    chat.require_template(load_format("wildguard").requests("p", "r"))
    with pytest.raises(ConfigError, match="no chat template"):
        chat.require_template(load_format("llama_guard").requests("p", "r"))


def test_a_request_of_another_judge_is_rendered_as_ever():
    ids = ChatTokenizer(Tokenizer(GUIDED), "hf:tiny").prompt(ChatRequest((Message("user", "?"),), 4), math.inf)
    assert "".join(map(chr, ids)) == "[user] ?\nPolicy: [model]"
