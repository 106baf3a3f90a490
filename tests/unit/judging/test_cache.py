import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest

from em_bench.judging.cache import VerdictCache, verdict_key
from em_bench.testing import ScriptedJudge, sample
from em_bench.types import Verdict

VERDICT = Verdict(label="refusal", score=0.5, reason="“no”\x00\ud800", raw={"p": [0.1]})
WRITER = """
import pathlib, sys
from em_bench.judging.cache import VerdictCache
from em_bench.types import Verdict
cache = VerdictCache(pathlib.Path(sys.argv[1]))
for number in range(200):
    cache.put(f"{sys.argv[2]}-{number}", Verdict(label="refusal"))
"""


@pytest.fixture
def cache(tmp_path):
    opened = VerdictCache(tmp_path / "deep" / "verdicts.sqlite")
    yield opened
    opened.close()


def test_a_verdict_comes_back_as_it_was(cache):
    cache.put("key", VERDICT)
    assert cache.get("key") == VERDICT


def test_a_key_that_was_never_put_is_missing(cache):
    assert cache.get("key") is None


def test_a_later_run_finds_it(cache, tmp_path):
    cache.put("key", VERDICT)
    cache.close()
    later = VerdictCache(tmp_path / "deep" / "verdicts.sqlite")
    assert later.get("key") == VERDICT
    later.close()


def test_an_unscored_verdict_is_not_kept(cache):
    cache.put("key", Verdict(unscored="timed out"))
    assert cache.get("key") is None


@pytest.mark.parametrize("field", ["domain", "system", "prompt", "response"])
def test_the_key_depends_on(field):
    judge = ScriptedJudge()
    assert verdict_key(judge, sample()) != verdict_key(judge, sample(**{field: "other"}))


@pytest.mark.parametrize("other", [{"name": "other"}, {"version": "2"}])
def test_the_key_depends_on_the_judge(other):
    assert verdict_key(ScriptedJudge(), sample()) != verdict_key(ScriptedJudge(**other), sample())


def test_the_key_depends_on_what_the_judge_also_goes_by():
    judge = ScriptedJudge()
    judge.also_by = lambda sample: sample.metadata.get("document", "")
    keys = {verdict_key(judge, replace(sample(), metadata=each)) for each in ({}, {"document": "a"}, {"document": "b"})}
    assert len(keys) == 3


def test_the_key_does_not_depend_on_the_run():
    judge = ScriptedJudge()
    again = sample(id="other#7", task="other", metadata={"doc_id": 9})
    assert verdict_key(judge, sample()) == verdict_key(judge, again)


def test_parts_of_the_key_do_not_run_into_each_other():
    judge = ScriptedJudge()
    assert verdict_key(judge, sample(prompt="ab", response="c")) != verdict_key(
        judge, sample(prompt="a", response="bc")
    )


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "\u2028", ""])
def test_any_text_has_a_key_of_its_own(text):
    judge = ScriptedJudge()
    assert len(verdict_key(judge, sample(text))) == 64
    assert verdict_key(judge, sample(text)) != verdict_key(judge, sample(text + "x"))


def test_two_processes_write_at_once_and_nothing_is_lost(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, path, who], stderr=subprocess.PIPE, text=True) for who in "ab"
    ]
    assert [writer.communicate()[1] for writer in writers] == ["", ""]
    cache = VerdictCache(path)
    assert all(cache.get(f"{who}-{number}") for who in "ab" for number in range(200))
    cache.close()


def unusable(tmp_path, how):
    path = tmp_path / "place" / "verdicts.sqlite"
    if how == "below a file":
        path.parent.write_text("a file")
    elif how == "a folder":
        path.mkdir(parents=True)
    elif how == "not a database":
        path.parent.mkdir()
        path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    return path


@pytest.mark.parametrize("how", ["below a file", "a folder", "not a database"])
def test_a_cache_that_cannot_be_used_is_one_warning_and_then_no_cache(tmp_path, caplog, how):
    cache = VerdictCache(unusable(tmp_path, how))
    cache.put("key", VERDICT)
    assert cache.get("key") is None
    cache.close()
    assert len(caplog.records) == 1
    assert "cannot be used" in caplog.text
    assert "EM_BENCH_CACHE_DIR" in caplog.text


def test_a_database_that_breaks_in_use_is_one_warning_and_then_no_cache(cache, tmp_path, caplog):
    other = sqlite3.connect(tmp_path / "deep" / "verdicts.sqlite")
    other.execute("DROP TABLE verdicts")
    other.close()
    assert cache.get("key") is None
    cache.put("key", VERDICT)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "stored", ["not json", '{"label": "x", "a_field_of_a_later_version": 1}', "[]", '{"score": NaN}']
)
def test_an_entry_that_cannot_be_read_is_missing_and_the_others_stay(cache, tmp_path, stored):
    cache.put("good", VERDICT)
    other = sqlite3.connect(tmp_path / "deep" / "verdicts.sqlite", isolation_level=None)
    other.execute("INSERT INTO verdicts VALUES ('bad', ?)", (stored,))
    other.close()
    assert cache.get("bad") is None
    assert cache.get("good") == VERDICT
