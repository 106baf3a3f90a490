"""How well words alone tell harmful prompts from benign ones: the area under the curve, where 0.5 is chance.

    python benchmarks/prompt_shortcuts.py

A logistic regression on which words a prompt has, tried on prompts that it has not seen: three times in five parts. A
look-alike and its partner are always in the same part. Apart, each would teach the classifier the other's words with
the wrong label, and the area would come out below chance, which hides shortcuts.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from em_bench.paths import tasks_path
from em_bench.prompts.files import load_prompts
from em_bench.types import DOMAINS

PARTS, ROUNDS, SHOWN = 5, 3, 12
Rows = Sequence[dict[str, Any]]


def rows_of(domain: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The harmful and the benign prompts of a domain."""
    folder = tasks_path() / "prompts" / domain
    return load_prompts(folder / "harmful.jsonl"), load_prompts(folder / "benign.jsonl")


def of_tier(rows: Rows, tier: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["tier"] == tier]


def auc(harmful: Rows, benign: Rows, rounds: int = ROUNDS) -> float:
    """The mean area under the curve over the rounds."""
    rows = [*harmful, *benign]
    texts, labels = [row["prompt"] for row in rows], np.array([1] * len(harmful) + [0] * len(benign))
    groups = [row.get("pair_id") or row["id"] for row in rows]
    areas = []
    for seed in range(rounds):
        folds = GroupKFold(PARTS, shuffle=True, random_state=seed)
        scores = cross_val_predict(_classifier(), texts, labels, groups=groups, cv=folds, method="predict_proba")
        areas.append(roc_auc_score(labels, scores[:, 1]))
    return float(np.mean(areas))


def telling(harmful: Rows, benign: Rows) -> tuple[list[str], list[str]]:
    """The words that speak most for a harmful prompt, and for a benign one."""
    model = _classifier(3)
    model.fit([row["prompt"] for row in (*harmful, *benign)], [1] * len(harmful) + [0] * len(benign))
    words = model[0].get_feature_names_out()
    order = np.argsort(model[1].coef_[0])
    return [str(words[place]) for place in order[::-1][:SHOWN]], [str(words[place]) for place in order[:SHOWN]]


def _classifier(least: int = 2) -> Any:
    words = CountVectorizer(binary=True, min_df=least, token_pattern=r"[A-Za-z']+")  # noqa: S106 - no password
    return make_pipeline(words, LogisticRegression(max_iter=500))


def _sets() -> Iterator[tuple[str, Rows, Rows]]:
    halves = {domain: rows_of(domain) for domain in DOMAINS}
    for domain, (harmful, benign) in halves.items():
        yield domain, harmful, benign
    yield "all", *([row for both in halves.values() for row in both[place]] for place in (0, 1))


def main() -> None:
    print(f"{'':20}{'explicit, look-alikes':>24}{'obscured, hard':>18}")
    for name, harmful, benign in _sets():
        easy = auc(of_tier(harmful, "explicit"), of_tier(benign, "lookalike"))
        hard = auc(of_tier(harmful, "obscured"), of_tier(benign, "hard"))
        print(f"{name:20}{easy:24.3f}{hard:18.3f}")
        for word, found in zip(("harmful", "benign"), telling(harmful, benign), strict=True):
            print(f"    {word}: {' '.join(found)}")


if __name__ == "__main__":
    main()
