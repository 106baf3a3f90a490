"""Looks for many regular expressions in one pass over a text.

The pass is RE2's, which takes linear time whatever the text. RE2 knows no look-around, so it gets expressions made a
little too general, and each that it finds is looked for again with `re`, which also tells where.
"""

import re
from collections.abc import Callable, Sequence

import re2  # type: ignore[import-untyped, unused-ignore]

__all__ = ["compiled", "lower", "one_pass", "whole"]

# A contraction stands for its long forms too, so that the rule file need not name them each time.
_CONTRACTIONS = {
    "can't": "(?:can't|cannot|can not)",
    "won't": "(?:won't|will not)",
    "don't": "(?:don't|do not)",
    "couldn't": "(?:couldn't|could not)",
    "wouldn't": "(?:wouldn't|would not)",
    "shouldn't": "(?:shouldn't|should not)",
    "i'm": "(?:i'm|i am)",
    "i'd": "(?:i'd|i would)",
    "it's": "(?:it's|it is)",
    "that's": "(?:that's|that is)",
    "you're": "(?:you're|you are)",
    "let's": "(?:let's|let us)",
    "there is not": "(?:there is not|there isn't|there's not)",
    "there is": "(?:there is|there's)",
    "is not": "(?:is not|isn't)",
    "are not": "(?:are not|aren't)",
}
_CONTRACTION = re.compile(rf"\b(?:{'|'.join(_CONTRACTIONS)})\b")
_GROUP = re.compile(r"(?<!\\)\((?!\?)")
_PIECE = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\(\?<?[=!]|[()]|[^\\\[()]+|.", re.DOTALL)
_GAP = re.compile(r"\{\d+,\d\d+\}\??")
_TELLING = 12  # characters of an expression that does not match nearly everywhere
_BEHIND = re.compile(r"\A \(\?:\(\?<=(\[[^\]]*\]|:?\\n) \)")  # what has to stand before the space before a phrase
_SPELT = re.compile(r"(?:\\b)? ?[a-z]+ ?[a-z]{3,}")  # how a stretch begins that no other text is likely to hold
_LONG_REPEAT = re.compile(r"\{\d+,\d\d+\}")
_MEMORY = 64 << 20  # for RE2's states, in bytes: with too little it keeps starting anew, and is slow


def compiled(phrase: str) -> tuple[re.Pattern[str], bool, str]:
    """A phrase of the rule file as an expression for a normalised text, whether it is for the start of it, and a clue:
    an expression that matches wherever the phrase does, for `one_pass`.
    """
    expression = _spelt_out(phrase)
    at_start = expression.startswith("^")
    before, expression = (r"\A\n ", expression[1:]) if at_start else (" ", expression)
    pattern = f"{before}(?:{expression})(?!\\w|'t)"
    return re.compile(pattern), at_start, _without_gaps(expression) or pattern


def lower(expression: str) -> re.Pattern[str]:
    """An expression for a text in lower case, which takes a third of the time of one that ignores case."""
    return re.compile(_GROUP.sub("(?:", expression))


def whole(phrase: str) -> re.Pattern[str]:
    """A phrase of the rule file as an expression that a whole text has to match."""
    return re.compile(_spelt_out(phrase))


def _spelt_out(phrase: str) -> str:
    expression = _CONTRACTION.sub(lambda match: _CONTRACTIONS[match[0]], phrase)
    return _GROUP.sub("(?:", expression)  # groups that do not capture are faster


def one_pass(clues: Sequence[str]) -> Callable[[str], Sequence[int]]:
    """A function that gives the indexes of the patterns that may match a text, unsorted: all that do, and some more."""
    options = re2.Options()
    options.max_mem = _MEMORY
    options.never_capture = True
    options.log_errors = False
    wanted = re2.Set.SearchSet(options)
    for clue in clues:
        wanted.Add(_generalised(clue))
    wanted.Compile()
    return lambda text: wanted.Match(text) or ()


def _without_gaps(expression: str) -> str:
    """The most telling stretch between the long gaps of an expression; empty where there is no such gap, or a choice.

    A pass that has to remember how far into each of many gaps it is takes several times as long.
    """
    stretches, depth = [""], 0
    for piece in _PIECE.findall(expression):
        depth += piece.startswith("(")
        if depth == 0 and "|" in piece and not piece.startswith("["):
            return ""
        gap = _GAP.match(piece) if depth == 0 and stretches[-1].endswith("]") else None
        if gap:
            stretches[-1] = stretches[-1][: stretches[-1].rindex("[")]
            stretches.append(piece[gap.end() :])
        else:
            stretches[-1] += piece
        depth -= piece == ")"
    spelt = [stretch for stretch in stretches if _SPELT.match(stretch)]
    clue = max(spelt or stretches, key=len)
    return clue if len(stretches) > 1 and len(clue) > _TELLING else ""


def _generalised(expression: str) -> str:
    """For RE2: without look-around, without bounds on long gaps, and with letters of any script in `\\w`."""
    kept: list[str] = []
    depth = 0  # of the parentheses within a look-around, which is left out
    expression = _BEHIND.sub(r"\1 (?:", expression)
    wide = r"\w\x{80}-\x{10FFFF}"
    for piece in _PIECE.findall(expression):
        if depth:
            depth += piece.startswith("(")
            depth -= piece == ")"
        elif piece.startswith("(?"):
            depth = 1
        else:
            kept.append(piece.replace(r"\w", wide if piece.startswith("[") else f"[{wide}]"))
    return _LONG_REPEAT.sub("*", "".join(kept))
