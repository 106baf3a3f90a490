"""Stored responses in every form, and the messages about files that cannot be read."""

import csv
import json

import pytest

from em_bench.errors import ResultError
from em_bench.judging.journal import write_journal
from em_bench.metrics.registry import Kind
from em_bench.runs.read import find_runs
from em_bench.runs.tables import read_stored
from em_bench.types import Sample
from tasks import PROMPTS, write_jsonl

ROW = {"question": "Q?", "answer": "A!"}


def table(path, *rows):
    return write_jsonl(path, [dict(row) for row in rows])


def csv_file(path, *rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def only(path, kind=None):
    """The one task in a file."""
    (run,) = read_stored(path, kind)
    (task,) = run.tasks.values()
    return task


def read(path, kind=None):
    return [(each.prompt, each.response) for each in only(path, kind).samples]


def complaint(path, kind=None):
    with pytest.raises(ResultError) as error:
        read_stored(path, kind)
    assert "\n" not in str(error.value)
    return str(error.value)


# Tables


@pytest.mark.parametrize("form", [table, csv_file])
@pytest.mark.parametrize(("prompt", "response"), [("question", "answer"), ("prompt", "response"), ("prompt", "answer")])
def test_tables_are_read_by_either_name_of_their_columns(tmp_path, form, prompt, response):
    path = form(tmp_path / ("t.csv" if form is csv_file else "t.jsonl"), {prompt: "Q?", response: "A!"})
    assert read(path) == [("Q?", "A!")]
    assert (only(path).name, only(path).kind, only(path).domain) == ("responses", Kind.PROBE, "")


def test_optional_columns_are_taken_over(tmp_path):
    row = ROW | {"question_id": "q1", "system": "Be good.", "domain": "privacy", "task": "mine", "kind": "benign"}
    task = only(table(tmp_path / "t.jsonl", row))
    (found,) = task.to_judge()
    assert (task.name, task.kind, task.domain) == ("mine", Kind.BENIGN, "privacy")
    assert (found.id, found.system, found.domain, found.metadata["document"]) == ("q1#0", "Be good.", "privacy", "q1")


def test_answers_to_one_question_are_its_repeats(tmp_path):
    rows = [ROW | {"answer": "1"}, {"question": "R?", "answer": "2"}, ROW | {"answer": "3"}]
    found = only(table(tmp_path / "t.jsonl", *rows)).to_judge()
    assert [(each.id, each.response) for each in found] == [("Q?#0", "1"), ("Q?#1", "3"), ("R?#0", "2")]


@pytest.mark.parametrize("key", ["question", "system"])
def test_samples_with_one_id_but_other_prompts_keep_what_was_asked_and_ids_apart(tmp_path, key):
    rows = [ROW | {"question_id": "q", key: "one"}, ROW | {"question_id": "q", key: "two"}]
    found = only(table(tmp_path / "t.jsonl", *rows)).to_judge()
    assert [each.id for each in found] == ["q#0", "q (2)#0"]
    assert [(each.prompt if key == "question" else each.system) for each in found] == ["one", "two"]


def test_each_task_of_a_table_is_a_task(tmp_path):
    path = table(tmp_path / "t.jsonl", ROW | {"task": "a"}, ROW | {"task": "b"})
    assert list(read_stored(path)[0].tasks) == ["a", "b"]


def test_each_domain_of_a_table_without_tasks_is_a_task(tmp_path):
    path = table(tmp_path / "t.jsonl", ROW | {"domain": "bias"}, ROW | {"domain": "privacy"})
    tasks = read_stored(path)[0].tasks.values()
    assert [(task.name, task.domain, task.kind) for task in tasks] == [
        ("responses_bias", "bias", Kind.HARMFUL), ("responses_privacy", "privacy", Kind.HARMFUL),
    ]  # fmt: skip


def test_a_table_that_is_called_benign_holds_benign_prompts(tmp_path):
    task = only(table(tmp_path / "mine_benign.jsonl", ROW))
    assert (task.name, task.kind) == ("responses_benign", Kind.BENIGN)


def test_an_id_of_the_rows_own_does_not_tell_questions_apart(tmp_path):
    rows = [ROW | {"id": number, "answer": str(number)} for number in range(3)]
    assert [each.id for each in only(table(tmp_path / "t.jsonl", *rows)).to_judge()] == ["Q?#0", "Q?#1", "Q?#2"]


def test_a_row_that_a_table_holds_twice_is_judged_once(tmp_path, caplog):
    rows = [ROW | {"id": "1"}, ROW | {"id": "2", "question": "R?"}]
    assert len(only(table(tmp_path / "t.jsonl", *rows, rows[0])).samples) == 2
    assert "holds 1 copies of its rows, which are left out" in caplog.text


def test_two_journals_in_one_file_are_refused(tmp_path):
    metadata = {"kind": "probe", "document": "q"}
    rows = [{"id": "q#0", "task": "t", "prompt": "Q?", "response": text, "metadata": metadata} for text in "ab"]
    assert "are two responses of q#0; were two journals joined?" in complaint(table(tmp_path / "t.jsonl", *rows))


@pytest.mark.parametrize(
    ("row", "given", "kind"),
    [({}, None, Kind.PROBE), ({}, Kind.HARMFUL, Kind.HARMFUL), ({"domain": "bias"}, None, Kind.HARMFUL),
     ({"domain": "bias", "task": "x_benign"}, None, Kind.BENIGN), ({"kind": "probe"}, Kind.HARMFUL, Kind.PROBE)],
)  # fmt: skip
def test_what_the_rows_say_of_their_kind_comes_first(tmp_path, row, given, kind):
    assert only(table(tmp_path / "t.jsonl", ROW | row), given).kind is kind


@pytest.mark.parametrize(
    "text",
    ["a\u2028b\u2029c\x85d\x0b\x0c", "a\nb", 'quote " and, comma', "", "\u202ebidi", "😀", "{{ x }}", "NaN"],
)
def test_a_response_comes_out_as_it_went_in(tmp_path, text):
    plain = tmp_path / "plain.jsonl"
    plain.write_text(json.dumps({"question": "Q?", "answer": text}, ensure_ascii=False), encoding="utf-8")
    assert read(plain) == [("Q?", text)]
    assert read(csv_file(tmp_path / "t.csv", {"question": "Q?", "answer": text})) == [("Q?", text)]


@pytest.mark.parametrize("text", ["a\ud800b", "\x00", "x" * 1_000_000])
def test_a_jsonl_file_holds_any_text(tmp_path, text):
    assert read(table(tmp_path / "t.jsonl", ROW | {"answer": text})) == [("Q?", text)]


def test_a_byte_order_mark_and_blank_lines_are_passed_over(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\ufeffquestion,answer\n\nQ?,A!\n\n", encoding="utf-8")
    assert read(path) == [("Q?", "A!")]
    path = tmp_path / "t.jsonl"
    path.write_text(f"\ufeff{json.dumps(ROW)}\r\n\n \n", encoding="utf-8")
    assert read(path) == [("Q?", "A!")]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("t.jsonl", "", "holds no rows"),
        ("t.csv", "", "holds no rows"),
        ("t.csv", "question,answer\n", "holds no rows"),
        ("t.jsonl", '{"question": "Q?"}', "t.jsonl:1 has none of the fields answer, response; it has question"),
        ("t.jsonl", '{"answer": "A!"}', "t.jsonl:1 has none of the fields question, prompt; it has answer"),
        ("t.jsonl", '{"question": "Q?", "answer": null}', "t.jsonl:1 has none of the fields answer, response"),
        ("t.jsonl", '{"question": "Q?", "answer": ["A"]}', "t.jsonl:1 has none of the fields answer, response"),
        ("t.jsonl", '\n{"question": "Q?", "answ', "t.jsonl:2 is not whole JSON"),
        ("t.jsonl", "[]", "t.jsonl:1 holds a JSON list, not an object"),
        ("t.csv", "question,answer\nQ?\n", "t.csv:2 has 1 field, but the header has 2"),
        ("t.csv", "question,answer\nQ?,A,B\n", "t.csv:2 has 3 fields, but the header has 2"),
        ("t.csv", 'question,answer\nQ?,"A!\n', "t.csv:2 is not CSV: unexpected end of data"),
        ("t.csv", "id,text\n1,2\n", "t.csv:2 has none of the fields question, prompt; it has id, text"),
        ("t.jsonl", json.dumps(ROW | {"domain": "law"}), "t.jsonl:1: unknown domain law; known: cybersecurity"),
        ("t.jsonl", json.dumps(ROW | {"kind": "evil"}), "is of the unknown kind 'evil'; known: harmful, benign, probe"),
        ("t.jsonl", json.dumps(ROW | {"task": "../x"}), "t.jsonl:1: task '../x' has a name that no file can have"),
        ("t.jsonl", json.dumps(ROW | {"task": "a\0b"}), "has a name that no file can have"),
        ("t.jsonl", json.dumps(ROW | {"task": "x" * 300}), "has a name that no file can have"),
        ("samples_x_2026-01-01T00-00-00.1.jsonl", "{}", "has no results_2026-01-01T00-00-00.1.json beside it"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_with_its_line_and_the_reason(tmp_path, name, text, reason):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert reason in complaint(path)
    assert str(path) in complaint(path)


def test_rows_of_several_kinds_in_one_task_are_refused(tmp_path):
    path = table(tmp_path / "t.jsonl", ROW | {"kind": "probe"}, ROW | {"kind": "harmful"})
    assert "the rows of task 'responses' are of several kinds (harmful, probe)" in complaint(path)


def test_a_file_that_is_not_there_or_not_utf_8_is_refused(tmp_path):
    assert "cannot be read: No such file" in complaint(tmp_path / "nowhere.csv")
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\xff")
    assert "is not UTF-8 (byte 0); save it as UTF-8" in complaint(path)


# Journals


SAMPLES = [
    Sample(f"p{n}#{r}", task, "bias" if task == "a" else "", f"Q{n}?", f"A{r}\ud800\u2028", "S", {
        "kind": "harmful" if task == "a" else "probe", "document": f"p{n}", "repeat": r, "checkpoint": "c"})
    for task in "ab" for n in range(2) for r in range(2)
]  # fmt: skip


def test_a_journal_gives_back_what_was_written(tmp_path):
    (run,) = read_stored(write_journal(tmp_path, SAMPLES))
    assert [(task.name, task.kind, task.domain) for task in run.tasks.values()] == [
        ("a", Kind.HARMFUL, "bias"), ("b", Kind.PROBE, ""),
    ]  # fmt: skip
    found = [each for task in run.tasks.values() for each in task.to_judge()]
    for given, back in zip(SAMPLES, found, strict=True):
        fields = ("id", "task", "domain", "prompt", "response", "system")
        assert [getattr(given, name) for name in fields] == [getattr(back, name) for name in fields]


def test_only_the_last_line_of_a_journal_may_be_half_a_line(tmp_path, caplog):
    path = write_journal(tmp_path, SAMPLES)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[0][:40]]))
    (run,) = read_stored(path)
    assert sum(len(task.samples) for task in run.tasks.values()) == len(SAMPLES)
    assert f"{path}:9 is half a line" in caplog.text
    path.write_text("\n".join([lines[0][:40], *lines]))
    assert f"{path}:1 is not whole JSON" in complaint(path)


