"""Reads YAML as plain data that knows its lines.

Beyond what a safe loader refuses, a file must not be larger, nested deeper or unfold to more values than a person
writes, and no mapping may have a key twice. Values are read as YAML 1.2 reads them: `yes`, `on`, dates and `12:30` are
texts, only `true` and `false` are truth values, and `1e-3` is a number.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from em_bench.errors import ConfigError
from em_bench.readers.text_file import read_text
from em_bench.text import shown

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_VALUES = 200_000
TOO_DEEP = "it is nested too deeply"
Steps = Sequence[str | int]
"""The keys and indexes that lead to a value."""


@dataclass(frozen=True, slots=True)
class YamlTree:
    """What a YAML text holds. `where` is what messages call the file, `part` what they call this part of it."""

    where: str
    value: Any
    node: yaml.Node | None = None
    part: str = "the file"

    def line(self, steps: Steps = ()) -> int | None:
        """The line of a key or item, else of the nearest thing around it; None for values that no file holds."""
        if self.node is None:
            return None
        node, line = self.node, _line(self.node)
        for step in steps:
            entries = {str(name): (key_line, value) for name, key_line, value in _children(node)}
            if str(step) not in entries:
                break
            line, node = entries[str(step)]
        return line

    def items(self, what: str = "") -> "Iterator[YamlTree]":
        """The items of a list, each as a tree. Raises `ConfigError` when there is no list `what`."""
        if not isinstance(self.value, list | None) or not isinstance(self.node, yaml.SequenceNode | None):
            raise self.error(f"{self.part} must be a list {what}".rstrip())
        for value, node in zip(self.value or (), self.node.value if self.node else (), strict=True):
            yield YamlTree(self.where, value, node, "the item")

    def error(self, message: str, steps: Steps = ()) -> ConfigError:
        """An error of one line about the value that `steps` lead to."""
        line = self.line(steps)
        return ConfigError(f"{self.where}{f':{line}' if line else ''}: {message}")


def read_yaml(path: Path, what: str, *, hint: str = "", max_bytes: int = MAX_BYTES) -> YamlTree:
    """What a YAML file holds. `what` is the kind of file, like `policy`. Raises `ConfigError`."""
    text = read_text(path, ConfigError, what=what, hint=hint, max_bytes=max_bytes)
    return parse_yaml(text, f"{what} {path}".lstrip())


def parse_yaml(text: str, where: str) -> YamlTree:
    """What a YAML text holds; `where` is what messages call it. Raises `ConfigError`."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            tree = YamlTree(where, None, node)
            _check(tree)
            return YamlTree(where, None if node is None else loader.construct_document(node), node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:  # a value that its own tag does not allow is a ValueError
        problem = shown(getattr(error, "problem", None) or error)
        raise ConfigError(f"{where}:{_error_line(error, text)} is not YAML: {problem}; fix that line") from error


def is_list(text: str) -> bool:
    """Whether a YAML text is a list, as far as its first lines say; nothing else of it is read."""
    try:
        events = yaml.parse(text, Loader=yaml.SafeLoader)
        first = next((event for event in events if isinstance(event, yaml.NodeEvent | yaml.CollectionStartEvent)), None)
    except yaml.YAMLError:
        return False
    return isinstance(first, yaml.SequenceStartEvent)


class _Loader(yaml.SafeLoader):
    """A safe loader that stops at a depth, and takes scalars for what YAML 1.2 takes them for."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            node_mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, TOO_DEEP, node_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _tag, _pattern, _first in (
    ("null", r"|~|null|Null|NULL", ["", "~", "n", "N"]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
     list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):  # fmt: skip
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


# Packages that are imported beside this one change what PyYAML's own classes make of a tag.
for _tag in ("null", "bool", "int", "float", "binary", "timestamp", "omap", "pairs", "set", "str", "seq", "map"):
    _construct = getattr(yaml.constructor.SafeConstructor, f"construct_yaml_{_tag}")
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _construct)


def _children(node: yaml.Node) -> Iterator[tuple[str | int, int, yaml.Node]]:
    """Key or index, line and node of each entry."""
    if isinstance(node, yaml.MappingNode):
        yield from ((str(key.value), _line(key), value) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from ((index, _line(item), item) for index, item in enumerate(node.value))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _check(tree: YamlTree) -> None:
    """Refuses double keys, keys that are no words, and aliases that unfold without end."""
    seen: dict[int, tuple[int, int]] = {}

    def visit(node: yaml.Node) -> tuple[int, int]:
        """How many values a node unfolds to, and how deep; a node that aliases share is visited once."""
        if id(node) not in seen:
            seen[id(node)] = MAX_VALUES, 0  # until it is known: what contains itself has no end
            if isinstance(node, yaml.MappingNode):
                _check_keys(node, tree.where)
            below = [visit(child) for _, _, child in _children(node)]
            seen[id(node)] = 1 + sum(size for size, _ in below), 1 + max((depth for _, depth in below), default=0)
        size, depth = seen[id(node)]
        if size > MAX_VALUES or depth > MAX_DEPTH:
            why = TOO_DEEP if depth > MAX_DEPTH else f"its aliases unfold to more than {MAX_VALUES} values"
            raise ConfigError(f"{tree.where}:{_line(node)}: {why}; write it with fewer aliases")
        return size, depth

    if tree.node is not None:
        visit(tree.node)


def _check_keys(node: yaml.MappingNode, where: str) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{where}:{_line(key)}: a key must be a word")
        name = str(key.value)
        if name in lines and name != "<<":
            first = f"first in line {lines[name]}; take one out"
            raise ConfigError(f"{where}:{_line(key)}: `{shown(name, 80)}` is there twice, {first}")
        lines[name] = _line(key)


def _error_line(error: Exception, text: str) -> int:
    if mark := getattr(error, "problem_mark", None):
        return int(mark.line) + 1
    return text.count("\n", 0, getattr(error, "position", 0)) + 1
