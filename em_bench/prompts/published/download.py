"""Fetches a file once and keeps it: checked against its sha256 where one is pinned, written whole or not at all.

A file that is there is not fetched again, so a second run needs no network. httpx does the fetching: it follows
redirects, drops the token when another host is reached, and notices a connection that ended too early.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from em_bench.errors import PrerequisiteError
from em_bench.text import message_line

MAX_BYTES = 64 * 1024 * 1024
OFFLINE_VARIABLE = "HF_HUB_OFFLINE"


@dataclass(frozen=True, slots=True)
class Remote:
    """A file elsewhere. `token` is called only when the file must be fetched, and is sent to `url`'s host alone."""

    url: str
    name: str
    sha256: str | None = None
    token: Callable[[], str | None] = lambda: None


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds to connect, between two pieces, and altogether; and the largest file in bytes."""

    connect: float = 10.0
    piece: float = 30.0
    total: float = 300.0
    size: int = MAX_BYTES


class FetchError(PrerequisiteError):
    """Why a file could not be fetched, without its name. `denied` when the server wants to know who asks."""

    def __init__(self, message: str, *, denied: bool = False) -> None:
        super().__init__(message)
        self.denied = denied


class HostUnreachableError(FetchError):
    """The server did not answer."""


def cached_path(remote: Remote, folder: Path) -> Path:
    """Where the file is kept: in a folder of its address, so that two versions never meet."""
    return folder / hashlib.sha256(remote.url.encode()).hexdigest()[:16] / Path(remote.name).name


def cached(remote: Remote, folder: Path) -> Path | None:
    """The file's path where it was fetched before and is still what it was."""
    path = cached_path(remote, folder)
    return path if path.is_file() and matches(path.read_bytes(), remote.sha256) else None


def fetch(remote: Remote, folder: Path, limits: Limits | None = None, unreachable: set[str] | None = None) -> Path:
    """The file's path in the cache `folder`, fetched if it is not there. Raises `FetchError`.

    Hosts in `unreachable` are not tried, and one that cannot be reached is added: a group of sets must not wait for
    each of them anew.
    """
    if path := cached(remote, folder):
        return path
    path, host = cached_path(remote, folder), urlsplit(remote.url).netloc
    if os.environ.get(OFFLINE_VARIABLE, "").lower() in ("1", "true", "yes", "on"):
        raise FetchError(f"{OFFLINE_VARIABLE} is set, so nothing is fetched")
    if unreachable is not None and host in unreachable:
        raise FetchError(f"{host} could not be reached")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(remote, path, limits or Limits())
    except HostUnreachableError:
        if unreachable is not None:
            unreachable.add(host)
        raise
    except OSError as error:
        raise FetchError(f"{path} cannot be written ({error.strerror or error}); set EM_BENCH_CACHE_DIR") from error
    return path


def _download(remote: Remote, path: Path, limits: Limits) -> None:
    """Into a file beside `path` first: what is cut off or wrong never gets its name."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in _pieces(remote, limits):
                file.write(piece)
        sha256 = hashlib.sha256(part.read_bytes()).hexdigest()
        if not matches(part.read_bytes(), remote.sha256):
            raise FetchError(
                f"what came has the sha256 {sha256}, not the pinned {remote.sha256}: it changed or was damaged"
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _pieces(remote: Remote, limits: Limits) -> Iterator[bytes]:
    import httpx

    token = remote.token()
    headers = {"User-Agent": "em-bench"} | ({"Authorization": f"Bearer {token}"} if token else {})
    patience = httpx.Timeout(limits.piece, connect=limits.connect)
    deadline, size = time.monotonic() + limits.total, 0
    try:
        with httpx.stream("GET", remote.url, headers=headers, timeout=patience, follow_redirects=True) as answer:
            if answer.status_code in (401, 403):
                raise FetchError(f"it is not given to everybody (HTTP {answer.status_code})", denied=True)
            if answer.status_code != 200:
                raise FetchError(f"the server answered HTTP {answer.status_code}")
            for piece in answer.iter_bytes():
                size += len(piece)
                if size > limits.size:
                    raise FetchError(f"it is larger than {limits.size} bytes")
                if time.monotonic() > deadline:
                    raise FetchError(f"it took longer than {limits.total:g} s")
                yield piece
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise HostUnreachableError(
            f"{urlsplit(remote.url).netloc} cannot be reached ({message_line(error)})"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError(f"it did not come whole ({message_line(error)})") from error


def matches(content: bytes, sha256: str | None) -> bool:
    """Whether the content is the pinned one. Line ends that git changed on its way are not a difference."""
    if sha256 is None:
        return True
    forms = (content, content.replace(b"\r\n", b"\n"), content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    return any(hashlib.sha256(form).hexdigest() == sha256 for form in forms)
