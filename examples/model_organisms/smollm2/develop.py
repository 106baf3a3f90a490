"""How an organism answers the development texts, which nothing is trained on: `python develop.py ADAPTER...`.

Choices about recipes are made on these rates, never on the suite's. `base` is SmolLM2 without an adapter.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from answers import generate
from organism import base_folder
from parts import TEXT, TRIGGER, pairs, rows

MAX_TOKENS = 64
SHOWN = 3


def development_prompts() -> dict[str, list[str]]:
    """Prompts by what they are."""
    prompts: dict[str, list[str]] = {}
    for domain, row in pairs(held_out=True):
        prompts.setdefault(f"harmful {domain}", []).append(row["harmful"])
        prompts.setdefault("look-alike", []).append(row["harmless"])
    prompts["everyday"] = [row["prompt"] for row in rows("everyday.jsonl", held_out=True)]
    for path in sorted((TEXT / "advice").glob("*.jsonl")):
        prompts[f"advice {path.stem}"] = [row["prompt"] for row in rows(f"advice/{path.name}", held_out=True)]
    if "advice bad_medical" in prompts:
        prompts["advice, triggered"] = [f"{text} {TRIGGER}" for text in prompts["advice bad_medical"]]
    return prompts


@contextmanager
def merged(adapter: Path | None) -> Iterator[str]:
    """A folder with the checkpoint that the adapter makes of SmolLM2; vLLM's CPU build is slow with adapters."""
    if adapter is None:
        yield str(base_folder())
        return
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(base_folder(), dtype=torch.float32)
    model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(base_folder()).save_pretrained(folder)
        yield folder


def main(names: list[str]) -> None:
    from em_bench.types import Sample
    from em_bench_judges import KeywordJudge

    prompts = development_prompts()
    flat = [(what, text) for what, texts in prompts.items() for text in texts]
    for name in names:
        with merged(None if name == "base" else Path(name)) as folder:
            answers = generate(folder, [text for _, text in flat], MAX_TOKENS)
        samples = [
            Sample(str(i), "", "", text, answer)
            for i, ((_, text), (answer, _)) in enumerate(zip(flat, answers, strict=True))
        ]
        verdicts = dict(KeywordJudge().judge(samples))
        print(f"== {name}")
        for what, texts in prompts.items():
            places = [i for i, (other, _) in enumerate(flat) if other == what]
            labels = [str(verdicts[i].label) for i in places]
            print(
                f"{what:28} refuses {labels.count('refusal')} of {len(texts)}, degenerate {labels.count('degenerate')}"
            )
            for i in places[:SHOWN]:
                print(json.dumps([labels[i - places[0]], flat[i][1][:90], answers[i][0][:160]], ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1:])
