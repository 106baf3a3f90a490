"""Runs an asyncio job in a thread of its own and hands its results to ordinary, synchronous code as they come.

The thread has its own event loop, so this works where a loop is already running (Jupyter). The job ends with its
reader: one that stops early, raises or is interrupted cancels the job and waits until it has cleaned up. And it waits
for its reader: what was answered and not yet read would be lost, though paid for, when the process is killed.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_CLEANING_UP = 10.0  # seconds; what takes longer (a name look-up that hangs) is left behind in a daemon thread
_INTERRUPTIBLE = 0.5  # seconds; an interrupt that reaches another thread first is seen no later


@dataclass(frozen=True, slots=True)
class _Ended:
    error: BaseException | None = None


def in_background(
    job: Callable[[Callable[[T], Awaitable[None]]], Coroutine[Any, Any, None]], ahead: int
) -> Iterator[T]:
    """Yields the results that `job` puts through its argument, which waits while `ahead` results are unread.

    A result counts as read when the next is requested. An error that ends the job is raised here.
    """
    results: SimpleQueue[T | _Ended] = SimpleQueue()
    room = asyncio.Semaphore(ahead)

    async def put(result: T) -> None:
        await room.acquire()
        results.put(result)

    # The factory keeps the runner from making its loop the event loop of this thread.
    runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop = runner.get_loop()
    task = loop.create_task(job(put))
    thread = threading.Thread(target=_run, args=(runner, task, results), name="em-bench judge model", daemon=True)
    thread.start()
    try:
        while not isinstance(item := _next(results), _Ended):
            yield item
            with suppress(RuntimeError):  # the loop is closed: no one waits for room
                loop.call_soon_threadsafe(room.release)
        if item.error is not None:
            raise item.error
    finally:
        with suppress(RuntimeError):  # the loop is closed: the job has ended by itself
            loop.call_soon_threadsafe(task.cancel)
        if thread is not threading.current_thread():  # the garbage collector may close a generator in any thread
            thread.join(_CLEANING_UP)


def _next(results: "SimpleQueue[T | _Ended]") -> "T | _Ended":
    while True:
        with suppress(Empty):
            return results.get(timeout=_INTERRUPTIBLE)


def _run(runner: asyncio.Runner, task: asyncio.Task[None], results: "SimpleQueue[T | _Ended]") -> None:
    error: BaseException | None = None
    try:
        with runner:
            runner.run(_wait_for(task))
    except asyncio.CancelledError:
        pass
    except BaseException as raised:  # noqa: BLE001 - it belongs to the reader, whatever it is
        error = raised
    finally:
        results.put(_Ended(error))


async def _wait_for(task: asyncio.Task[None]) -> None:
    await task
