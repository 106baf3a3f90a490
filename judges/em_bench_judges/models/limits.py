"""Rate limits: so many requests, and so many tokens, a minute."""

import threading
import time
from collections.abc import Callable, Iterable

from em_bench.judge_model import ChatRequest

_BURST = 1.0  # seconds' worth that may be spent at once


class Bucket:
    """A token bucket: taking from it returns how long to wait first.

    It holds one second's worth. A take may exceed that; later takes wait for it.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_each = 60.0 / per_minute
        self._clock = clock
        self._paid_until = clock() - _BURST
        self._lock = threading.Lock()

    def take(self, amount: float) -> float:
        """Takes `amount` and returns the seconds to wait before spending it."""
        with self._lock:
            now = self._clock()
            begins = max(self._paid_until, now - _BURST)
            self._paid_until = begins + amount * self._seconds_each
            return max(0.0, begins - now)


class RateLimits:
    """The limits of one endpoint; None is no limit."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._requests = Bucket(requests_per_minute) if requests_per_minute else None
        self._tokens = Bucket(tokens_per_minute) if tokens_per_minute else None

    def take(self, request: ChatRequest) -> float:
        """How many seconds to wait before this request may be sent."""
        return max(self._waits(request), default=0.0)

    def _waits(self, request: ChatRequest) -> Iterable[float]:
        if self._requests:
            yield self._requests.take(1)
        if self._tokens:
            yield self._tokens.take(estimated_tokens(request))


def estimated_tokens(request: ChatRequest) -> float:
    """Four characters are about one token; the answer is counted as long as it may be."""
    return sum(len(message.content) for message in request.messages) / 4 + request.max_tokens
