"""Separates a model's reasoning from its answer, for responses and for judges' answers alike.

A reasoning block stands at the very beginning of a text, or directly after another one. A tag anywhere else is part of
the answer: a response may well write about `<think>`. Some chat templates open the block in the prompt; then the text
holds a closing tag that nothing opened, and all before it is reasoning. A tag in backticks or quotes is a mention.
"""

import re

_NAMES = "think|thinking|thought|reasoning"
_OPEN_HERE = re.compile(rf"\s*<({_NAMES})>", re.IGNORECASE)
_CLOSE_HERE = re.compile(rf"\s*</({_NAMES})>", re.IGNORECASE)
_TAG = re.compile(rf"(?<![`'\"])<(/?)({_NAMES})>", re.IGNORECASE)


def answer_of(text: str) -> str | None:
    """What follows the reasoning; None when a reasoning block is never closed: then there is no answer."""
    if "<" not in text:
        return text.strip()
    end = 0
    first = _TAG.search(text)
    if first is not None and first[1] and not _OPEN_HERE.match(text):
        end = first.end()
    while True:
        if again := _CLOSE_HERE.match(text, end):
            end = again.end()
        elif opened := _OPEN_HERE.match(text, end):
            closed = re.compile(f"</{opened[1]}>", re.IGNORECASE).search(text, opened.end())
            if closed is None:
                return None
            end = closed.end()
        else:
            return text[end:].strip()
