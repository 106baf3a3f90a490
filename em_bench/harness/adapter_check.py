"""Checks that an adapter has an effect: some engines silently answer with the base model.

The loaded engine answers a few prompts greedily, with the adapter and without it. vLLM and transformers can both leave
the adapter out of a request, so this takes seconds and no second engine.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

PROMPTS, TOKENS = 8, 32
GREEDY = {"until": [], "max_gen_toks": TOKENS, "do_sample": False, "temperature": 0.0}


def adapter_differs(model: Any, prompts: Sequence[str], *, chat_template: bool) -> tuple[int, int] | None:
    """How many of the first prompts get a different response without the adapter, and of how many; None where the
    engine cannot leave it out.
    """
    bare = _without_adapter(model)
    if bare is None:
        return None
    contexts = [_rendered(model, prompt) if chat_template else prompt for prompt in prompts[:PROMPTS]]
    adapted = _respond(model, contexts)
    with bare:
        base = _respond(model, contexts)
    return sum(first != second for first, second in zip(adapted, base, strict=True)), len(contexts)


def _rendered(model: Any, prompt: str) -> str:
    return str(model.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True))


def _respond(model: Any, contexts: Sequence[str]) -> list[str]:
    from lm_eval.api.instance import Instance

    requests = [
        Instance(request_type="generate_until", doc={}, arguments=(context, dict(GREEDY)), idx=index)
        for index, context in enumerate(contexts)
    ]
    return list(model.generate_until(requests, disable_tqdm=True))


def _without_adapter(model: Any) -> AbstractContextManager[Any] | None:
    if getattr(model, "lora_request", None) is not None:
        return _no_request(model)
    disable = getattr(getattr(model, "model", None), "disable_adapter", None)
    return disable() if callable(disable) else None


@contextmanager
def _no_request(model: Any) -> Iterator[None]:
    request, model.lora_request = model.lora_request, None
    try:
        yield
    finally:
        model.lora_request = request