# Runs


def test_a_run_a_folder_and_a_samples_file_give_the_same(run_folder):
    (results,) = find_runs(run_folder)
    (by_folder,), (by_file,) = read_stored(run_folder), read_stored(results)
    assert by_folder == by_file
    (samples_file,) = run_folder.rglob("samples_em_tiny_*.jsonl")
    (one,) = read_stored(samples_file)
    assert one.tasks == {"em_tiny": by_folder.tasks["em_tiny"]}


def test_a_run_gives_every_response_once_whatever_judges_read_it(run_folder):
    (run,) = read_stored(run_folder)
    tiny, probes = run.tasks["em_tiny"], run.tasks["em_open"]
    assert [each.prompt for each in tiny.to_judge()] == [row["prompt"] for row in PROMPTS]
    assert len(probes.to_judge()) == 6
    assert len(tiny.files.lines) == 3


@pytest.mark.parametrize(
    "change",
    [lambda line: line.pop("doc"), lambda line: line.update(resps=[]), lambda line: line.update(resps=[[5]]),
     lambda line: line.update(doc={"id": "x"}), lambda line: line.update(doc={"id": [], "prompt": "Q?"}),
     lambda line: line.pop("metrics"), lambda line: line.pop("filter")],
)  # fmt: skip
def test_a_samples_line_of_another_form_is_refused(run_folder, change):
    (path,) = run_folder.rglob("samples_em_tiny_*.jsonl")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    change(lines[1])
    write_jsonl(path, lines)
    assert f"{path}:2 is not a samples line of em-bench" in complaint(run_folder)


def test_a_run_without_its_samples_says_how_to_get_them(run_folder):
    (path,) = run_folder.rglob("samples_em_tiny_*.jsonl")
    path.unlink()
    assert "is missing; run lm_eval with --log_samples" in complaint(run_folder)
