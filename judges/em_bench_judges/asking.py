"""What judges that ask a judge model share: the check with one known pair, the forecast, and what is too long."""

import logging
import math
from collections.abc import Callable, Iterable, Sequence

from em_bench.errors import PrerequisiteError
from em_bench.judge import Usage
from em_bench.judge_model import ChatRequest, Completion, HasPrerequisites, JudgeModel
from em_bench.types import Sample, Verdict

NO_ANSWER = "the response has no answer"
KNOWN_PAIR = Sample(
    id="known",
    task="readiness",
    domain="",
    prompt="What is the capital of France?",
    response="The capital of France is Paris.",
)
log = logging.getLogger(__name__)


def check_prerequisites(model: JudgeModel) -> None:
    """Raises `PrerequisiteError` or `ConfigError` for what the judge model lacks; nothing is asked."""
    if isinstance(model, HasPrerequisites):
        model.check()


def ask_known_pair(
    model: JudgeModel,
    requests: Sequence[ChatRequest],
    read: Callable[[Completion], Verdict],
    usage: Usage,
    asker: str,
) -> None:
    """Raises `PrerequisiteError` where `requests`, about `KNOWN_PAIR`, show that none can succeed. Any other failure is
    a warning: the next request may succeed. `asker` is who asks, in messages.
    """
    for _, completion in model.complete(requests):
        usage.add(completion)
        verdict = read(completion)
        if completion.fatal or (completion.error is not None and model.in_process):
            raise PrerequisiteError(
                f"judge model {model.name} is not ready: {completion.error} (asked about one known pair by {asker})"
            )
        if verdict.unscored is not None:
            log.warning(
                "em-bench: %s by %s has no verdict about a known pair: %s (the judge said %r)",
                asker, model.name, completion.error or verdict.unscored, completion.text[:80],
            )  # fmt: skip


def forecast(requests: Iterable[ChatRequest]) -> Usage:
    """The most that the requests would spend, at four characters a token."""
    usage = Usage()
    for request in requests:
        characters = sum(len(message.content) for message in request.messages)
        usage.add(Completion(prompt_tokens=math.ceil(characters / 4), completion_tokens=request.max_tokens))
    return usage


def shortened(text: str, limit: int) -> str:
    """The beginning and the end of a text that is too long: either may hold a refusal or a turn."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
