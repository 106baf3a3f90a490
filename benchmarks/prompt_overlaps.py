"""Finds prompts that ask nearly the same, within and across domains, and writes `lm_eval_tasks/prompts/overlaps.jsonl`.

    python benchmarks/prompt_overlaps.py                         # prints the pairs
    python benchmarks/prompt_overlaps.py --write                 # and writes the file
    python benchmarks/prompt_overlaps.py --write --embed MODEL   # also by a Hugging Face model: a folder or an id

By words, two prompts are as similar as the mean of two cosines of TF-IDF vectors: of words and pairs of words, and of
characters. By meaning, as the cosine of a model's mean hidden states, less their mean over all prompts and the four
directions in which these differ most: those tell lengths and forms apart, not what is asked. A harmful and a
benign prompt are no overlap: they share words on purpose, and ask for different things. Pairs that a reader found
(`why` is `read`) stay in the file. `em-bench compare --target-domain` leaves overlapping prompts out of the other
domains.
"""

import argparse
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from em_bench.paths import tasks_path
from em_bench.prompts.files import load_prompts
from em_bench.tiers import Tier

PROMPTS = tasks_path() / "prompts"
FILE = PROMPTS / "overlaps.jsonl"
WORDS, MEANING = 0.2, 0.6
READ = "read"
BENIGN = (Tier.LOOKALIKE, Tier.HARD)
BATCH, LONGEST = 16, 256
COMMON = 4

Pairs = dict[tuple[str, str], tuple[float, str]]
"""Ids in order: how similar, and why they are listed."""


def all_prompts() -> list[dict[str, Any]]:
    """Every prompt of the domains, and those of people in a crisis."""
    files = [*sorted(PROMPTS.glob("*/*.jsonl")), PROMPTS / "care.jsonl"]
    return [row for path in files for row in load_prompts(path)]


def by_words(rows: list[dict[str, Any]]) -> Pairs:
    """The pairs whose words are alike."""
    texts = [row["prompt"] for row in rows]
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, stop_words="english").fit_transform(texts)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True).fit_transform(texts)
    alike = ((words @ words.T) + (characters @ characters.T)).toarray() / 2
    return dict(_above(rows, alike, WORDS, "words"))


def by_meaning(rows: list[dict[str, Any]], model: str) -> Pairs:
    """The pairs whose mean hidden states are alike."""
    vectors = _hidden_states([row["prompt"] for row in rows], model)
    vectors -= vectors.mean(axis=0)
    directions = np.linalg.svd(vectors, full_matrices=False)[2][:COMMON]
    vectors -= vectors @ directions.T @ directions
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return dict(_above(rows, vectors @ vectors.T, MEANING, "meaning"))


def listed() -> Pairs:
    """The pairs in the file."""
    if not FILE.is_file():
        return {}
    lines = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    return {(line["a"], line["b"]): (line["similarity"], line["why"]) for line in lines}


def _above(
    rows: list[dict[str, Any]], alike: np.ndarray, threshold: float, why: str
) -> Iterator[tuple[tuple[str, str], tuple[float, str]]]:
    for first, second in np.argwhere(np.triu(alike, 1) >= threshold):
        one, other = rows[first], rows[second]
        if _is_benign(one) == _is_benign(other):
            yield _key(one["id"], other["id"]), (round(float(alike[first, second]), 2), why)


def _is_benign(row: dict[str, Any]) -> bool:
    return row.get("tier") in BENIGN


def _key(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first < second else (second, first)


def _hidden_states(texts: list[str], name: str) -> np.ndarray:
    """The mean over tokens of the states half-way up, where a model's states say most about a text's meaning."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    # many CPUs are slow in bfloat16, which most checkpoints are stored in
    tokenizer, model = AutoTokenizer.from_pretrained(name), AutoModel.from_pretrained(name, dtype=torch.float32).eval()
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    order = np.argsort([len(text) for text in texts])  # texts of one length need no padding
    vectors = []
    for start in range(0, len(texts), BATCH):
        some = [texts[place] for place in order[start : start + BATCH]]
        batch = tokenizer(some, return_tensors="pt", padding=True, truncation=True, max_length=LONGEST)
        with torch.no_grad():
            states = model(**batch, output_hidden_states=True).hidden_states
        mask = batch["attention_mask"].unsqueeze(-1)
        mask[:, 0] = 0  # the first token's state is large and the same whatever follows
        vectors.append(((states[len(states) // 2] * mask).sum(1) / mask.sum(1)).float().numpy())
    return np.concatenate(vectors)[np.argsort(order)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embed", metavar="MODEL")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    rows = all_prompts()
    texts = {row["id"]: row["prompt"] for row in rows}
    kept = (READ,) if arguments.embed else (READ, "meaning")
    found = {pair: how for pair, how in listed().items() if how[1] in kept and set(pair) <= texts.keys()}
    found |= by_meaning(rows, arguments.embed) if arguments.embed else {}
    found |= by_words(rows)
    ordered = sorted(found.items())
    for (one, other), (similarity, why) in sorted(ordered, key=lambda item: -item[1][0]):
        print(f"{similarity:.2f} {why:7} {one} ~ {other}\n    {texts[one][:150]!r}\n    {texts[other][:150]!r}")
    print(f"{len(ordered)} pairs")
    if arguments.write:
        lines = [{"a": one, "b": other, "similarity": how[0], "why": how[1]} for (one, other), how in ordered]
        FILE.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
