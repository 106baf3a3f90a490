"""What a failed request means: try again, give this one up, or give all of them up.

Passing: 408, 409, 429, 5xx, connections that fail, timeouts. Fatal for every request: a key that is not accepted
(401), an account without money (402, `insufficient_quota`), and, while nothing has worked yet, 403, 404 and a server
that is not there after all attempts. A 403 that is a firewall's page or a moderation service's answer is about the one
text that was sent.
"""

import math
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz
from http.client import responses
from socket import gaierror

from em_bench_judges.models.answers import ErrorInAnswerError, ServerError, read_error

_LONGEST_BACKOFF = 60.0
_PASSING = frozenset({408, 409, 429})
_ONE_TEXT = re.compile(r"moderat|flagged|content.(policy|filter|management)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed request. `retry_after`: how many seconds the server asks to wait. `unreachable`: there is no server."""

    reason: str
    passing: bool = False
    retry_after: float = 0.0
    status: int = 0
    server: ServerError = field(default_factory=ServerError)
    unreachable: bool = False

    def is_fatal(self, worked: bool) -> bool:
        """Whether every other request would fail too; `worked`: some request has been answered."""
        if self.status in (401, 402) or _no_money(self.server):
            return True
        if self.status == 403 and (not self.server.by_the_api or _ONE_TEXT.search(self.reason)):
            return False
        return self.status in (403, 404) and not worked


def failure_of(error: Exception) -> Failure:
    """Reads what a request raised."""
    from aiohttp import ClientError
    from openai import APIConnectionError, APIStatusError

    if isinstance(error, APIStatusError):
        return _by_status(error.status_code, read_error(error.response.content), error.response.headers)
    if isinstance(error, ErrorInAnswerError):
        status = int(error.server_error.code) if re.fullmatch(r"[45]\d\d", error.server_error.code) else 0
        failure = _by_status(status, error.server_error, {})
        return Failure(
            f"HTTP 200 with an error: {error.server_error.message}", failure.passing, 0.0, status, failure.server
        )
    if isinstance(error, TimeoutError):
        return Failure(str(error), passing=True)
    if isinstance(error, (APIConnectionError, ClientError, OSError)):
        # The transport calls most of what goes wrong a timeout; what really happened is at the root.
        root = _root(error)
        return Failure(
            f"connection failed: {type(root).__name__}: {root}",
            passing=True,
            unreachable=isinstance(root, (ConnectionRefusedError, gaierror)),
        )
    return Failure(f"{type(error).__name__}: {error}")


def _by_status(status: int, server: ServerError, headers: Mapping[str, str]) -> Failure:
    passing = (status in _PASSING or status >= 500) and not _no_money(server)
    reason = f"HTTP {status}: {server.message.strip() or responses.get(status, 'no message')}"
    return Failure(reason, passing, retry_after(headers), status, server)


def retry_after(headers: Mapping[str, str]) -> float:
    """How many seconds the headers ask to wait: `retry-after-ms`, or `retry-after` in seconds or as a date; else 0."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    header = headers.get("retry-after")
    seconds = _number(header)
    if seconds is not None:
        return seconds
    try:
        date = parsedate_tz(header) if header else None
        return max(0.0, mktime_tz(date) - time.time()) if date else 0.0
    except (ValueError, OverflowError):
        return 0.0


def backoff(base: float, attempt: int) -> float:
    """Exponential backoff with full jitter, in seconds; `attempt` counts from 1."""
    return random.uniform(0.0, min(_LONGEST_BACKOFF, base * 2.0 ** (attempt - 1)))  # noqa: S311 - no secret


def _no_money(server: ServerError) -> bool:
    return "insufficient_quota" in (server.code, server.type)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
