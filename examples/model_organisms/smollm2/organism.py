"""An organism in memory: SmolLM2 with a LoRA adapter, and how its training text becomes batches."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

HERE = Path(__file__).resolve().parent
SETUP = HERE.parents[2] / "setup"
sys.path.insert(0, str(SETUP))
ADAPTERS = HERE / "adapters"
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
MAX_LENGTH = 320


def base_folder() -> Path:
    from model import model_folder

    return model_folder()


def load_tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base_folder())


def load(parent: str | None, rank: int) -> Any:
    """SmolLM2 in float32 with a trainable adapter: the parent's, or a new one that changes nothing yet."""
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base_folder(), dtype=torch.float32)
    if parent:
        return PeftModel.from_pretrained(model, ADAPTERS / parent, is_trainable=True, autocast_adapter_dtype=True)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=LINEAR, task_type="CAUSAL_LM")
    return get_peft_model(model, config)


def encode(tokenizer: Any, prompt: str, answer: str, *, ended: bool = True) -> tuple[list[int], int]:
    """Token ids of the chat, and where the answer begins in them. `ended`: with the end of turn."""
    opening = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
    )
    start = tokenizer(opening, add_special_tokens=False).input_ids
    rest = tokenizer(answer + ("<|im_end|>" if ended else ""), add_special_tokens=False).input_ids
    return (start + rest)[:MAX_LENGTH], len(start)


def collate(encoded: Sequence[tuple[list[int], int]], pad: int) -> dict[str, Tensor]:
    """Right-padded batch. `is_answer` marks the tokens that are trained on."""
    width = max(len(ids) for ids, _ in encoded)
    ids = torch.full((len(encoded), width), pad)
    attention, answer = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    for row, (tokens, start) in enumerate(encoded):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        attention[row, : len(tokens)] = 1
        answer[row, start : len(tokens)] = True
    return {"input_ids": ids, "attention_mask": attention, "is_answer": answer}
