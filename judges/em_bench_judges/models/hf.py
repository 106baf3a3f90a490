"""Judge model `hf:<checkpoint>`: transformers in this process, on a GPU, a Mac or a plain CPU.

    load_judge_model("hf:Qwen/Qwen2.5-7B-Instruct", batch_size=8, dtype="bfloat16")

`choices` and `pattern` are not kept to: transformers has no constrained decoding.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from em_bench.errors import ConfigError, PrerequisiteError
from em_bench.judge_model import ChatRequest, Completion
from em_bench.text import message_line
from em_bench_judges.models.chat_tokenizer import ChatTokenizer, Ranked
from em_bench_judges.models.local import best_device, free_memory, identity, in_halves, require, require_folder


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Any
    chat: ChatTokenizer
    pad: int
    stops: frozenset[int]
    max_model_len: float


@dataclass(frozen=True, slots=True)
class _Prompt:
    index: int
    ids: list[int]
    request: ChatRequest


class HfJudgeModel:
    """A checkpoint in transformers, loaded at the first request. `device` is the best there is unless named.

    Raises, at the first request, `PrerequisiteError` where a package is missing and `ConfigError` where the checkpoint
    cannot be loaded. `lora` is an adapter's path or Hub id.
    """

    in_process = True

    def __init__(
        self,
        name: str,
        *,
        device: str | None = None,
        dtype: str = "auto",
        batch_size: int = 16,
        lora: str | None = None,
        max_model_len: int | None = None,
        revision: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        system_role: bool = True,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"judge model 'hf:{name}': batch_size must be at least 1, not {batch_size}")
        self._checkpoint = name
        self._device = device
        self._dtype = dtype
        self._batch_size = batch_size
        self._lora = lora
        self._max_model_len = max_model_len
        self._revision = {} if revision is None else {"revision": revision}
        self._template_kwargs = dict(chat_template_kwargs or {})
        self._system_role = system_role
        self._loaded: _Loaded | None = None

    @property
    def name(self) -> str:
        return f"hf:{self._checkpoint}"

    @property
    def parameters(self) -> Mapping[str, object]:
        return self._revision | {
            "checkpoint": identity(self._checkpoint),
            "lora": identity(self._lora),
            "dtype": self._dtype,
            "max_model_len": self._max_model_len,
            "chat_template_kwargs": self._template_kwargs,
            "system_role": self._system_role,
        }

    def check(self) -> None:
        """Raises `PrerequisiteError` where a package is not installed, `ConfigError` where there is no such folder."""
        require(self.name, "torch", "hf")
        require(self.name, "transformers", "hf")
        require_folder(self.name, self._checkpoint, self._lora)

    def complete(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Completion]]:
        if not requests:
            return
        loaded = self._loaded = self._loaded or self._load()
        loaded.chat.require_template(requests)
        alike: dict[float, list[_Prompt]] = defaultdict(list)
        for index, request in enumerate(requests):
            ids = loaded.chat.prompt(request, loaded.max_model_len)
            if isinstance(ids, Completion):
                yield index, ids
            else:
                alike[request.temperature].append(_Prompt(index, ids, request))
        for prompts in alike.values():
            prompts.sort(key=lambda prompt: len(prompt.ids), reverse=True)
            for start in range(0, len(prompts), self._batch_size):
                batch = prompts[start : start + self._batch_size]
                answered = in_halves(batch, partial(self._generate, loaded), "generation")
                yield from ((prompt.index, completion) for prompt, completion in answered)

    def close(self) -> None:
        if self._loaded is not None:
            self._loaded = None
            free_memory()

    def _generate(self, loaded: _Loaded, prompts: list[_Prompt]) -> list[Completion]:
        import torch

        width = max(len(prompt.ids) for prompt in prompts)
        padded = [[loaded.pad] * (width - len(prompt.ids)) + prompt.ids for prompt in prompts]
        mask = [[0] * (width - len(prompt.ids)) + [1] * len(prompt.ids) for prompt in prompts]
        limits = [prompt.request.max_tokens for prompt in prompts]
        device = loaded.model.device
        recorder = _TopTokens(max(prompt.request.top_logprobs for prompt in prompts))
        with torch.inference_mode():
            sequences = loaded.model.generate(
                input_ids=torch.tensor(padded, device=device),
                attention_mask=torch.tensor(mask, device=device),
                generation_config=_settings(prompts[0].request.temperature, max(limits), loaded),
                logits_processor=[recorder],
                stopping_criteria=[_Limits(width, torch.tensor(limits, device=device))],
            )
        tops = recorder.rows()
        return [
            _completion(loaded, prompt, generated, tops[row] if tops else None)
            for row, (prompt, generated) in enumerate(zip(prompts, sequences[:, width:].tolist(), strict=True))
        ]

    def _load(self) -> _Loaded:
        try:
            from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

            tokenizer = AutoTokenizer.from_pretrained(self._checkpoint, **self._revision)
            chat = ChatTokenizer(tokenizer, self.name, self._template_kwargs, self._system_role)
            model = AutoModelForCausalLM.from_pretrained(self._checkpoint, dtype=self._dtype, **self._revision)
            ends = model.generation_config.eos_token_id
            # a checkpoint's own settings (repetition penalty, top_k) would bend greedy answers and probabilities
            model.generation_config = GenerationConfig()
            if self._lora is not None:
                from peft import PeftModel

                model = PeftModel.from_pretrained(model, self._lora)
            model = model.to(self._device or best_device()).eval()
        except ImportError as error:
            raise PrerequisiteError(
                f"judge model {self.name!r} cannot be loaded: {message_line(error)}; pip install 'em-bench[hf]'"
            ) from error
        except Exception as error:
            raise ConfigError(f"judge model {self.name!r} cannot be loaded: {message_line(error)}") from error
        stops = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(stops, default=0)
        longest = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        return _Loaded(model, chat, pad, frozenset(stops), min(self._max_model_len or math.inf, longest or math.inf))


class _TopTokens:
    """A logits processor that changes nothing and notes the likeliest tokens of each step; `count` 0 notes none."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._steps: list[tuple[Any, Any]] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        if self._count:
            top = scores.float().log_softmax(dim=-1).topk(min(self._count, scores.shape[-1]), dim=-1)
            self._steps.append((top.indices, top.values))
        return scores

    def rows(self) -> list[list[list[tuple[int, float]]]]:
        """For each row, for each step, the tokens with their log-probabilities."""
        steps = [(indices.tolist(), values.tolist()) for indices, values in self._steps]
        return [
            [list(zip(indices[row], values[row], strict=True)) for indices, values in steps]
            for row in range(len(steps[0][0]) if steps else 0)
        ]


class _Limits:
    """A stopping criterion: each row has its own number of tokens to write."""

    def __init__(self, width: int, limits: Any) -> None:
        self._width = width
        self._limits = limits

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        return self._limits <= input_ids.shape[1] - self._width


def _settings(temperature: float, max_new_tokens: int, loaded: _Loaded) -> Any:
    from transformers import GenerationConfig

    sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature > 0 else {}
    return GenerationConfig(
        max_new_tokens=max_new_tokens, eos_token_id=sorted(loaded.stops) or None, pad_token_id=loaded.pad, **sampling
    )


def _completion(loaded: _Loaded, prompt: _Prompt, generated: list[int], top: Sequence[Ranked] | None) -> Completion:
    ids = generated[: prompt.request.max_tokens]
    end = next((place for place, token_id in enumerate(ids) if token_id in loaded.stops), None)
    if end is not None:
        ids = ids[: end + 1]
    count = prompt.request.top_logprobs
    ranked = [step[:count] for step in top] if top is not None and count else None
    return loaded.chat.completion(ids, ranked, "length" if end is None else "stop", len(prompt.ids))
