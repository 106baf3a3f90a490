"""Judge model `classifier:<checkpoint>`: a text-classification head in transformers, in this process.

    load_judge_model("classifier:LibrAI/longformer-action-ro", batch_size=32)

It answers only what judge `guard` asks: a request is one text, or a prompt and its response as a pair, and the answer
is the name of the likeliest class. `tokens` hold the probabilities of the classes. A text longer than the model reads
is cut at its end; the completion then finishes with `truncated`.
"""

import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from em_bench.errors import ConfigError, PrerequisiteError
from em_bench.judge_model import ChatRequest, Completion, Token
from em_bench.text import message_line
from em_bench_judges.models.local import (
    best_device,
    control_pattern,
    free_memory,
    identity,
    in_halves,
    require,
    require_folder,
    spelled_apart,
)

NO_CLASSIFIER = "a classification head answers no questions; use it with judge guard"
TRUNCATED = "truncated"
# Their first positions are taken: `max_position_embeddings` counts two more than a text may have.
_OFFSET = {"camembert": 2, "longformer": 2, "roberta": 2, "xlm-roberta": 2, "xlm-roberta-xl": 2}


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Any
    tokenizer: Any
    classes: Mapping[int, str]
    longest: int
    control: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Input:
    index: int
    encoded: Mapping[str, list[int]]
    cut: bool

    @property
    def length(self) -> int:
        return len(self.encoded["input_ids"])


class ClassifierJudgeModel:
    """An `AutoModelForSequenceClassification`, loaded at the first request. `device` is the best there is unless named;
    `max_length` cuts texts shorter than the model would.

    Raises, at the first request, `PrerequisiteError` where a package is missing and `ConfigError` where the checkpoint
    cannot be loaded or gives no single class.
    """

    in_process = True

    def __init__(
        self,
        name: str,
        *,
        device: str | None = None,
        dtype: str = "auto",
        batch_size: int = 16,
        max_length: int | None = None,
        revision: str | None = None,
    ) -> None:
        for option, value in (("batch_size", batch_size), ("max_length", max_length)):
            if value is not None and (type(value) is not int or value < 1):
                raise ConfigError(f"judge model 'classifier:{name}': {option} must be at least 1, not {value!r}")
        self._checkpoint = name
        self._device = device
        self._dtype = dtype
        self._batch_size = batch_size
        self._max_length = max_length
        self._revision = {} if revision is None else {"revision": revision}
        self._loaded: _Loaded | None = None

    @property
    def name(self) -> str:
        return f"classifier:{self._checkpoint}"

    @property
    def parameters(self) -> Mapping[str, object]:
        return self._revision | {
            "checkpoint": identity(self._checkpoint),
            "dtype": self._dtype,
            "max_length": self._max_length,
        }

    def check(self) -> None:
        """Raises `PrerequisiteError` where a package is not installed, `ConfigError` where there is no such folder."""
        require(self.name, "torch", "hf")
        require(self.name, "transformers", "hf")
        require_folder(self.name, self._checkpoint)

    def complete(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Completion]]:
        if not requests:
            return
        loaded = self._loaded = self._loaded or self._load()
        inputs: list[_Input] = []
        for index, request in enumerate(requests):
            if request.messages[-1].role == "assistant":
                inputs.append(_input(loaded, index, [message.content for message in request.messages]))
            else:
                yield index, Completion(error=NO_CLASSIFIER, fatal=True)
        inputs.sort(key=lambda each: each.length, reverse=True)
        for start in range(0, len(inputs), self._batch_size):
            batch = inputs[start : start + self._batch_size]
            answered = in_halves(batch, partial(_classify, loaded), "classification")
            yield from ((each.index, completion) for each, completion in answered)

    def close(self) -> None:
        if self._loaded is not None:
            self._loaded = None
            free_memory()

    def _load(self) -> _Loaded:
        try:
            from transformers import AutoModelForSequenceClassification, AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(self._checkpoint, **self._revision)
            model, report = AutoModelForSequenceClassification.from_pretrained(
                self._checkpoint, dtype=self._dtype, output_loading_info=True, **self._revision
            )
            model = model.to(self._device or best_device()).eval()
        except ImportError as error:
            raise PrerequisiteError(
                f"judge model {self.name!r} cannot be loaded: {message_line(error)}; pip install 'em-bench[hf]'"
            ) from error
        except Exception as error:
            raise ConfigError(f"judge model {self.name!r} cannot be loaded: {message_line(error)}") from error
        self._check_head(model.config, report)
        longest = min(_longest(model.config), tokenizer.model_max_length, self._max_length or math.inf)
        # an additional special token may be a part of the guard's format, so only these are no text
        names = ("bos_token", "eos_token", "sep_token", "cls_token", "pad_token", "mask_token", "unk_token")
        control = control_pattern(token for name in names if (token := getattr(tokenizer, name, None)))
        return _Loaded(model, tokenizer, model.config.id2label, int(min(longest, sys.maxsize)), control)

    def _check_head(self, config: Any, report: Mapping[str, Any]) -> None:
        """A head that the checkpoint lacks would be random, and one of several answers has no single class."""
        if missing := sorted(report["missing_keys"]):
            raise ConfigError(
                f"judge model {self.name!r} has no trained classification head (it lacks {missing[0]}); "
                "name a checkpoint that was fine-tuned for text classification"
            )
        if config.num_labels < 2 or config.problem_type == "multi_label_classification":
            raise ConfigError(f"judge model {self.name!r} does not choose one of several classes; name one that does")


def _longest(config: Any) -> float:
    positions = getattr(config, "max_position_embeddings", None)
    return math.inf if positions is None else positions - _OFFSET.get(config.model_type, 0)


def _input(loaded: _Loaded, index: int, messages: Sequence[str]) -> _Input:
    texts = [spelled_apart(message, loaded.control) for message in messages]
    whole = loaded.tokenizer(*texts)
    if len(whole["input_ids"]) <= loaded.longest:
        return _Input(index, whole, cut=False)
    cut = loaded.tokenizer(*texts, truncation="longest_first", max_length=loaded.longest)
    return _Input(index, cut, cut=True)


def _classify(loaded: _Loaded, inputs: Sequence[_Input]) -> list[Completion]:
    import torch

    batch = loaded.tokenizer.pad([dict(each.encoded) for each in inputs], return_tensors="pt").to(loaded.model.device)
    with torch.inference_mode():
        logprobs = loaded.model(**batch).logits.float().log_softmax(dim=-1).tolist()
    return [_completion(loaded, each, row) for each, row in zip(inputs, logprobs, strict=True)]


def _completion(loaded: _Loaded, each: _Input, logprobs: Sequence[float]) -> Completion:
    if any(math.isnan(value) for value in logprobs):
        return Completion(error="the classes have no probabilities (NaN); try dtype float32", prompt_tokens=each.length)
    top = {loaded.classes[place]: value for place, value in enumerate(logprobs)}
    label = max(top, key=lambda name: top[name])
    return Completion(
        text=label,
        tokens=(Token(label, top),),
        prompt_tokens=each.length,
        finish_reason=TRUNCATED if each.cut else "stop",
    )
