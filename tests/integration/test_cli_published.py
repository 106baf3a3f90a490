import json

import pytest

from em_bench.prompts.published.catalogue import catalogue
from published_files import FILES, write_published


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_every_set_is_listed_with_what_to_do_about_it(em_bench):
    ended = em_bench("published")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()[1:12]] == list(catalogue())
    assert "em-bench published --fetch" in ended.out


def test_json_holds_all_that_a_script_needs_to_get_them(em_bench):
    (row,) = json.loads(em_bench("published", "sorry_bench", "--json").out)
    assert row["gated"] == "https://huggingface.co/datasets/sorry-bench/sorry-bench-202503"
    assert (row["file"], row["status"], row["error"]) == ("question.jsonl", "not here", None)


def test_a_set_at_hand_is_read_and_counted_by_domain(em_bench, tmp_path):
    own = write_published(tmp_path / "own", "question.jsonl")
    ended = em_bench("published", "sorry_bench", "--published-dir", own)
    assert ended.code == 0
    assert "published_dir  cybersecurity 1, no domain 1" in ended.out


def test_a_broken_file_is_said_and_is_exit_code_1(em_bench, tmp_path):
    (tmp_path / "harmful_behaviors.csv").write_text(FILES["harmful_behaviors.csv"])
    ended = em_bench("published", "advbench", "--published-dir", tmp_path)
    assert ended.code == 1
    assert "broken" in ended.out
    assert "not the pinned 6cd1a5c6" in ended.out


def test_what_cannot_be_fetched_is_said_and_is_exit_code_1(em_bench):
    ended = em_bench("published", "xstest", "--fetch")
    assert ended.code == 1
    assert "XSTest cannot be had: HF_HUB_OFFLINE is set" in ended.out


def test_an_unknown_set_is_one_line_and_exit_code_2(em_bench):
    ended = em_bench("published", "nope")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("em-bench: published set 'nope' is unknown; known: first_plot")
