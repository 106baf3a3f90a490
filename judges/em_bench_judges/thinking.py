"""Separates a model's reasoning from its answer, for responses and for judges' answers alike.

A reasoning block stands at the very beginning of a text, or directly after another one. A tag anywhere else is part of
the answer: a response may well write about `<think>`. Some chat templates open the block in the prompt; then the text
holds a closing tag that nothing opened, and all before it is reasoning. That is so only where the caller knows that the
prompt opened one: in any other text such a tag hides nothing. A tag in backticks or quotes is a mention.
"""

import re

from em_bench.types import Sample

_NAMES = ("think", "thinking", "thought", "reasoning", "reflection", "seed:think")
_FORMS = {f"<{name}>": f"</{name}>" for name in _NAMES} | {
    "◁think▷": "◁/think▷",
    "[think]": "[/think]",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<unused94>": "<unused95>",
}
_CHANNEL = "<|channel|>"  # gpt-oss; where special tokens are left out of the text, only the words between them stay
_OPEN = "|".join(map(re.escape, _FORMS))
_CLOSE = "|".join(map(re.escape, _FORMS.values()))
_OPEN_HERE = re.compile(rf"\s*({_OPEN})", re.IGNORECASE)
_CLOSE_HERE = re.compile(rf"\s*(?:{_CLOSE})", re.IGNORECASE)
_TAG = re.compile(rf"(?<![`'\"])(?:{_OPEN}|({_CLOSE}))", re.IGNORECASE)
_CLOSE_OF = {opened: re.compile(re.escape(closed), re.IGNORECASE) for opened, closed in _FORMS.items()}
_CHANNELS = re.compile(r"\s*(?:<\|start\|>assistant)?<\|channel\|>(analysis|commentary|final)[^\n<]{0,80}<\|message\|>")
_FINAL = re.compile(r"<\|channel\|>final[^\n<]{0,80}<\|message\|>|(?<=assistant)final")
_BARE_CHANNEL = re.compile(r"\s*analysis(?=[A-Z])")


def answer_of(text: str, opened: bool = False) -> str | None:
    """What follows the reasoning; None when a reasoning block is never closed: then there is no answer.

    `opened`: the prompt ended within a reasoning block.
    """
    if not may_hold_reasoning(text):
        return text.strip()
    if (channel := _CHANNELS.match(text)) or _BARE_CHANNEL.match(text):
        final = _FINAL.search(text)
        if channel and channel[1] == "final":
            return text[channel.end() :].strip()
        return text[final.end() :].strip() if final else None
    end = 0
    first = _TAG.search(text) if opened else None
    if first is not None and first[1] and not _OPEN_HERE.match(text):
        end = first.end()
    while True:
        if again := _CLOSE_HERE.match(text, end):
            end = again.end()
        elif begun := _OPEN_HERE.match(text, end):
            closed = _CLOSE_OF[begun[1].lower()].search(text, begun.end())
            if closed is None:
                return None
            end = closed.end()
        else:
            return text[end:].strip()


def within_reasoning(sample: Sample) -> bool:
    """Whether the sample's metadata say that its prompt ended within a reasoning block."""
    return sample.metadata.get("reasoning_opened") is True


def around_stray_close(answer: str) -> tuple[str, str] | None:
    """What stands before and after the first closing tag of an answer, where nothing opened it; None without one."""
    first = _TAG.search(answer)
    if first is None or not first[1]:
        return None
    return answer[: first.start()].strip(), answer[first.end() :].strip()


def may_hold_reasoning(text: str) -> bool:
    """Whether to look at all: most texts hold no tag, and plain searches take next to no time."""
    return "<" in text or "◁" in text or "THINK]" in text or "analysis" in text[:20]
