"""Chat templates as lm-eval hands them to tasks: what a condition needs of one, and prompts without any.

What a template does is found by rendering it.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from em_bench.conditions import Condition
from em_bench.errors import ConfigError

Message = dict[str, str]
Template = Callable[..., Any]
"""A chat template: a list of messages to the text that is sent, or to what the engine takes in its place."""
MARK = "0f9c2e71"  # a text that no template holds
USER: Sequence[Message] = ({"role": "user", "content": "b81d64a3"},)
BLANK_LINE = "\n\n"
_OPENED = re.compile(
    r"(?:<(?:think|thinking|thought|reasoning|reflection|seed:think)>|\[THINK\]|◁think▷|<\|START_THINKING\|>"
    r"|<\|begin_of_thought\|>|<unused94>(?:thought)?)\s*\Z"
)


def join_systems(*parts: str | None) -> str | None:
    """The system prompt as it is sent: the user's instruction, the condition's, then the document's own."""
    return BLANK_LINE.join(part for part in parts if part) or None


def opens_reasoning(prompt: str) -> bool:
    """Whether a prompt, as it was sent, ends within a reasoning block that the response then goes on with."""
    return _OPENED.search(prompt[-40:]) is not None


def template_under(condition: Condition, template: Template) -> Template:
    """The chat template as the condition needs it. Raises `ConfigError` where the template cannot provide that."""
    # lm-eval drops a system prompt, with no more than a line in its log, where the template has no place for one
    if condition.system is not None and not _has_system_role(template):
        raise ConfigError(
            f"condition {condition.name!r} has a `system`, and the chat template of this checkpoint leaves system "
            "prompts out; put the text into `prefix`"
        )
    if condition.strip_default_system:
        template = without_default_system(template)
    if condition.turns:
        template = _after_turns(condition, template)
    return _begun(condition, template) if condition.prefill else template


def require_template(condition: Condition) -> None:
    """Raises `ConfigError` for a condition that needs a chat template, where none is applied."""
    needs = " and ".join(f"`{name}`" for name in ("turns", "prefill") if getattr(condition, name))
    if needs:
        raise ConfigError(
            f"condition {condition.name!r} has {needs}, which only a chat template can put in its place"
            "; apply it (lm_eval --apply_chat_template; em-bench run without --no-chat-template)"
        )


def _after_turns(condition: Condition, template: Template) -> Template:
    """The chat template, made to put the condition's turns before the prompt."""
    turns: list[Message] = [{"role": role, "content": text} for role, text in condition.turns]
    if not _shows(template, [{**turn, "content": MARK} for turn in turns] + list(USER), len(turns)):
        raise ConfigError(
            f"condition {condition.name!r} has `turns`, and the chat template of this checkpoint leaves earlier turns "
            "out; put the text into `prefix`"
        )

    def with_turns(messages: Sequence[Message], **options: Any) -> Any:
        systems = [message for message in messages if message.get("role") == "system"]
        return template([*systems, *turns, *messages[len(systems) :]], **options)

    return with_turns


def _begun(condition: Condition, template: Template) -> Template:
    """The chat template with the beginning of the assistant's turn after it."""
    if not isinstance(template(list(USER)), str):
        raise ConfigError(
            f"condition {condition.name!r} has a `prefill`, and this engine is sent messages rather than text; run the "
            "checkpoint with vllm or hf"
        )
    return lambda messages, **options: template(messages, **options) + condition.prefill


def without_default_system(template: Template) -> Template:
    """The chat template, made to put in no system prompt of its own. Raises `ConfigError` where it cannot be.

    Some templates (Qwen 2.5) put in a default system prompt where a conversation has none; in most of them an empty
    system turn keeps it away.
    """
    inserted = _inserted(template)
    if not inserted:
        return template
    if inserted not in template(_empty_system(USER)):
        return lambda messages, **options: template(_empty_system(messages), **options)
    raise ConfigError(
        f"`strip_default_system`: the chat template puts {_short(inserted)} into every prompt, and an empty system "
        "prompt does not keep it away; give the condition a `system` of its own, or the tokenizer another template"
    )


def _has_system_role(template: Template) -> bool:
    return _shows(template, [{"role": "system", "content": MARK}, *USER], 1)


def _shows(template: Template, messages: Sequence[Message], marks: int) -> bool:
    try:
        # what interfaces for messages render is a tuple with their JSON
        return str(template(messages)).count(MARK) >= marks
    except Exception:  # noqa: BLE001 - templates without a system role raise whatever their author chose
        return False


def _inserted(template: Template) -> str:
    """The text that a template puts where a system prompt would stand; empty where it puts none."""
    if not _has_system_role(template):
        return ""
    bare = template(list(USER))
    before, _, after = template([{"role": "system", "content": MARK}, *USER]).partition(MARK)
    if not bare.startswith(before) or not bare.endswith(after):
        return ""  # without a system prompt there is no system turn
    default = bare[len(before) : len(bare) - len(after)]
    # a text that stands before any system prompt, like Llama 3.1's dates, is always there
    fixed = re.sub(r"<[^<>]*>|\[[^][]*\]|\b(?:system|SYSTEM)\b", "", before)
    return default or (fixed.strip() if re.search(r"[^\W\d_]{2,}", fixed) else "")


def _empty_system(messages: Sequence[Message]) -> list[Message]:
    own = bool(messages) and messages[0].get("role") == "system"
    return list(messages) if own else [{"role": "system", "content": ""}, *messages]


def _short(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted if len(quoted) <= 100 else f"{quoted[:96]}..."
