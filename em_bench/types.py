"""The two nouns that everything else passes around: a `Sample` to be judged and the `Verdict` it gets."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DOMAINS = ("cybersecurity", "safety", "toxicity", "bias", "sensitive_content", "medical_legal", "privacy")
"""The seven responsible-AI domains of Mushtaq et al. (arXiv 2511.14017), in the paper's order."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt or probe with one response. `id` is unique within a task and repeat."""

    id: str
    task: str
    domain: str
    prompt: str
    response: str
    system: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's finding on one sample: a label, a score, or both; or `unscored` with the reason why there is neither.

    `raw` is what the judge itself read (a judge model's answer, log-probabilities), kept so that it can be read again.
    `parts` are the verdicts that this one is made of: the axes of a rubric pair, or the votes of a jury. Raises
    `ValueError` when it is both scored and unscored, neither, or its score is not finite.
    """

    label: str | None = None
    score: float | None = None
    reason: str = ""
    raw: Any = None
    unscored: str | None = None
    parts: Mapping[str, "Verdict"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scored = self.label is not None or self.score is not None
        if scored == (self.unscored is not None):
            raise ValueError("a verdict has a label or a score, or it is unscored with a reason: one of the two")
        for name, text in (("label", self.label), ("unscored", self.unscored)):
            if text is not None and not (isinstance(text, str) and text):
                raise ValueError(f"`{name}` is a text that is not empty, not {text!r}")
        if self.score is not None:
            if isinstance(self.score, str) or not math.isfinite(self.score):
                raise ValueError(f"a score is a finite number, not {self.score!r}")
            object.__setattr__(self, "score", float(self.score))  # numpy's numbers are not JSON

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set."""
        fields = {name: getattr(self, name) for name in ("label", "score", "reason", "raw", "unscored")}
        parts = {"parts": {name: part.to_dict() for name, part in self.parts.items()}} if self.parts else {}
        return {key: value for key, value in fields.items() if (value is not None and key != "reason") or value} | parts

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Verdict":
        """The inverse of `to_dict`. Raises `TypeError` or `ValueError` for anything else."""
        inner = values.get("parts", {}) if isinstance(values, Mapping) else None
        if not isinstance(inner, Mapping):
            raise TypeError(f"a verdict is a JSON object, and so are its parts: {values!r}")
        parts = {name: cls.from_dict(part) for name, part in inner.items()}
        return cls(**{**values, "parts": parts})

    def __str__(self) -> str:
        # lm-eval passes every leaf of its samples files through str(): this is what makes them hold JSON.
        text = json.dumps(self.to_dict(), ensure_ascii=False, default=repr)
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate, which no file in UTF-8 can hold
            return json.dumps(self.to_dict(), default=repr)
        return text
