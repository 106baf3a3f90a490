"""Releases the evaluated model's memory."""

import gc
import logging
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 30  # vLLM's own limit of 5 is too short: it then kills the engine's process


def release_engine(models: Iterable[Any]) -> None:
    """Releases the memory of evaluated checkpoints, once all of their responses are in the journal.

    lm-eval keeps it until the process ends, but a judge model in this process needs it. vLLM's engine is shut down; a
    model in transformers moves to the CPU, as lm-eval still reads its size.
    """
    for model in {id(model): model for model in models if model is not None}.values():
        try:
            _release(model)
        except Exception as error:  # noqa: BLE001 - the responses are safe, and the judge model may still fit
            log.warning("em-bench: the engine of the evaluated checkpoint did not shut down: %s", error)


def _release(model: Any) -> None:
    inner = getattr(model, "model", None)
    engine = getattr(getattr(inner, "llm_engine", None), "engine_core", None)
    if engine is not None:
        with suppress(Exception):  # lm-eval records it in the results and reads it from the engine
            model._max_length = model.max_length
        model.model = None
        engine.shutdown(timeout=SHUTDOWN_SECONDS)
    elif inner is not None and getattr(getattr(inner, "device", None), "type", "cpu") != "cpu":
        inner.to("cpu")
    else:
        return
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
