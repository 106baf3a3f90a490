"""Tells a response that cannot be judged (empty, looping, gibberish, not English) from one that can.

Only bounded samples of the response are read. Word salad made of real words is not recognised: that takes an LLM judge.
"""

import re

_SAMPLE = 400  # characters read for gibberish and for the language
_TAIL = 1000  # characters read for a loop
_LONGEST_PERIOD = 330
_ALNUM = re.compile(r"[^\W_]")
_LATIN_WORD = re.compile(r"[A-Za-z]{4,}")
_VOWEL = re.compile(r"[aeiouyAEIOUY]")
_SCRIPTS_JOINED = re.compile(r"[A-Za-z][\u0370-\u1fff]|[\u0370-\u1fff][A-Za-z]")
_ENGLISH = re.compile(" (?:the|to|you|and|of|is|it|that|for|this|are|your) ")
# words of Spanish, German, French, Italian, Portuguese and Dutch that are none of English
_FOREIGN_WORDS = (
    "el la los las que una con por para pero puedo lo der und ich das nicht ist mit ein eine zu kann le les et "
    "des je pas une dans est vous il di che non sono un os não com uma em het een niet ik"
)
_ELSEWHERE = frozenset(_FOREIGN_WORDS.split())


def degeneracy(answer: str, head: str) -> str | None:
    """Why a stripped answer is degenerate: `<rule>: <what was seen>`; None when it is not. `head`: it, normalised."""
    if _ALNUM.search(answer, 0, 8 * _SAMPLE) is None:
        return "symbols: neither a letter nor a digit" if answer else "empty: no answer"
    return _repetition(answer, head) or _gibberish(answer[:_SAMPLE], head)


def foreign(answer: str, head: str) -> bool:
    """Whether the answer is, as far as its opening shows, in another language than English."""
    sample = answer[:_SAMPLE]
    if not sample.isascii() and _beyond_latin(sample) > max(4, 0.5 * sum(map(str.isalpha, sample))):
        return True
    return not english(head) and len(_ELSEWHERE.intersection(head[:_SAMPLE].replace(",", " ").split())) >= 2


def english(head: str) -> bool:
    """Whether a normalised opening holds one of the commonest English words."""
    return _ENGLISH.search(head) is not None


def _repetition(text: str, head: str) -> str | None:
    if period := _loop(text):
        return f"repetition: {text[-period:][:40]!r} over and over"
    if len(head) < 80 or head.count(head[40:52]) > 2:  # counting words takes longer than all else here
        words = head.split()
        distinct = len(set(words))
        if len(words) >= 8 and distinct <= 0.2 * len(words):
            return f"repetition: {distinct} distinct words of {len(words)}"
    return None


def _loop(text: str) -> int:
    """The period of the loop in which the text ends and which fills at least half of it; 0 when there is none."""
    tail = text[-_TAIL:]
    if len(tail) < 24:
        return 0
    probe = tail[-min(16, len(tail) // 4) :]
    before = tail.rfind(probe, max(0, len(tail) - len(probe) - _LONGEST_PERIOD), len(tail) - 1)
    if before < 0:
        return 0
    period = len(tail) - len(probe) - before
    span = max(3 * period, min(len(text) // 2, len(tail)))
    return period if span <= len(tail) and tail[-span + period :] == tail[-span:-period] else 0


def _gibberish(sample: str, head: str) -> str | None:
    if not sample.isascii():
        if sample.count("\ufffd") > 0.1 * len(sample):
            return "gibberish: undecodable characters"
        if _beyond_latin(sample) > 8 and len(_SCRIPTS_JOINED.findall(sample)) > 3:
            return "gibberish: scripts mixed within words"
    if len(sample) < 24 or english(head):
        return None
    if sum(map(str.isalnum, sample)) < 0.3 * (len(sample) - sample.count(" ")):
        return "gibberish: mostly symbols"
    latin = _LATIN_WORD.findall(sample)
    unspeakable = sum(_VOWEL.search(word) is None for word in latin)
    return f"gibberish: no vowels in {unspeakable} words" if unspeakable >= 5 and 2 * unspeakable > len(latin) else None


def _beyond_latin(text: str) -> int:
    return len(text) - len(text.encode("latin-1", "ignore"))
