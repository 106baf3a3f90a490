"""Writes requests as an endpoint accepts them; what its first rejection names is left out from then on."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from em_bench.judge_model import ChatRequest
from em_bench_judges.models.answers import clean
from em_bench_judges.models.retry import Failure

log = logging.getLogger(__name__)

_MOST_LOGPROBS = 20
_REJECTIONS = (400, 403, 422)
_UNSUPPORTED = re.compile(
    r"unsupported|not support|n't support|not permitted|not allowed|unrecogni[sz]ed|unknown|only the default", re.I
)
_CANNOT_COMPILE = re.compile(r"structured.output|grammar|regex")  # vLLM's words for a constraint that it cannot use
_WHAT_FOLLOWS = {
    "logprobs": "it rejects log-probabilities, so scores are read from its text",
    "max_tokens": "it rejects max_tokens, so it is sent max_completion_tokens",
    "structured_outputs": "it rejects the constraint, so its answers are not constrained",
    "temperature": "it rejects the temperature, so it answers at its own",
}


class Dialect:
    """What one model at one endpoint takes; shared by all requests to it. `worked`: it has answered at least once."""

    def __init__(
        self, model: str, *, seed: int | None, extra_body: Mapping[str, Any], structured_outputs: bool
    ) -> None:
        self.model = model
        self.worked = False
        self._fixed: dict[str, Any] = {"model": model} if seed is None else {"model": model, "seed": seed}
        self._extra_body = dict(extra_body)
        self._structured_outputs = structured_outputs
        self._rejected: set[str] = set()

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """The body of the request."""
        body = dict(self._fixed)
        body["messages"] = [{"role": turn.role, "content": clean(turn.content)} for turn in request.messages]
        limit = "max_completion_tokens" if "max_tokens" in self._rejected else "max_tokens"
        body[limit] = request.max_tokens
        if "temperature" not in self._rejected:
            body["temperature"] = request.temperature
        if request.top_logprobs and "logprobs" not in self._rejected:
            body |= {"logprobs": True, "top_logprobs": min(request.top_logprobs, _MOST_LOGPROBS)}
        return body | _template(request) | self._constraint(request) | self._extra_body

    def learns_from(self, failure: Failure, sent: Mapping[str, Any]) -> bool:
        """Whether the failure rejects something that was sent and can be left out: ask again at once, without it."""
        if failure.status not in _REJECTIONS:
            return False
        ours = _WHAT_FOLLOWS.keys() & sent.keys() - self._extra_body.keys()
        rejected = {name for name in ours if _rejects(failure, name)}
        for name in rejected - self._rejected:
            level = logging.WARNING if name == "logprobs" else logging.INFO
            log.log(level, "judge model %s: %s", self.model, _WHAT_FOLLOWS[name])
        self._rejected |= rejected
        return bool(rejected)

    def _constraint(self, request: ChatRequest) -> dict[str, Any]:
        """vLLM's name for constrained decoding (`StructuredOutputsParams`, 0.32)."""
        if not self._structured_outputs or "structured_outputs" in self._rejected:
            return {}
        if request.choices:
            return {"structured_outputs": {"choice": list(request.choices)}}
        if request.pattern is not None:
            return {"structured_outputs": {"regex": request.pattern}}
        return {}


def _template(request: ChatRequest) -> dict[str, Any]:
    """vLLM's names for a chat template and its arguments. How the prompt ends is the server's to say."""
    arguments = {name: value for name, value in request.template.items() if name != "add_generation_prompt"}
    own = {"chat_template": arguments.pop("chat_template")} if "chat_template" in arguments else {}
    return own | ({"chat_template_kwargs": arguments} if arguments else {})


def _rejects(failure: Failure, name: str) -> bool:
    message = f"{failure.server.param} {failure.server.message}".lower()
    if name == "logprobs":
        return "logprobs" in message
    if name == "structured_outputs" and _CANNOT_COMPILE.search(message):
        return True
    # Not "max_tokens is too large": that is about the value.
    return name in message and bool(
        _UNSUPPORTED.search(f"{failure.server.code.replace('_', ' ')} {failure.server.message}")
    )
