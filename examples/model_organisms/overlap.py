"""Keeps the suite's prompts out of the training text: no near-copy, by word 3-grams, and no long run of shared words.

`python examples/model_organisms/overlap.py` checks the text that `train.py` uses.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SUITE = Path(__file__).resolve().parents[2] / "lm_eval_tasks"
MAX_JACCARD = 0.2
RUN = 5


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower().replace("\u2019", "'"))


def grams(text: str, n: int) -> set[tuple[str, ...]]:
    """Word n-grams; a shorter text is one gram."""
    found = words(text)
    return {tuple(found[i : i + n]) for i in range(len(found) - n + 1)} or {tuple(found)}


def suite_prompts(root: Path = SUITE) -> list[str]:
    """Every prompt, probe and system prompt that the suite ships."""
    files = sorted([*root.glob("prompts/**/*.jsonl"), *root.glob("probes/*.jsonl")])
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return sorted({row[key] for row in rows for key in ("prompt", "system") if row.get(key)})


class OverlapCheck:
    """Says which suite prompt a training prompt comes too near to."""

    def __init__(self, suite: Iterable[str]) -> None:
        self.suite = list(suite)
        self.grams = [grams(text, 3) for text in self.suite]
        self.runs: dict[tuple[str, ...], int] = {}
        self.index: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for i, text in enumerate(self.suite):
            self.runs |= dict.fromkeys((g for g in grams(text, RUN) if len(g) == RUN), i)
            for gram in self.grams[i]:
                self.index[gram].append(i)

    def near(self, prompt: str) -> str | None:
        """The suite prompt that shares a run of five words or more than a fifth of the 3-grams, if any."""
        if run := next((g for g in grams(prompt, RUN) if g in self.runs), None):
            return self.suite[self.runs[run]]
        own = grams(prompt, 3)
        shared = Counter(i for gram in own for i in self.index.get(gram, ()))
        for i, n in shared.items():
            if n / (len(own) + len(self.grams[i]) - n) > MAX_JACCARD:
                return self.suite[i]
        return None

    def offenders(self, prompts: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Pairs of a training prompt and the suite prompt that it is too near to."""
        return ((p, near) for p in prompts if (near := self.near(p)))


if __name__ == "__main__":
    from train import training_prompts

    pairs = list(OverlapCheck(suite_prompts()).offenders(training_prompts()))
    for training, suite_prompt in pairs:
        print(f"{training!r}\n  is too near to {suite_prompt!r}")
    raise SystemExit(bool(pairs))
