"""Fetching, against a server on this machine that misbehaves in every way that servers do."""

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from em_bench.errors import PrerequisiteError
from em_bench.prompts.published.download import FetchError, Limits, Remote, cached_path, fetch, matches
from em_bench.prompts.published.load import load_published

BODY = b"id,prompt\n1,What is tea?\n" * 50
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Authorization")))
        getattr(self, f"give_{self.path.strip('/').partition('.')[0].partition('/')[0]}")()

    def send(self, status=200, body=BODY, length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def give_good(self):
        self.send()

    def give_moved(self):
        self.send(302, b"", Location="/good.csv")

    def give_elsewhere(self):
        self.send(302, b"", Location=f"http://localhost:{self.server.server_port}/good.csv")

    def give_round(self):
        self.send(302, b"", Location="/round")

    def give_gone(self):
        self.send(404, b"not here")

    def give_gated(self):
        self.send(401, b"who are you?")

    def give_datasets(self):
        """As a Hugging Face Hub gives a gated set: to whom it knows."""
        if self.headers.get("Authorization") == "Bearer known":
            self.send(body=b'{"question_id": 1, "category": "12", "turns": ["Ask."]}')
        else:
            self.send(403, b"accept the terms first")

    def give_short(self):
        self.send(body=BODY[:100], length=len(BODY))
        self.close_connection = True

    def give_slow(self):
        self.send(body=BODY[:1], length=len(BODY))
        for _ in range(20):
            time.sleep(0.05)
            try:
                self.wfile.write(b"x")
                self.wfile.flush()
            except OSError:
                return

    def give_silent(self):
        time.sleep(0.5)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """The server's address; `stop()` takes it away."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(Handler, "asked", [])
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.block_on_close = False
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()

    def stop():
        http.shutdown()
        http.server_close()
        thread.join()

    http.stop = stop
    http.url = f"http://127.0.0.1:{http.server_port}"
    yield http
    if thread.is_alive():
        stop()


def kept(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_fetched_and_kept_under_its_name(server, tmp_path):
    path = fetch(Remote(f"{server.url}/good.csv", "set.csv", SHA256), tmp_path)
    assert path.name == "set.csv"
    assert path.read_bytes() == BODY
    assert kept(tmp_path) == [path]


def test_a_redirect_is_followed(server, tmp_path):
    assert fetch(Remote(f"{server.url}/moved.csv", "set.csv", SHA256), tmp_path).read_bytes() == BODY


def test_a_second_run_needs_no_server(server, tmp_path):
    remote = Remote(f"{server.url}/good.csv", "set.csv", SHA256)
    first = fetch(remote, tmp_path)
    server.stop()
    assert fetch(remote, tmp_path) == first
    assert len(Handler.asked) == 1


def test_a_kept_file_that_was_damaged_is_fetched_again(server, tmp_path):
    remote = Remote(f"{server.url}/good.csv", "set.csv", SHA256)
    fetch(remote, tmp_path).write_bytes(BODY[:-1])
    assert fetch(remote, tmp_path).read_bytes() == BODY


@pytest.mark.parametrize(
    ("path", "limits", "message"),
    [
        ("gone.csv", Limits(), "the server answered HTTP 404"),
        ("short.csv", Limits(), "it did not come whole"),
        ("round", Limits(), "it did not come whole .*redirects"),
        ("slow.csv", Limits(total=0.2), r"it took longer than 0\.2 s"),
        ("silent.csv", Limits(piece=0.1), "it did not come whole .*timed out"),
        ("good.csv", Limits(size=100), "it is larger than 100 bytes"),
    ],
)
def test_what_does_not_come_is_one_line_and_leaves_nothing(server, tmp_path, path, limits, message):
    with pytest.raises(FetchError, match=message) as error:
        fetch(Remote(f"{server.url}/{path}", "set.csv"), tmp_path, limits)
    assert "\n" not in str(error.value)
    assert kept(tmp_path) == []


def test_another_content_than_the_pinned_one_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(FetchError, match=f"has the sha256 {SHA256}, not the pinned {'0' * 64}"):
        fetch(Remote(f"{server.url}/good.csv", "set.csv", "0" * 64), tmp_path)
    assert kept(tmp_path) == []


def test_a_gated_file_says_so(server, tmp_path):
    with pytest.raises(FetchError, match="HTTP 401") as error:
        fetch(Remote(f"{server.url}/gated.csv", "set.csv"), tmp_path)
    assert error.value.denied


def test_a_token_is_sent_to_the_host_that_it_is_for_alone(server, tmp_path):
    fetch(Remote(f"{server.url}/elsewhere.csv", "set.csv", SHA256, lambda: "secret"), tmp_path)
    assert Handler.asked == [("/elsewhere.csv", "Bearer secret"), ("/good.csv", None)]


def test_a_host_that_is_not_there_is_tried_once(server, tmp_path):
    server.stop()
    remote, unreachable = Remote(f"{server.url}/good.csv", "set.csv"), set()
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:\d+ cannot be reached"):
        fetch(remote, tmp_path, unreachable=unreachable)
    with pytest.raises(FetchError, match="could not be reached"):
        fetch(remote, tmp_path, unreachable=unreachable)


def test_offline_nothing_is_asked_for(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PrerequisiteError, match="HF_HUB_OFFLINE is set"):
        fetch(Remote(f"{server.url}/good.csv", "set.csv"), tmp_path)
    assert Handler.asked == []


def test_a_cache_that_cannot_be_written_says_what_to_set(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchError, match=r"cannot be written .*EM_BENCH_CACHE_DIR"):
        fetch(Remote(f"{server.url}/good.csv", "set.csv"), tmp_path / "file")


def test_the_name_of_a_file_leads_nowhere_else(tmp_path):
    path = cached_path(Remote("http://127.0.0.1/x", "../../evil.csv"), tmp_path)
    assert path.name == "evil.csv"
    assert path.parent.parent == tmp_path


@pytest.mark.parametrize(
    ("content", "same"),
    [(BODY, True), (BODY.replace(b"\n", b"\r\n"), True), (BODY.replace(b"tea", b"tee"), False), (BODY[:-1], False)],
    ids=["as it is", "with other line ends", "with a flipped byte", "cut"],
)
def test_only_line_ends_may_differ_from_what_is_pinned(content, same):
    assert matches(content, SHA256) is same


@pytest.fixture
def hub(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return server


def test_a_gated_set_is_fetched_with_the_users_token_and_kept(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "known")
    assert load_published("sorry_bench", None, tmp_path).record["from"] == "fetched"
    hub.stop()
    loaded = load_published("sorry_bench", None, tmp_path)
    assert loaded.record["from"] == "cache"
    assert [row["prompt"] for row in loaded.rows] == ["Ask."]
    ((path, _),) = Handler.asked
    assert path.endswith("/resolve/612a4e1f45db8adf884fa62318ddf9fa1c6e75e9/question.jsonl")


def test_a_gated_set_without_a_token_says_where_to_accept_and_what_to_set(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "unknown")
    with pytest.raises(
        PrerequisiteError, match=r"HTTP 403\); accept its terms at https://.* and set HF_TOKEN"
    ) as error:
        load_published("sorry_bench", None, tmp_path)
    assert "unknown" not in str(error.value)


def test_the_users_own_file_goes_before_the_cache_and_the_network(hub, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "question.jsonl").write_text('{"question_id": 7, "category": "1", "turns": ["Mine."]}')
    assert load_published("sorry_bench", tmp_path / "own", tmp_path).rows[0]["prompt"] == "Mine."
    assert Handler.asked == []
