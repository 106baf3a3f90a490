"""YAML: which values are read, what is refused, and which line a complaint names."""

import datetime
import time

import pytest
import yaml

from em_bench.errors import ConfigError
from em_bench.readers import YamlTree, parse_yaml, read_yaml
from em_bench.readers.yaml_tree import MAX_BYTES, is_list
from places import ROOT


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("NO", "NO"), ("on", "on"), ("off", "off"), ("true", True), ("False", False),
        ("2026-11-26", "2026-11-26"), ("12:30", "12:30"), ("010", "010"), ("1_000", "1_000"), ("0x1F", "0x1F"),
        ("5", 5), ("-3", -3), ("1e-3", 0.001), ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), (".inf", float("inf")),
        ("~", None), ("null", None), ("''", ""), ("'5'", "5"), ("=", "="), ("", None),
    ],
)  # fmt: skip
def test_a_value_is_what_yaml_1_2_takes_it_for(text, value):
    read = parse_yaml(f"a: {text}\n", "f").value["a"]
    assert (read, type(read)) == (value, type(value))


BOMB = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9 if n else ['x'] * 9)}]" for n in range(30))
MERGES = "\n".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" if n else "a0: &a0 {x: 1}" for n in range(30)
)
CHAIN = "\n".join(f"a{n}: &a{n} [{f'*a{n - 1}' if n else 'x'}]" for n in range(2000))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [", "f:2 is not YAML: "),
        ("a: 1\nb: {x: 1,\n  x: 2}", "f:3: `x` is there twice, first in line 2; take one out"),
        ("a: 1\n'a': 2", "f:2: `a` is there twice"),
        ("- {a: 1, a: 2}", "f:1: `a` is there twice"),
        ("? [a]\n: b", "f:1: a key must be a word"),
        ("a: &a [*a]", "f:1: its aliases unfold to more than"),
        (BOMB, "f:6: its aliases unfold to more than"),
        (MERGES, "its aliases unfold to more than"),
        (CHAIN, "it is nested too deeply"),
        ("a: " + "[" * 100_000, "f:1 is not YAML: it is nested too deeply"),
        ("a: " + "{a: " * 100_000, "f:1 is not YAML: it is nested too deeply"),
        ("a: !!python/object/apply:os.system [true]", "f:1 is not YAML: could not determine a constructor"),
        ("a: !!timestamp 2026-99-99", "f:1 is not YAML: "),
        ("a: *b", "f:1 is not YAML: found undefined alias"),
        ("a\n--- b", "f:2 is not YAML: "),
        ("a: \x00", "f:1 is not YAML: "),
    ],
)
def test_what_cannot_be_read_is_one_short_line(text, message):
    begun = time.monotonic()
    with pytest.raises(ConfigError) as error:
        parse_yaml(text, "f")
    assert message in str(error.value)
    assert len(str(error.value)) < 300
    assert "\n" not in str(error.value)
    assert time.monotonic() - begun < 5


def test_aliases_and_merges_are_followed():
    tree = parse_yaml("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\nd: {<<: *a, x: 3}", "f")
    assert tree.value == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}, "d": {"x": 3}}


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ((), 1),
        (("a",), 1),
        (("a", "x"), 2),
        (("b", 1), 5),
        (("b", 7), 3),
        (("b", 0, "z"), 4),
        (("none",), 1),
        ((5,), 6),
    ],
)
def test_a_line_is_that_of_the_nearest_thing(steps, line):
    assert parse_yaml("a:\n  x: 1\nb:\n  - z: 1\n  - 2\n5: x\n", "f").line(steps) == line


def test_values_of_no_file_have_no_line():
    assert str(YamlTree("--metadata", {}).error("`a` is wrong", ("a",))) == "--metadata: `a` is wrong"


def test_a_file_is_bounded_and_named_with_its_kind(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match=r"policy .*a\.yaml is larger than"):
        read_yaml(path, "policy")
    path.write_text("a: [")
    with pytest.raises(ConfigError, match=r"policy .*a\.yaml:1 is not YAML"):
        read_yaml(path, "policy")


@pytest.mark.parametrize(
    ("text", "expected"), [("- a", True), ("[a]", True), ("a: 1", False), ("", False), ("[", True), ("\x00", False)]
)
def test_a_list_is_told_by_its_first_lines(text, expected):
    assert is_list(text) == expected


FILES = sorted(
    path for folder in ("em_bench", "judges", "examples", "tests") for path in (ROOT / folder).rglob("*.yaml")
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_files_of_this_repository_hold_what_they_held_in_yaml_1_1(path):
    text = path.read_text(encoding="utf-8")
    assert parse_yaml(text, str(path)).value == yaml.safe_load(text)


def test_a_value_is_read_the_same_whatever_others_taught_pyyaml(monkeypatch):
    taught = yaml.SafeLoader.yaml_constructors | {"tag:yaml.org,2002:timestamp": lambda *_: "taught"}
    monkeypatch.setattr(yaml.SafeLoader, "yaml_constructors", taught)
    assert parse_yaml("a: !!timestamp 2026-11-26", "f").value == {"a": datetime.date(2026, 11, 26)}
