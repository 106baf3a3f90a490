"""Looking at the site on this machine: a server for it, and building anew whenever the store changes."""

import functools
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from em_bench.errors import ConfigError, ResultError

HOST = "127.0.0.1"
PAUSE = 1.0


class _Handler(SimpleHTTPRequestHandler):
    """Files of the site, to nobody but this machine, kept by no cache as the next build changes them."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def do_GET(self) -> None:
        # a foreign name that DNS points here is not ours
        if (self.headers.get("Host") or "").rpartition(":")[0] not in (HOST, "localhost"):
            self.send_error(403)
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


def server(site: Path, port: int) -> ThreadingHTTPServer:
    """A server of the folder, listening on 127.0.0.1; port 0 takes a free one. Raises `ConfigError`."""
    if not (site / "index.html").is_file():
        raise ConfigError(f"{site} holds no site; make it with `em-bench leaderboard build`")
    try:
        return ThreadingHTTPServer((HOST, port), functools.partial(_Handler, directory=str(site)))
    except OSError as error:
        raise ConfigError(f"port {port} is not free ({error.strerror}); give another --port") from error


def state(results: Path) -> frozenset[tuple[str, int, int]]:
    """What tells that the store changed: names, sizes and times."""
    files = set()
    for path in results.rglob("*"):
        try:
            status = path.stat()
        except OSError:
            continue  # taken away meanwhile
        files.add((str(path), status.st_size, status.st_mtime_ns))
    return frozenset(files)


def changes(results: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """One item at once, then one whenever the store has changed; without end."""
    before: frozenset[tuple[str, int, int]] | None = None
    while True:
        now = state(results)
        if now != before:
            before = now
            yield
        sleep(PAUSE)


def watch(results: Path, build: Callable[[], None], tell: Callable[[str], None]) -> None:
    """Builds at every change until interrupted. Reports a half-written file and reads it again when it changes."""
    for _ in changes(results):
        try:
            build()
        except ResultError as error:
            tell(f"not built: {error}")
