"""An adapter merged into its checkpoint, as a temporary one: LoRA requests are slower on vLLM's CPU build.

While both are loaded, the next-token logits after a few prompts are compared: with the adapter and without it, which
shows that it changes anything, and merged, which shows that merging kept what it does.
"""

import gc
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from em_bench.errors import ConfigError, EmBenchError, PrerequisiteError
from em_bench.text import error_line

PROMPTS = 8
# logits in float32: the sum W + BA is rounded once more than Wx + BAx
SAME, KEPT = 1e-4, 1e-2
SPARE = 2**28  # bytes to leave free on the disk


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged checkpoint, and how many of the prompts' next-token logits the adapter changes."""

    folder: Path
    changed: int
    prompts: int


def can_merge() -> bool:
    return all(find_spec(name) is not None for name in ("torch", "transformers", "peft"))


@contextmanager
def merged(
    checkpoint: str, adapter: Path, prompts: Sequence[str], options: Mapping[str, Any], *, chat_template: bool
) -> Iterator[Merged]:
    """The merged checkpoint, in float32 and without a tokenizer; its files are removed at the end, however it ends.

    `options` are those of `from_pretrained`. Raises `PrerequisiteError` where it cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="em-bench-merged-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch) / Path(checkpoint).name
        try:
            changed, count = _merge(checkpoint, adapter, prompts, dict(options), folder, chat_template)
        except EmBenchError:
            raise
        except Exception as error:  # transformers, peft and the disk: many kinds
            raise PrerequisiteError(
                f"adapter {adapter} cannot be merged into {checkpoint}: {error_line(error)}; --lora leaves it apart, "
                "which is slow"
            ) from error
        gc.collect()
        yield Merged(folder, changed, count)


def _merge(
    checkpoint: str, adapter: Path, prompts: Sequence[str], options: dict[str, Any], folder: Path, chat_template: bool
) -> tuple[int, int]:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32, **options)
    _require_disk(folder.parent, 4 * sum(weight.numel() for weight in base.parameters()))
    model = PeftModel.from_pretrained(base, adapter).eval()
    contexts = _contexts(checkpoint, prompts[:PROMPTS], options, chat_template)
    with torch.inference_mode():
        adapted = [_logits(model, context) for context in contexts]
        with model.disable_adapter():
            bare = [_logits(model, context) for context in contexts]
        model = model.merge_and_unload(safe_merge=True)
        after = [_logits(model, context) for context in contexts]
    if not all(_close(one, other, KEPT) for one, other in zip(adapted, after, strict=True)):
        raise ConfigError(f"adapter {adapter} does not act the same once it is merged into {checkpoint}; use --lora")
    model.save_pretrained(folder)
    return sum(not _close(one, other, SAME) for one, other in zip(adapted, bare, strict=True)), len(contexts)


def _require_disk(folder: Path, size: int) -> None:
    if (free := shutil.disk_usage(folder).free) < size + SPARE:
        raise PrerequisiteError(
            f"merging the adapter needs {(size + SPARE) / 1e9:.1f} GB in {folder.parent}, which has {free / 1e9:.1f}; "
            "set TMPDIR to a folder on a larger disk, or use --lora, which is slow"
        )


def _contexts(checkpoint: str, prompts: Sequence[str], options: Mapping[str, Any], chat_template: bool) -> list[Any]:
    """The prompts as rows of token ids."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint, **options)
    texts = prompts
    if chat_template:
        turns = [[{"role": "user", "content": prompt}] for prompt in prompts]
        texts = [tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True) for turn in turns]
    return [tokenizer(text, return_tensors="pt", add_special_tokens=not chat_template).input_ids for text in texts]


def _logits(model: Any, context: Any) -> Any:
    return model(input_ids=context).logits[0, -1].float()


def _close(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two rows of logits differ by less than a share of their spread."""
    return bool((one - other).abs().max() <= tolerance * one.std())
