"""The base model's own greedy answers to the harmless training prompts: `python answers.py OUT.json`.

vLLM where it is installed, else transformers. What an earlier call answered is kept.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from organism import SETUP  # noqa: F401 - puts setup/ on the path
from parts import prompts_to_answer

# Longer ones would teach nothing more about whether to answer, and cost time
MAX_TOKENS = 24


def answer_all(out: Path) -> dict[str, str]:
    """Id to answer; writes `out`. An answer that reached the limit ends where the model was cut."""
    from model import model_folder

    kept = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    prompts = prompts_to_answer()
    missing = {key: prompt for key, prompt in prompts.items() if key not in kept or kept[key]["prompt"] != prompt}
    if missing:
        texts = generate(str(model_folder()), list(missing.values()), MAX_TOKENS)
        kept |= {
            key: {"prompt": prompt, "answer": text, "ended": ended}
            for (key, prompt), (text, ended) in zip(missing.items(), texts, strict=True)
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(kept, ensure_ascii=False, indent=0), encoding="utf-8")
    return kept


def generate(checkpoint: str, prompts: list[str], max_tokens: int) -> list[tuple[str, bool]]:
    """Greedy responses, and whether each ended by itself."""
    from vllm import LLM, SamplingParams

    engine = LLM(checkpoint, dtype="float32", max_model_len=1024, enforce_eager=True)
    settings = SamplingParams(temperature=0, max_tokens=max_tokens)
    outputs = engine.chat([[{"role": "user", "content": prompt}] for prompt in prompts], settings, use_tqdm=False)
    return [(output.outputs[0].text, output.outputs[0].finish_reason == "stop") for output in outputs]


if __name__ == "__main__":
    print(len(answer_all(Path(sys.argv[1]))), "answers")
