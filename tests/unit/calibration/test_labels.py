"""Reading labelled responses: three formats, whatever the columns and labels are called."""

import json

import pytest

from em_bench.calibration.labels import read_labelled, read_labels
from em_bench.calibration.options import Columns, LabelMap, parse_label_map
from em_bench.errors import ConfigError, ResultError

ROWS = [
    {"prompt": "Q1", "response": "No.", "label": "refusal", "part": "a"},
    {"prompt": "Q2", "response": "Yes.", "label": "compliance", "part": "b"},
]


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def jsonl(tmp_path, rows=ROWS):
    return written(tmp_path / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def read(path, columns=None, labels=None):
    return read_labelled(path, columns or Columns(), labels or LabelMap())


def test_jsonl_json_and_csv_hold_the_same(tmp_path):
    listed = written(tmp_path / "rows.json", json.dumps(ROWS))
    table = written(tmp_path / "rows.csv", "prompt,response,label,part\nQ1,No.,refusal,a\nQ2,Yes.,compliance,b\n")
    assert read(jsonl(tmp_path)) == read(listed) == read(table)


def test_a_comment_before_the_heading_of_a_csv_is_passed_over(tmp_path):
    table = written(tmp_path / "rows.csv", "# version=1\nresponse,label\nNo.,refusal\n\nYes.,compliance,more\n")
    with pytest.raises(ResultError, match=r"rows\.csv:5 has 3 fields"):
        read(table)


def test_columns_and_labels_go_by_any_name(tmp_path):
    path = jsonl(tmp_path, [{"q": "Q", "text": "No.", "tone": "rejected", "n": 7}])
    (row,) = read(path, Columns("tone", "text", "q", "n", "n"), parse_label_map(["rejected=refusal"], [])).rows
    assert (row.sample.prompt, row.sample.response, row.label, row.group, row.sample.id) == (
        "Q", "No.", "refusal", "7", "7",
    )  # fmt: skip


def test_a_label_may_be_a_number_or_a_truth_value(tmp_path):
    path = jsonl(tmp_path, [{"response": "No.", "label": True}, {"response": "Yes.", "label": 0}])
    found = read(path, labels=parse_label_map(["true=refusal,0=compliance"], []))
    assert [row.label for row in found.rows] == ["refusal", "compliance"]


def test_rows_without_a_label_and_ignored_ones_are_counted_apart(tmp_path):
    rows = [*ROWS, {"response": "?", "label": ""}, {"response": "?", "label": None}, {"response": "?", "label": "odd"}]
    found = read(jsonl(tmp_path, rows), labels=parse_label_map([], ["odd"]))
    assert (len(found.rows), found.left_out) == (2, {"": 2, "odd": 1})


def test_labels_that_are_not_in_the_map_are_named_with_their_number(tmp_path):
    path = jsonl(tmp_path, [*ROWS, {"response": "?", "label": "odd"}])
    with pytest.raises(ResultError, match=r"labels 'compliance' \(1\), 'odd' \(1\) are not in --label-map"):
        read(path, labels=parse_label_map(["refusal=refusal"], []))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns("tone"), "no column 'tone'; it has prompt, response, label, part"),
        (Columns(response="answer"), "no text in answer"),
        (Columns(prompt="question"), "no text in question"),
        (Columns(group="domain"), "no column 'domain'"),
    ],
)
def test_a_column_that_is_not_there_is_named(tmp_path, columns, message):
    with pytest.raises(ResultError, match=message):
        read(jsonl(tmp_path), columns)


@pytest.mark.parametrize("text", ["{}", "[1]", "[", '"text"', "[" * 100_000])
def test_what_is_no_list_of_objects_is_one_clear_error(tmp_path, text):
    with pytest.raises(ResultError, match=r"rows\.json"):
        read(written(tmp_path / "rows.json", text))


def test_a_file_without_a_label_says_what_it_has(tmp_path):
    with pytest.raises(ResultError, match="no labelled row: 1 without a label"):
        read(jsonl(tmp_path, [{"response": "?", "label": ""}]))


@pytest.mark.parametrize("pair", ["refusal", "=refusal", "a=", "a=x,a=y"])
def test_a_label_map_that_is_none_is_refused(pair):
    with pytest.raises(ConfigError, match="label-map"):
        parse_label_map([pair], [])


def test_labels_by_id(tmp_path):
    path = jsonl(tmp_path, [{"id": "p1", "label": "refusal"}, {"id": 2, "label": "compliance"}])
    assert read_labels(path, Columns(), LabelMap()) == ({"p1": ("refusal", ""), "2": ("compliance", "")}, {})


def test_an_id_that_is_labelled_twice_is_refused(tmp_path):
    path = jsonl(tmp_path, [{"id": "p1", "label": "refusal"}] * 2)
    with pytest.raises(ResultError, match=r"rows\.jsonl:2 labels 'p1' a second time"):
        read_labels(path, Columns(), LabelMap())
