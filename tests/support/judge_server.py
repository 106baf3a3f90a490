"""A local OpenAI-compatible server that follows a script, right or wrong, and keeps the requests.

    with JudgeServer(error(500), HANG, then=answer("85")) as server:
        OpenAIJudgeModel("judge", base_url=server.base_url)

The first requests get the scripted replies, one each; all later ones get `then`, which may be a function of the
request's JSON body. `python tests/judge_server.py --latency 0.2` runs one in a process of its own and prints its
base_url; `judge_server_process` does so for a benchmark.
"""

import argparse
import asyncio
import json
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """`action`: `answer`, `hang` (never answer), `reset` (drop the connection), `short` (promise more than is sent)."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0.0
    action: str = "answer"


HANG = Reply(action="hang")
RESET = Reply(action="reset")


def reply(body: object, status: int = 200, **headers: str) -> Reply:
    """`retry_after="2"` is the header `retry-after: 2`. Bytes are sent as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(raw, status, {name.replace("_", "-"): value for name, value in headers.items()})


def completion(
    text: object = "85", *, logprobs: bool = True, finish: str = "stop", **message: object
) -> dict[str, Any]:
    """The JSON of a chat completion, with 20 alternatives for its one token; `message` adds to the message."""
    choice: dict[str, Any] = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": text, "refusal": None} | message,
        "logprobs": {"content": [token(text if isinstance(text, str) else "")]} if logprobs else None,
    }
    usage = {"prompt_tokens": 120, "completion_tokens": 1, "total_tokens": 121}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "judge", "choices": [choice], "usage": usage}


def token(text: str) -> dict[str, Any]:
    """One token with its 20 likeliest alternatives: itself at 0.62, then 60, 61, ... at 0.02 each."""
    alternatives = [(text, 0.62), *((str(number), 0.02) for number in range(60, 79))]
    top = [{"token": word, "logprob": math.log(p), "bytes": list(word.encode())} for word, p in alternatives]
    return top[0] | {"top_logprobs": top}


def answer(text: object = "85", **options: Any) -> Reply:
    return reply(completion(text, **options))


def error(
    status: int,
    message: str = "something went wrong",
    *,
    param: str | None = None,
    code: str | None = None,
    **headers: str,
) -> Reply:
    """An error as OpenAI words it."""
    what = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return reply({"error": what}, status, **headers)


class JudgeServer:
    """Listens on a free port of 127.0.0.1 while the `with` block runs."""

    def __init__(
        self, *script: Reply, then: Reply | Callable[[dict[str, Any]], Reply] | None = None, latency: float = 0.0
    ) -> None:
        self._script = list(script)
        self._then = answer() if then is None else then
        self._latency = latency
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.in_flight = self.peak = self.connections = 0
        self.base_url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def count(self) -> int:
        """How many requests came."""
        return len(self.bodies)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.start(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", 0, limit=2**24, backlog=1024)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def _stop(self) -> None:
        self._server.close()
        conversations = asyncio.all_tasks() - {asyncio.current_task()}
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, with as many requests as the client sends."""
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head if line)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))))
        number = len(self.bodies)
        self.bodies.append(body)
        self.headers.append(headers)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            return await self._send(self._chosen(number, body), reader, writer)
        finally:
            self.in_flight -= 1

    def _chosen(self, number: int, body: dict[str, Any]) -> Reply:
        if number < len(self._script):
            return self._script[number]
        return self._then(body) if callable(self._then) else self._then

    async def _send(self, chosen: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if chosen.action == "reset":
            writer.transport.abort()
            return False
        if chosen.action == "hang":
            await reader.read()  # until the client hangs up
            return False
        if latency := chosen.latency or self._latency:
            await asyncio.sleep(latency)
        length = len(chosen.body) + (100 if chosen.action == "short" else 0)
        headers = {"content-type": "application/json", "content-length": str(length)} | dict(chosen.headers)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {chosen.status} Status\r\n{lines}\r\n".encode("latin-1") + chosen.body)
        await writer.drain()
        return chosen.action == "answer"


def delayed(chosen: Reply, seconds: float) -> Reply:
    return replace(chosen, latency=seconds)


@contextmanager
def judge_server_process(latency: float, text: str = "85") -> Iterator[str]:
    """The base_url of a server in a process of its own, which answers `text` after `latency` seconds."""
    command = [sys.executable, __file__, "--latency", str(latency), "--text", text]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def serve(latency: float, text: str) -> None:
    server = JudgeServer(then=answer(text), latency=latency)
    server.bodies = _Forgetful()
    await server.start()
    print(server.base_url, flush=True)
    await asyncio.Event().wait()


class _Forgetful(list[Any]):
    """A long-lived server keeps no bodies."""

    def append(self, item: Any) -> None: ...


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--text", default="85")
    asyncio.run(serve(**vars(parser.parse_args())))
