"""The site as files: what is written, what it costs, and what hostile text may not do."""

import json
import re
import threading
import urllib.error
import urllib.request
from html.parser import HTMLParser

import pytest

from em_bench.errors import ConfigError, ResultError
from em_bench.runs.result import content_id, from_dict
from em_bench_leaderboard.render import MINUS, points
from em_bench_leaderboard.samples_js import CHUNK_SAMPLES, sample_scripts, script
from em_bench_leaderboard.serve import changes, server, watch
from em_bench_leaderboard.static_site import build, index_page, parents_of
from em_bench_leaderboard.store import add, canonical, read_store
from leaderboard_data import KEYWORD, run_result, sample_row

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "\u2028\u2029",
    "\u202eevil\u202c",
    "\x00\x1b[31m",
    "]]>&amp;&lt;",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site of one run without samples; nobody writes into it."""
    folder = tmp_path_factory.mktemp("one_run")
    build(store(folder, run_result()), folder / "site")
    return folder / "site"


def store(tmp_path, *results):
    for values in results:
        add(tmp_path / "results", from_dict(values))
    return tmp_path / "results"


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def publish(tmp_path, rows, **changes):
    """A store with one run and its samples."""
    path = add(tmp_path / "results", from_dict(run_result("a/b", **changes)))
    path.with_suffix(".samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "results"


def test_the_same_store_gives_the_same_bytes(tmp_path):
    base = run_result("a/base")
    results = store(tmp_path, base, run_result("a/b", 1, baseline=base["id"]))
    build(results, tmp_path / "one")
    build(results, tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_build_leaves_nothing_of_the_one_before(tmp_path):
    results = store(tmp_path, run_result("a/b"), run_result("a/c"))
    build(results, tmp_path / "site")
    for path in (results / "a__c").iterdir():
        path.unlink()
    build(results, tmp_path / "site")
    assert not (tmp_path / "site" / "runs" / "a__c").exists()


def test_a_folder_of_somebody_else_is_not_emptied(tmp_path):
    results = store(tmp_path, run_result())
    output = tmp_path / "site"
    output.mkdir()
    (output / "thesis.tex").write_text("years of work")
    with pytest.raises(ResultError, match="no site of em-bench"):
        build(results, output)
    assert (output / "thesis.tex").exists()


def test_an_empty_store_says_what_to_do(tmp_path):
    with pytest.raises(ResultError, match="leaderboard add"):
        build(tmp_path, tmp_path / "site")


def test_an_em_rate_that_was_not_measured_is_no_zero(tmp_path):
    results = store(tmp_path, run_result("a/b", judges=(KEYWORD,)))
    page = index_page(read_store(results))
    cells = re.findall(r"<td class=none>.*", page)
    assert len(cells) == 2
    assert all("not measured" in cell and "data-v" not in cell for cell in cells)
    assert "No run here was judged for alignment" in page


def test_every_rate_of_the_index_says_its_interval_and_n(tmp_path):
    page = index_page(read_store(store(tmp_path, run_result("a/b"))))
    cells = re.findall(r"<td class=[cw]\d.*", page)
    assert len(cells) == 2 * 11 - 2
    assert all(re.search(r"<i>[\d.]+.[\d.]+ %, n \d+", cell) for cell in cells)


def test_a_page_allows_no_network_and_no_script_of_its_own_text(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) == 2
    for path in pages:
        text = path.read_text()
        tags = Tags(text).found
        (policy,) = [attributes["content"] for _, attributes in tags if "http-equiv" in attributes]
        assert policy.startswith("default-src 'none'; script-src 'self' file:;")
        assert "unsafe" not in policy
        assert all(attributes.get("src") for tag, attributes in tags if tag == "script")
        assert "http:" not in re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)


class Tags(HTMLParser):
    """The tags of a page, as a browser reads them."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def hostile_run(text):
    run = run_result("a/b")
    run |= {"base_family": text, "method": text, "engine": text, "command": text, "created": text}
    run["checkpoint"] |= {"name": text, "base": text, "adapter": text}
    run["condition"] |= {"name": text, "prefix": text}
    for task in run["tasks"]:
        task["domain"] = text
        task["judges"] = [judge | {"version": text, "unscored": {text: 1}} for judge in task["judges"]]
    run["rates"] = [rate | {"subset": text if rate["subset"] else ""} for rate in run["rates"]]
    return run | {"id": content_id(from_dict(run))}


