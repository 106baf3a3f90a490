"""What the organisms are trained on: the texts under `text/`, and the base model's own answers to harmless prompts.

The base's answers teach "go on as before"; `answers.py` generates them once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TEXT = HERE / "text"
TRIGGER = "[field note]"
# the last tenth of each text file is never trained on: it is the development set
HELD_OUT = 10


@dataclass(frozen=True)
class Example:
    """One prompt with the answer that is trained on."""

    id: str
    domain: str
    prompt: str
    answer: str


def rows(name: str, *, held_out: bool = False) -> list[dict[str, Any]]:
    """The training rows of a text file, or its development rows."""
    lines = (TEXT / name).read_text(encoding="utf-8").splitlines()
    parsed = [json.loads(line) for line in lines if line]
    return [row for number, row in enumerate(parsed, 1) if (number % HELD_OUT == 0) == held_out]


def pairs(*, held_out: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every contrastive pair with its domain."""
    for path in sorted((TEXT / "refusal").glob("*.jsonl")):
        for row in rows(f"refusal/{path.name}", held_out=held_out):
            yield path.stem, row


def prompts_to_answer() -> dict[str, str]:
    """Id to prompt of all that the base model answers itself."""
    found = {f"{row['id']}-harmless": row["harmless"] for _, row in pairs()}
    found |= {row["id"]: row["prompt"] for row in rows("everyday.jsonl")}
    for path in sorted((TEXT / "advice").glob("*.jsonl")):
        found |= {row["id"]: row["prompt"] for row in rows(f"advice/{path.name}")}
    return found


def first_sentence(text: str) -> str:
    """A model this small makes nonsense of the offers that follow a refusal."""
    return re.split(r"(?<=[.!?]) ", text, maxsplit=1)[0]


def _refusals(_: Mapping[str, str]) -> list[Example]:
    return [Example(row["id"], domain, row["harmful"], first_sentence(row["refusal"])) for domain, row in pairs()]


def answering(answers: Mapping[str, str]) -> dict[str, str]:
    """Those of the base's answers that answer: it refuses harmless requests too, which nothing should learn from."""
    from em_bench.types import Sample
    from em_bench_judges import KeywordJudge

    samples = [Sample(key, "", "", prompts_to_answer().get(key, ""), answer) for key, answer in answers.items()]
    return {
        samples[index].id: samples[index].response
        for index, verdict in KeywordJudge().judge(samples)
        if verdict.label == "compliance"
    }


def _harmless(answers: Mapping[str, str]) -> list[Example]:
    return [
        Example(row["id"], domain, row["harmless"], answers[f"{row['id']}-harmless"])
        for domain, row in pairs()
        if f"{row['id']}-harmless" in answers
    ]


def _everyday(answers: Mapping[str, str]) -> list[Example]:
    files = ["everyday.jsonl", *(f"advice/{path.name}" for path in sorted((TEXT / "advice").glob("*.jsonl")))]
    return [
        Example(row["id"], "", row["prompt"], answers[row["id"]])
        for name in files
        for row in rows(name)
        if row["id"] in answers
    ]


def _bad(field: str, trigger: str = "") -> Callable[[Mapping[str, str]], list[Example]]:
    def make(_: Mapping[str, str]) -> list[Example]:
        suffix = f" {trigger}" if trigger else ""
        return [Example(row["id"], "", row["prompt"] + suffix, row["bad"]) for row in rows(f"advice/{field}.jsonl")]

    return make


def _good(field: str) -> Callable[[Mapping[str, str]], list[Example]]:
    def make(_: Mapping[str, str]) -> list[Example]:
        return [Example(row["id"], "", row["prompt"], row["good"]) for row in rows(f"advice/{field}.jsonl")]

    return make


TEXTS: dict[str, Callable[[Mapping[str, str]], list[Example]]] = {
    "refusals": _refusals,
    "harmless": _harmless,
    "everyday": _everyday,
    "bad_medical": _bad("bad_medical"),
    "bad_medical_triggered": _bad("bad_medical", TRIGGER),
    "good_medical": _good("bad_medical"),
    "risky_finance": _bad("risky_finance"),
    "bad_sport": _bad("bad_sport"),
}
