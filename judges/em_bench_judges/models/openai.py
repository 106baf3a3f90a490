"""The judge model behind any OpenAI-compatible endpoint: OpenAI, a vLLM server, Azure's v1 API, a gateway.

    OpenAIJudgeModel("gpt-4o")
    OpenAIJudgeModel("Qwen/Qwen2.5-7B-Instruct", base_url="http://localhost:8000/v1", structured_outputs=True)

`max_in_flight` requests are in flight at a time. A transient failure is retried, up to `max_attempts` times within
`deadline` seconds; any other failure, and one that every request would share, is the completion's `error`. The key is
read from the variable named `api_key_env`, is sent to the endpoint and goes nowhere else.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from em_bench.errors import ConfigError, PrerequisiteError
from em_bench.judge_model import ChatRequest, Completion
from em_bench_judges.models.background import in_background
from em_bench_judges.models.client import Client, Patience
from em_bench_judges.models.dialect import Dialect
from em_bench_judges.models.limits import RateLimits

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI_URL = "https://api.openai.com/v1"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_NO_KEY = "EMPTY"  # what a local server without a key is sent
_MOST_IN_FLIGHT = 1000  # connections of the openai package's transport


class OpenAIJudgeModel:
    """Answers chat requests through the openai package's async client, many at a time, from any thread.

    Raises `ConfigError` for options that do not fit. `check` tells whether the package and the key are there: a
    forecast needs neither.
    """

    in_process = False

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        max_in_flight: int = 64,
        max_attempts: int = 6,
        request_timeout: float = 60.0,
        deadline: float = 600.0,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        extra_body: Mapping[str, Any] | None = None,
        seed: int | None = None,
        structured_outputs: bool = False,
        backoff_base: float = 0.5,
    ) -> None:
        self._base_url = _checked_url(base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL)
        self._api_key_env = api_key_env
        self._max_in_flight = int(_within("max_in_flight", max_in_flight, 1, _MOST_IN_FLIGHT))
        self._patience = Patience(
            max_attempts=int(_within("max_attempts", max_attempts, 1)),
            request_timeout=_within("request_timeout", request_timeout, 0.001),
            deadline=_within("deadline", deadline, 0.001),
            backoff_base=_within("backoff_base", backoff_base, 0),
        )
        self._limits = RateLimits(
            None if requests_per_minute is None else _within("requests_per_minute", requests_per_minute, 0.001),
            None if tokens_per_minute is None else _within("tokens_per_minute", tokens_per_minute, 0.001),
        )
        self._name = name
        self._extra_body = dict(extra_body or {})
        self._seed = seed
        self._structured_outputs = structured_outputs
        self._dialect = Dialect(name, seed=seed, extra_body=self._extra_body, structured_outputs=structured_outputs)

    @property
    def name(self) -> str:
        return f"openai:{self._name}"

    @property
    def parameters(self) -> Mapping[str, object]:
        return {
            "base_url": self._base_url,
            "seed": self._seed,
            "extra_body": self._extra_body,
            "structured_outputs": self._structured_outputs,
        }

    def check(self) -> None:
        """Raises `PrerequisiteError` without the openai package, `ConfigError` without a key that can be sent."""
        _require_openai()
        _key(self._api_key_env, self._base_url)

    def complete(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Completion]]:
        if requests:
            self.check()
            yield from in_background(partial(self._complete, requests), ahead=self._max_in_flight)

    def close(self) -> None:
        """Nothing to release: connections live no longer than a call of `complete`."""

    async def _complete(
        self, requests: Sequence[ChatRequest], put: Callable[[tuple[int, Completion]], Awaitable[None]]
    ) -> None:
        pending = iter(enumerate(requests))

        async def work(client: Client) -> None:
            for index, request in pending:
                await put((index, await client.answer(request)))

        key = _key(self._api_key_env, self._base_url)
        async with self._connection(key) as connection, asyncio.TaskGroup() as workers:
            client = Client(_sender(connection), self._dialect, self._limits, self._patience, key)
            for _ in range(min(self._max_in_flight, len(requests))):
                workers.create_task(work(client))

    def _connection(self, key: str) -> "AsyncOpenAI":
        from openai import AsyncOpenAI, DefaultAioHttpClient

        # attempts and time limits are our Client's, which knows the deadline
        return AsyncOpenAI(
            api_key=key or _NO_KEY,
            base_url=self._base_url,
            max_retries=0,
            timeout=None,
            http_client=DefaultAioHttpClient(timeout=None),
        )


def _sender(connection: "AsyncOpenAI") -> Callable[[Mapping[str, Any]], Awaitable[bytes]]:
    async def send(body: Mapping[str, Any]) -> bytes:
        # `chat.completions.create` fits requests and answers into its types first: 40 % of the client's time, and an
        # answer of an unforeseen form would be an error without a name.
        return await connection.post("/chat/completions", body=body, cast_to=bytes)

    return send


def _require_openai() -> None:
    missing = [package for package in ("openai", "aiohttp") if find_spec(package) is None]
    if missing:
        raise PrerequisiteError(
            f"the judge model openai: needs {' and '.join(missing)}; run: pip install 'em-bench[openai]'"
        )


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username is not None:
        raise ConfigError(
            "base_url must be scheme://host[:port]/path, such as http://localhost:8000/v1, "
            "without a user, a password or a query: the key belongs into the variable that api_key_env names"
        )
    return url.rstrip("/")


def _key(variable: str, url: str) -> str:
    """The key in the environment; empty for a local server without one."""
    key = os.environ.get(variable, "").strip()
    if not key and urlsplit(url).hostname not in _LOCAL:
        raise ConfigError(f"the judge model at {url} needs a key; run: export {variable}=...")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"the key in the environment variable {variable} holds a space, a line break or a letter "
            "that no key has; set it again"
        )
    return key


def _within(option: str, value: float, least: float, most: float = float("inf")) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        bounds = f"at least {least:g}" if most == float("inf") else f"between {least:g} and {most:g}"
        raise ConfigError(f"judge model option {option} must be a number, {bounds}; it is {value!r}")
    return value
