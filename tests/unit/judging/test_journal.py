import json

import pytest

from em_bench.judging.journal import write_journal
from em_bench.testing import sample, samples


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def test_samples_are_on_disk_one_a_line_with_all_that_makes_them_up(tmp_path):
    path = write_journal(tmp_path / "deep" / "journal", [sample(system="be brief", metadata={"repeat": 1})])
    assert rows(path) == [
        {
            "id": "p0#0",
            "task": "t",
            "domain": "bias",
            "prompt": "prompt 0",
            "response": "response",
            "system": "be brief",
            "metadata": {"repeat": 1},
        }
    ]


@pytest.mark.parametrize("response", ["\ud800", "a\x00b", "line\nline\u2028line\x85", "é漢🙂", ""])
def test_any_response_comes_back_as_it_was(tmp_path, response):
    assert [row["response"] for row in rows(write_journal(tmp_path, [sample(response)]))] == [response]


def test_two_journals_of_one_process_have_files_of_their_own(tmp_path):
    first, second = write_journal(tmp_path, samples(1)), write_journal(tmp_path, samples(2))
    assert (len(rows(first)), len(rows(second))) == (1, 2)


def test_a_folder_that_cannot_be_written_is_replaced_with_a_warning_that_names_the_file(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    path = write_journal(tmp_path / "file" / "journal", samples(3))
    assert len(rows(path)) == 3
    assert f"responses are kept in {path}" in caplog.text


def test_a_disk_that_is_full_everywhere_is_a_warning_and_no_error(tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("em_bench.judging.journal.os.fsync", full)
    assert write_journal(tmp_path, samples(1)) is None
    assert "No space left on device" in caplog.text
