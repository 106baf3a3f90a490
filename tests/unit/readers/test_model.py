"""A file against its format: one line with the place, the key, what is wrong and what to write."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, TypeAdapter

from em_bench.errors import ConfigError
from em_bench.readers import parse_yaml
from em_bench.readers.model import FileFormat, OneOf, Text, Truth, Words, validate


class Part(FileFormat):
    size: Annotated[int, Field(ge=1, le=9)] = 1
    share: Annotated[float, Field(ge=0, le=1)] = 0.0


class Whole(FileFormat):
    name: Words
    flag: Truth = False
    kind: Literal["red", "blue"] = "red"
    note: Text | None = None
    names: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["a"])
    parts: dict[Annotated[str, OneOf(("left", "right"))], Part] = Field(default_factory=dict)


def test_a_right_file_is_its_model():
    tree = parse_yaml("name: x\nflag: yes\nparts: {left: {size: 2, share: 1}}", "f")
    assert validate(Whole, tree) == Whole(name="x", flag=True, parts={"left": Part(size=2, share=1.0)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flag: true", "f:1: `name` is missing; add it"),
        ("name: x\nnmae: y", "f:2: `nmae` is unknown; did you mean `name`?"),
        ("nmae: y", "f:1: `nmae` is unknown; did you mean `name`?"),
        ("name: x\nzzz: y", "f:2: `zzz` is unknown; known: name, flag, kind, note, names, parts"),
        ("name: 5", "f:1: `name` is 5; give a text, in quotes"),
        ("name: ' '", "f:1: `name` is empty; give a text"),
        ("name:", "f:1: `name` is empty; give a text, in quotes"),
        ("name: x\nflag: maybe", "f:2: `flag` is 'maybe'; give true or false"),
        ("name: x\nkind: green", "f:2: `kind` is 'green'; give one of red, blue"),
        ('name: x\nnote: "\\ud800"', "f:2: `note` holds half a character"),
        ("name: x\nnames: a", "f:2: `names` is 'a'; give a list, like [a, b]"),
        ("name: x\nnames: []", "f:2: `names` is empty; give at least 1 of them"),
        ("name: x\nnames:\n- a\n- 7", "f:4: `names[2]` is 7; give a text, in quotes"),
        ("name: x\nparts: []", "f:2: `parts` is empty; give `key: value` lines"),
        ("name: x\nparts:\n  lefd: {}", "f:3: `parts.lefd` is unknown; did you mean `left`?"),
        ("name: x\nparts:\n  left:\n    size: '2'", "f:4: `parts.left.size` is '2'; give a whole number"),
        ("name: x\nparts:\n  left:\n    size: true", "f:4: `parts.left.size` is True; give a whole number"),
        ("name: x\nparts:\n  left:\n    size: 2.5", "f:4: `parts.left.size` is 2.5; give a whole number"),
        ("name: x\nparts:\n  left:\n    share: 5", "f:4: `parts.left.share` is 5; give a number of at most 1"),
        ("name: x\nparts:\n  left:\n    share: .nan", "f:4: `parts.left.share` is nan; give a number"),
        ("name: x\nparts:\n  left: {shar: 1}", "f:3: `parts.left.shar` is unknown; did you mean `share`?"),
        ("name: 1\nflag: 2\nkind: 3", "f:1: `name` is 1; give a text, in quotes (2 more errors)"),
        ("[1]", "f:1: the file is a list; give `key: value` lines"),
        ("x", "f:1: the file is 'x'; give `key: value` lines"),
        ("", "f: the file is empty; give `key: value` lines"),
    ],
)
def test_what_is_wrong_is_one_line(text, message):
    with pytest.raises(ConfigError) as error:
        validate(Whole, parse_yaml(text, "f"))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", ["x" * 100_000, "[" + "1, " * 50_000 + "]", "{" + "a: " + "1" * 4000 + "}"])
def test_a_huge_value_is_shown_short(value):
    with pytest.raises(ConfigError) as error:
        validate(Whole, parse_yaml(f"name: x\nflag: {value}", "f"))
    assert len(str(error.value)) < 200


def test_a_hostile_key_is_shown_safely():
    with pytest.raises(ConfigError) as error:
        validate(Whole, parse_yaml('name: x\n"\\e[31m\\n::error::x": 1', "f"))
    assert str(error.value).isprintable()


def test_a_format_may_be_any_type():
    assert validate(TypeAdapter(list[Part]), parse_yaml("- {size: 3}", "f")) == [Part(size=3)]
