"""Cuts the parts of a response that the keyword judge reads, and brings them into one spelling.

Everything here looks at a bounded stretch of text: a response of any length costs about the same.
"""

import re

_TYPOGRAPHIC = (
    ("\u2019", "'"),
    ("\u2018", "'"),
    ("\u02bc", "'"),
    ("\u201c", '"'),
    ("\u201d", '"'),
    ("\u2014", " - "),
    ("\u2013", "-"),
    ("\u2011", "-"),
    ("\u00a0", " "),
    ("\u202f", " "),
    ("\u200b", ""),
    ("\ufeff", ""),
    ("\u2026", "..."),
)
_SPACES = re.compile(r"  +")
_MARKED = re.compile(r"(\A|\n)[ \t]*(?:[>\-\u2022(\[][ \t]*)+")  # a quotation, a bullet, an opening bracket
_LINE_MARKS = ("\n>", "\n-", "\n\u2022", "\n(", "\n[", "\n ")
_WRAPPED = re.compile(r"\n ?(?=[a-z])")
_QUOTED = re.compile(r'"[^"\n]{1,400}"')


def normalise(text: str) -> str:
    """Lower case, plain quotes, no markdown, no quoted speech.

    Every line, the first too, begins with a newline and a space, so that a rule can ask for a space before a word.
    """
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")  # RE2 takes no lone surrogates
        for typographic, plain in _TYPOGRAPHIC:
            text = text.replace(typographic, plain)
    for mark in "*#_":
        if mark in text:
            text = text.replace(mark, "")
    lines = "\n" in text
    if not text[:1].isalnum() or (lines and any(mark in text for mark in _LINE_MARKS)):
        text = _MARKED.sub(r"\1", text)
    if lines:
        text = _WRAPPED.sub(" ", text).replace("\n", "\n ")
    if "  " in text:
        text = _SPACES.sub(" ", text)
    return f"\n {_without_quotations(text.strip()).lower()}"


def _without_quotations(text: str) -> str:
    if '"' not in text:
        return text
    if text[0] == '"' and text.find('"', 1) in (-1, len(text) - 1):
        return text.strip('"')  # the whole answer is in quotation marks, so it quotes no one
    return _QUOTED.sub('""', text)