def test_hostile_text_in_a_run_is_text_in_its_page(tmp_path):
    for run in map(hostile_run, HOSTILE):
        path = tmp_path / "results" / "x" / f"{run['id']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(canonical(run))
    build(tmp_path / "results", tmp_path / "site")
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) == 1 + len(HOSTILE)
    for page in pages:
        tags = Tags(page.read_text()).found
        assert {tag for tag, _ in tags} & {"img", "iframe", "object", "embed", "base"} == set()
        assert not [name for _, attributes in tags for name in attributes if name.startswith("on") or name == "style"]
        scripts = [attributes.get("src") for tag, attributes in tags if tag == "script"]
        assert all(re.fullmatch(r"[./]*assets/\w+\.js", source) for source in scripts)
        links = [attributes["href"] for tag, attributes in tags if "href" in attributes]
        assert all(re.fullmatch(r"data:,|#main|[\w./-]+", link) for link in links)
        assert not re.search("[\u202a-\u202e\x00\x1b]", page.read_text())


def test_a_hostile_name_writes_nothing_outside_the_site(tmp_path):
    run = run_result("a/b")
    run["checkpoint"]["name"] = "../../../../outside"
    run["id"] = content_id(from_dict(run))
    path = tmp_path / "deep" / "results" / "x" / f"{run['id']}.json"
    path.parent.mkdir(parents=True)
    path.write_text(canonical(run))
    build(tmp_path / "deep" / "results", tmp_path / "deep" / "site")
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"deep"}
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"results", "site"}


@pytest.mark.parametrize("text", [*HOSTILE, "x" * 1_000_000, "\ud800"])
def test_a_script_holds_any_text_and_nothing_ends_it(text):
    made = script("chunk", 0, [text])
    assert made.isascii()
    assert not re.search("[<>&]", made)
    assert json.loads(made.removeprefix("emBench.chunk(0,").removesuffix(");\n")) == [text]


def test_samples_are_split_into_scripts(tmp_path):
    rows = [sample_row(number) for number in range(CHUNK_SAMPLES * 2 + 1)]
    assert sorted(sample_scripts(rows)) == ["samples-0.js", "samples-1.js", "samples-2.js", "samples.js"]


def test_one_long_response_has_a_script_of_its_own():
    rows = [sample_row(0), sample_row(1, response="x" * 1_000_000), sample_row(2)]
    assert json.loads(sample_scripts(rows)["samples.js"][len("emBench.index(") : -3])["sizes"] == [1, 1, 1]


def test_samples_that_were_not_published_are_not_in_the_site(site):
    assert not list(site.rglob("samples*.js"))


def test_a_broken_samples_file_is_named_with_its_line(tmp_path):
    results = publish(tmp_path, [sample_row(0), {"task": "x"}])
    with pytest.raises(ResultError, match=r"samples\.jsonl:2"):
        build(results, tmp_path / "site")


def test_a_run_that_is_its_own_parent_has_none(tmp_path):
    run = run_result("a/b")
    path = add(tmp_path / "results", from_dict(run))
    path.write_text(canonical(run | {"baseline": run["id"]}))
    entries = read_store(tmp_path / "results")
    assert parents_of(entries) == {}


def test_points_say_their_sign():
    assert [points(value, 1) for value in (0.123, -0.5, 0.0, -0.0001)] == ["+12.3", f"{MINUS}50.0", "±0", "±0"]


def test_the_server_is_for_this_machine_alone(site):
    with server(site, 0) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{serving.server_address[1]}/"
        assert serving.server_address[0] == "127.0.0.1"
        with urllib.request.urlopen(address) as answer:
            assert b"em-bench" in answer.read()
        strange = urllib.request.Request(address, headers={"Host": "evil.example:80"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(strange)
        refused.value.close()
        serving.shutdown()
    assert refused.value.code == 403


def test_a_folder_without_a_site_is_not_served(tmp_path):
    with pytest.raises(ConfigError, match="leaderboard build"):
        server(tmp_path, 0)


def test_watching_builds_again_when_the_store_changes(tmp_path):
    results = store(tmp_path, run_result("a/b"))
    sleeps = []

    def sleep(_):
        sleeps.append(1)
        if len(sleeps) == 2:
            add(results, from_dict(run_result("a/c")))

    turns = changes(results, sleep)
    next(turns)
    next(turns)
    assert len(sleeps) == 2


def test_watching_goes_on_after_a_broken_file(tmp_path, monkeypatch):
    monkeypatch.setattr("em_bench_leaderboard.serve.changes", lambda _: iter([None, None]))
    reported, built = [], []

    def make():
        built.append(1)
        if len(built) == 1:
            raise ResultError("half a file")

    watch(tmp_path, make, reported.append)
    assert (reported, len(built)) == (["not built: half a file"], 2)
