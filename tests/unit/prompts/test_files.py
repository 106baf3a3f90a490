import json

import pytest

from em_bench.errors import ConfigError
from em_bench.prompts.files import load_prompts, prompt_set_hash

GOOD = '{"id": "a", "prompt": "One?"}\n'


@pytest.fixture
def prompt_file(tmp_path):
    def write(text):
        path = tmp_path / "prompts.jsonl"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_rows_come_in_the_files_order_with_all_their_fields(prompt_file):
    path = prompt_file(GOOD + '\n{"id": "b", "prompt": "Two?", "form": "question"}\n')
    assert load_prompts(path) == [
        {"id": "a", "prompt": "One?", "form": None},
        {"id": "b", "prompt": "Two?", "form": "question"},
    ]


def test_a_canary_is_in_the_file_alone(prompt_file):
    canary = '{"id": "a", "prompt": "One?", "canary": "do not train on this"}\n'
    rows, plain = load_prompts(prompt_file(canary)), load_prompts(prompt_file(GOOD))
    assert rows == plain == [{"id": "a", "prompt": "One?"}]
    assert prompt_set_hash(rows) == prompt_set_hash(plain)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{'id': 'b'}", "is not whole JSON"),
        ('{"id": "b", "prompt": "cut', "is not whole JSON"),
        ('["b", "Two?"]', "holds a JSON list"),
        ("null", "holds a JSON NoneType"),
        ('{"prompt": "Two?"}', "no text in the field `id`"),
        ('{"id": "b"}', "no text in the field `prompt`"),
        ('{"id": "b", "prompt": "  "}', "no text in the field `prompt`"),
        ('{"id": 7, "prompt": "Two?"}', "no text in the field `id`"),
        ('{"id": "b", "prompt": ["Two?"]}', "no text in the field `prompt`"),
        ('{"id": "b", "prompt": "Two?", "system": 7}', "`system`"),
        ('{"id": "b", "prompt": "\\ud800"}', "prompts.jsonl:2"),
        ('{"id": "a", "prompt": "Again?"}', "has the id 'a' twice"),
    ],
)
def test_a_wrong_line_is_refused_with_file_and_line(prompt_file, line, said):
    with pytest.raises(ConfigError) as error:
        load_prompts(prompt_file(GOOD + line + "\n"))
    assert said in str(error.value)
    assert "prompts.jsonl:2" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.jsonl cannot be read: No such file"):
        load_prompts(tmp_path / "absent.jsonl")


def test_a_folder_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_prompts(tmp_path)


@pytest.mark.parametrize("text", ["", "\n  \n"])
def test_an_empty_file_is_refused(prompt_file, text):
    with pytest.raises(ConfigError, match=r"prompts\.jsonl is empty"):
        load_prompts(prompt_file(text))


def test_a_file_that_is_not_utf8_is_refused_with_the_place(prompt_file):
    with pytest.raises(ConfigError, match=r"prompts\.jsonl is not UTF-8 \(byte 2\)"):
        load_prompts(prompt_file(b'{"\xff": 1}'))


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_line_ends_only_where_jsonl_says_so(prompt_file, separator):
    row = {"id": "a", "prompt": f"One{separator}two?"}
    assert load_prompts(prompt_file(json.dumps(row, ensure_ascii=False) + "\n")) == [row]


def test_other_required_fields_are_checked(prompt_file):
    with pytest.raises(ConfigError, match="no text in the field `system`"):
        load_prompts(prompt_file(GOOD), ("id", "prompt", "system"))


ROWS = [{"id": "a", "prompt": "One?", "system": None}, {"id": "b", "prompt": "Two?", "system": "Be brief."}]


@pytest.mark.parametrize(
    "changed",
    [
        [ROWS[0] | {"prompt": "One!"}, ROWS[1]],
        [ROWS[0] | {"id": "c"}, ROWS[1]],
        [ROWS[0] | {"system": "Be brief."}, ROWS[1]],
        ROWS[::-1],
        ROWS[:1],
    ],
)
def test_the_hash_changes_with_what_is_asked(changed):
    assert prompt_set_hash(changed) != prompt_set_hash(ROWS)


def test_the_hash_does_not_change_with_what_is_only_said_about_a_prompt():
    assert prompt_set_hash([row | {"form": "question"} for row in ROWS]) == prompt_set_hash(ROWS)
