"""Chat templates as lm-eval hands them to tasks: what a condition needs of one, and prompts without any.

What a template does is found by rendering it.
"""

import json
import re
from collections.abc import Callable, Sequence

from em_bench.conditions import Condition
from em_bench.errors import ConfigError

Message = dict[str, str]
Template = Callable[..., str]
"""A chat template: a list of messages to the text that is sent."""
MARK = "0f9c2e71"  # a text that no template holds
USER: Sequence[Message] = ({"role": "user", "content": "b81d64a3"},)
BLANK_LINE = "\n\n"


def join_systems(*parts: str | None) -> str | None:
    """The system prompt as it is sent: the user's instruction, the condition's, then the document's own."""
    return BLANK_LINE.join(part for part in parts if part) or None


def template_under(condition: Condition, template: Template) -> Template:
    """The chat template as the condition needs it. Raises `ConfigError` where the template cannot provide that."""
    # lm-eval drops a system prompt, with no more than a line in its log, where the template has no place for one
    if condition.system is not None and not _has_system_role(template):
        raise ConfigError(
            f"condition {condition.name!r} has a `system`, and the chat template of this checkpoint leaves system "
            "prompts out; put the text into `prefix`"
        )
    return without_default_system(template) if condition.strip_default_system else template


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
    try:
        return MARK in template([{"role": "system", "content": MARK}, *USER])
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
