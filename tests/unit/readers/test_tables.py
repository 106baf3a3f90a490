"""Text, JSONL and CSV: what is read, and which line a complaint names."""

import pytest

from em_bench.errors import ConfigError, ResultError
from em_bench.readers import csv_rows, json_lines, parse_json, parse_object, read_object, read_text


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_jsonl_line_ends_only_at_a_line_feed(separator):
    text = f'{{"a": "x{separator}y"}}\n\n{{"a": "z"}}\r\n'
    assert list(json_lines(text, "f")) == [("f:1", {"a": f"x{separator}y"}), ("f:3", {"a": "z"})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a"', "f:2 is not whole JSON"),
        ('{"a": 1}\n[1]', "f:2 holds a JSON list, not an object"),
        ("[" * 100_000, "f:1 holds JSON that is nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "f:1 holds JSON that cannot be read"),
    ],
)
def test_a_wrong_jsonl_line_is_named(text, message):
    with pytest.raises(ConfigError) as error:
        list(json_lines(text, "f", ConfigError))
    assert message in str(error.value)
    assert len(str(error.value)) < 200


def test_the_caller_says_which_error_is_raised():
    with pytest.raises(ResultError):
        parse_object("[]", "f")
    with pytest.raises(ConfigError):
        parse_json("[", "f", ConfigError)


def test_a_json_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}', encoding="utf-8-sig")
    assert read_object(tmp_path / "a.json") == {"a": 1}


def test_text_keeps_its_line_ends(tmp_path):
    (tmp_path / "a").write_bytes(b"a\r\nb\rc\n")
    assert read_text(tmp_path / "a") == "a\r\nb\rc\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "kind of file .* cannot be read: No such file or directory; do this"),
        (b"a\xff", r"is not UTF-8 \(byte 1\)"),
        (b"aaaa", "is larger than 3 bytes"),
    ],
)
def test_a_text_that_cannot_be_read_is_one_line(tmp_path, content, message):
    path = tmp_path / "a"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_text(path, ConfigError, what="kind of file", hint="do this", max_bytes=3)


def test_csv_records_are_named_by_the_line_they_begin_on():
    text = '# version 1\na,b\n1,"x\ny\nz"\n\n2,w\n'
    assert [place for place, _ in csv_rows(text, "f")] == ["f:3", "f:7"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a,b\n1,"x\ny"\n2\n', "f:4 has 1 field, but the header has 2"),
        ('a,b\n1,"x\ny"\n2,3,4\n', "f:4 has 3 fields, but the header has 2"),
        ('a,b\n1,"x\ny"\n2,"z\nz\n', "f:4 is not CSV: unexpected end of data"),
        ("# c\na,a\n1,2\n", "f:2 has two columns a; rename one"),
    ],
)
def test_a_wrong_csv_record_is_named_by_the_line_it_begins_on(text, message):
    with pytest.raises(ResultError, match=message):
        list(csv_rows(text, "f"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_the_one_in_the_header(delimiter):
    text = f" a {delimiter}b\n1{delimiter}x\x00\n"
    assert list(csv_rows(text, "f")) == [("f:2", {"a": "1", "b": "x\ufffd"})]


def test_a_ragged_file_is_read_where_it_is_what_its_authors_published():
    rows = [row for _, row in csv_rows("a,b\n1\n1,2,3\n", "f", strict=False)]
    assert rows == [{"a": "1", "b": None}, {"a": "1", "b": "2"}]


def test_a_field_may_be_long():
    assert len(next(csv_rows(f"a\n{'x' * 200_000}\n", "f"))[1]["a"]) == 200_000


def test_a_csv_text_without_records_has_no_rows():
    assert list(csv_rows("", "f")) == list(csv_rows("a,b\n", "f")) == []
