"""What may be chosen about evaluating a checkpoint: light to import, checked when it is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from em_bench.judging.choices import JudgeSelection

SUITE = "em_rai_suite"
SEED = 1234  # lm-eval's own


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """A checkpoint, what it is asked, how it generates, and who judges.

    `engine` is `vllm` or `hf` (by default vllm where it is installed) and `engine_arguments` load the checkpoint.
    `lora` leaves the adapter apart from the checkpoint on vLLM's CPU build too, where it is merged otherwise.
    `conditions` are names, defined in `conditions_file` or the settings' own. `finetune_domain` is a theme of
    `em_published_mishra`, or a question file. `tiers` are those of the prompts to ask, by default all. `output` is
    `runs/<checkpoint>` by default.
    """

    checkpoint: str
    adapter: str | None = None
    engine: str | None = None
    engine_arguments: Mapping[str, Any] = field(default_factory=dict)
    batch_size: str | None = None
    tasks: Sequence[str] = ()
    tiers: Sequence[str] = ()
    include_path: Path | None = None
    questions: Path | None = None
    published_dir: Path | None = None
    limit: int | None = None
    repeats: int | None = None
    conditions: Sequence[str] = ()
    conditions_file: Path | None = None
    max_tokens: int | None = None
    system_prompt: str | None = None
    think_end_token: str | None = None
    finetune_domain: str | None = None
    chat_template: bool = True
    seed: int = SEED
    judges: JudgeSelection = field(default_factory=JudgeSelection)
    output: Path | None = None
    lora: bool = False
