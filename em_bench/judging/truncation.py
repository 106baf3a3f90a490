"""Which responses were cut at the token limit: what came after the cut is not judged."""

import logging
from collections.abc import Sequence

from em_bench.judging.judgeable import Judgeable
from em_bench.types import Sample

log = logging.getLogger(__name__)


def count_truncated(task: Judgeable, samples: Sequence[Sample]) -> int | None:
    """How many responses reach the token limit; None where their tokens cannot be counted."""
    if task.encode is None or not task.token_limit:
        return None
    # text that is decoded and encoded again can come out a little shorter
    full = task.token_limit - max(1, task.token_limit // 100)
    try:
        return sum(
            len(text.encode("utf-8", "replace")) >= full and len(task.encode(text)) >= full
            for text in map(_generated, samples)
        )
    except Exception as error:  # noqa: BLE001 - a tokenizer is third-party code
        log.warning("em-bench: the tokens of %s cannot be counted: %s", task.name, error)
        return None


def _generated(sample: Sample) -> str:
    """The part of the assistant's turn that the engine wrote."""
    return sample.response.removeprefix(str(sample.metadata.get("prefill") or ""))
