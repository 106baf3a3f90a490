"""A checkpoint without weights: an `LM` that answers what a test tells it to, and the call that evaluates it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lm_eval import evaluator
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager


class CannedLM(LM):
    """`respond(context, generation_kwargs)` gives each response; `contexts` keeps what was asked, in order.

    The chat template is the JSON of the messages. With `encode`, the model counts tokens as real engines do.
    """

    def __init__(
        self,
        respond: Callable[[str, dict[str, Any]], str] = lambda *_: "Canned.",
        encode: Callable[[str], list[int]] | None = None,
    ) -> None:
        super().__init__()
        self.contexts: list[str] = []
        self._respond = respond
        if encode is not None:
            self.tok_encode = encode

    def generate_until(self, requests: list, disable_tqdm: bool = False) -> list[str]:
        self.contexts += [request.args[0] for request in requests]
        return [self._respond(*request.args) for request in requests]

    def loglikelihood(self, requests: list, disable_tqdm: bool = False) -> list:
        raise NotImplementedError("em-bench only generates")

    loglikelihood_rolling = loglikelihood

    @property
    def tokenizer_name(self) -> str:
        return "canned"

    def apply_chat_template(self, chat_history: list[dict], add_generation_prompt: bool = True) -> str:
        return json.dumps(chat_history)


def load(folder: Path, names: list[str], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """What `lm_eval --include_path folder --tasks names --metadata metadata` loads."""
    return TaskManager(include_path=folder, include_defaults=False, metadata=metadata).load(names)


def evaluate(
    folder: Path,
    names: list[str],
    model: LM | None = None,
    *,
    metadata: dict[str, Any] | None = None,
    predict_only: bool = False,
    apply_chat_template: bool = True,
    **options: Any,
) -> dict[str, Any]:
    """What lm-eval makes of the tasks; without `simple_evaluate`, which takes 5 s to describe the machine."""
    loaded = load(folder, names, metadata)
    if predict_only:
        for task in loaded["tasks"].values():
            task.override_metric(metric_name="bypass")
    return evaluator.evaluate(
        lm=model or CannedLM(),
        task_dict=loaded,
        apply_chat_template=apply_chat_template,
        bootstrap_iters=0,
        **options,
    )
