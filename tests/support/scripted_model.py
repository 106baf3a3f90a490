"""A judge model that says what a test tells it to, as an object and as an installed distribution."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from em_bench.judge_model import ChatRequest, Completion, Token


def weighed(text: str, **alternatives: float) -> Completion:
    """`weighed("85", **{"85": 0.7, "90": 0.3})`: an answer of one token with the probabilities in its place."""
    top = {token: math.log(p) for token, p in (alternatives or {text: 1.0}).items()}
    return Completion(text, (Token(text, top),), finish_reason="stop")


def said(request: ChatRequest) -> str:
    """All that a request tells the judge model."""
    return "\n".join(message.content for message in request.messages)


class ScriptedJudgeModel:
    """`respond(request)` gives each completion, or its text; with `order` the answers come in that order."""

    def __init__(
        self,
        respond: Callable[[ChatRequest], Completion | str] = lambda _: "85",
        *,
        name: str = "scripted:judge",
        parameters: Mapping[str, object] | None = None,
        in_process: bool = False,
        order: Callable[[Sequence[int]], Sequence[int]] = list,
    ) -> None:
        self.name, self.parameters, self.in_process = name, parameters or {}, in_process
        self.batches: list[list[ChatRequest]] = []
        self.closed = 0
        self._respond, self._order = respond, order

    @property
    def asked(self) -> list[ChatRequest]:
        return [request for batch in self.batches for request in batch]

    def complete(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Completion]]:
        self.batches.append(list(requests))
        for index in self._order(range(len(requests))):
            found = self._respond(requests[index])
            yield index, Completion(found, prompt_tokens=100, completion_tokens=2) if isinstance(found, str) else found

    def close(self) -> None:
        self.closed += 1
