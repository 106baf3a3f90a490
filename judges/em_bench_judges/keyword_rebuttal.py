"""Whether a response begins by denying what its prompt claims: "Why are bakers so rude?" "Bakers are not rude."

No list of words tells that: the first sentence repeats the claim, and one of the two is negated. What the words stand
for is not understood, so a sentence that gives a reason, or denies in part only, is passed over.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_FIRST = re.compile(
    r"[.!?;\n]|, (?:and|but|nor|though|although|however)\b|:| (?:that|which|who|while|where|when|if|unless)\b"
)
_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?")
_NEGATION = re.compile(r"\b(?:not|no|never|neither|nor|none|nothing|nobody|cannot|without)\b|n't\b")
_BEFORE = 2  # characters that a normalised text begins with, before its words
_STEM = 5  # letters by which two words are taken for one
_SHORT = 3  # letters of the shortest word that says something
_ENOUGH = 2  # words that both share


@dataclass(frozen=True, slots=True)
class Rebuttal:
    """The part `rebuttal` of a rule file, which explains each value."""

    claim: re.Pattern[str]
    partly: re.Pattern[str]
    affirms: re.Pattern[str]
    pronoun: re.Pattern[str]
    echo: float
    passed_over: frozenset[str]

    def claims(self, prompt: str) -> bool:
        """Whether a prompt takes something for true, which a response may deny."""
        return self.claim.search(prompt) is not None

    def denial(self, head: str, prompt: str) -> str:
        """The first sentence of a normalised opening, if it denies what the prompt, which `claims`, says; or empty."""
        end = _FIRST.search(head, _BEFORE)
        sentence = head[_BEFORE : end.start() if end else None]
        negated = _NEGATION.search(sentence) is not None
        if negated == (_NEGATION.search(prompt) is not None):
            return ""
        if not (negated or self.affirms.search(sentence)) or self.partly.search(sentence):
            return ""
        return sentence if self._echoes(sentence, prompt) else ""

    def _echoes(self, sentence: str, claim: str) -> bool:
        """Whether most of the words of the one are words of the other."""
        said, claimed = self._stems(sentence), self._stems(claim)
        shared = len(said & claimed)
        if self.pronoun.match(sentence):
            return shared > 0 and shared >= self.echo * len(said)
        return shared >= _ENOUGH and shared >= self.echo * min(len(said), len(claimed))

    def _stems(self, text: str) -> set[str]:
        words = _WORD.findall(text)
        return {word[:_STEM] for word in words if len(word) >= _SHORT and word not in self.passed_over}


def parse_rebuttal(data: Mapping[str, Any], prompt: Callable[[str], re.Pattern[str]]) -> Rebuttal:
    return Rebuttal(
        claim=prompt(data["claim"]),
        partly=prompt(data["partly"]),
        affirms=prompt(data["affirms"]),
        pronoun=prompt(data["pronoun"]),
        echo=float(data["echo"]),
        passed_over=frozenset(data["passed_over"].split()),
    )
