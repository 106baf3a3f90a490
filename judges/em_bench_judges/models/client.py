"""Gets completions from one endpoint: attempts, waits, and what a failure means for the other requests."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from em_bench.judge_model import ChatRequest, Completion
from em_bench.text import shown
from em_bench_judges.models.answers import LIMIT, read_answer
from em_bench_judges.models.dialect import Dialect
from em_bench_judges.models.limits import RateLimits
from em_bench_judges.models.retry import Failure, backoff, failure_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request is tried: attempts, seconds for each, and seconds in all without the rate limits' waits."""

    max_attempts: int
    request_timeout: float
    deadline: float
    backoff_base: float


class Client:
    """Shared by the requests of one `complete`. `send` posts the body of a request and returns that of the answer."""

    def __init__(
        self,
        send: Callable[[Mapping[str, Any]], Awaitable[bytes]],
        dialect: Dialect,
        limits: RateLimits,
        patience: Patience,
        secret: str,
    ) -> None:
        self._send = send
        self._dialect = dialect
        self._limits = limits
        self._patience = patience
        self._secret = secret
        self._fatal: str | None = None
        self._given_up = asyncio.Event()

    async def answer(self, request: ChatRequest) -> Completion:
        """The completion of one request, or its error; raises nothing but cancellation."""
        try:
            return await self._answer(request)
        except Exception as error:  # noqa: BLE001 - a request that cannot even be written must not cost the others
            return Completion(error=self._tidy(f"{type(error).__name__}: {error}"), attempts=0)

    async def _answer(self, request: ChatRequest) -> Completion:
        attempts = failures = 0
        ends = time.monotonic() + self._patience.deadline
        while True:
            ends += await self._rest(self._limits.take(request))
            if self._fatal is not None:
                return Completion(error=self._fatal, fatal=True, attempts=attempts)
            body = self._dialect.body(request)
            attempts += 1
            try:
                answer = await self._attempt(body, ends - time.monotonic())
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this request's error and no other's
                failure = failure_of(error)
            else:
                self._dialect.worked |= answer.error is None
                return replace(answer, attempts=attempts, error=answer.error and self._tidy(answer.error))
            if self._dialect.learns_from(failure, body):
                continue
            failures += 1
            wait = failure.retry_after + backoff(self._patience.backoff_base, failures)
            given_up = self._given_up_on(failure, failures, wait, ends - time.monotonic())
            if given_up is not None:
                return Completion(error=given_up, fatal=self._fatal is not None, attempts=attempts)
            log.debug("retry in %.2f s: %s", wait, self._tidy(failure.reason))
            await self._rest(wait)

    async def _attempt(self, body: Mapping[str, Any], left: float) -> Completion:
        seconds = max(0.001, min(self._patience.request_timeout, left))
        try:
            async with asyncio.timeout(seconds):
                answer = await self._send(body)
        except TimeoutError:
            raise TimeoutError(f"no answer within {seconds:.3g} s") from None
        return read_answer(answer, logprobs="logprobs" in body)

    def _given_up_on(self, failure: Failure, failures: int, wait: float, left: float) -> str | None:
        """The error to report, or None when the request is to be tried again after `wait` seconds."""
        reason = self._tidy(failure.reason)
        no_server = failure.unreachable and failures >= self._patience.max_attempts and not self._dialect.worked
        if (no_server or failure.is_fatal(self._dialect.worked)) and self._fatal is None:
            self._fatal = reason
            self._given_up.set()
            log.error("judge model %s: %s; no more requests are sent", self._dialect.model, reason)
        if not failure.passing or failures >= self._patience.max_attempts:
            return reason
        if wait >= left:
            delay = f"the server asks to wait {failure.retry_after:g} s; " if failure.retry_after else ""
            return self._tidy(f"no time left before the deadline; {delay}{reason}")
        return None

    async def _rest(self, seconds: float) -> float:
        """Waits, until all is given up at the latest; the seconds waited."""
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._given_up.wait()
        return seconds

    def _tidy(self, reason: str) -> str:
        """One line, without the key. The key goes before the line is cut, so that no part of it can stay."""
        return shown(reason.replace(self._secret, "[key]") if self._secret else reason, LIMIT)
