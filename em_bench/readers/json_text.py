"""Reads JSON, and JSONL: one JSON object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from em_bench.errors import EmBenchError, ResultError
from em_bench.readers.text_file import read_text


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a JSONL text that are not blank, with their numbers."""
    # not splitlines(): a text may hold U+2028 and its like, which end no line of JSONL
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())


def json_lines(text: str, where: str, raises: type[EmBenchError] = ResultError) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL text, each with its place, `file:line`. Raises `raises`."""
    for number, line in numbered_lines(text):
        place = f"{where}:{number}"
        yield place, parse_object(line, place, raises)


def read_object(path: Path, raises: type[EmBenchError] = ResultError) -> dict[str, Any]:
    """The object that a JSON file holds. Raises `raises`."""
    return parse_object(read_text(path, raises), str(path), raises)


def parse_object(text: str, where: str, raises: type[EmBenchError] = ResultError) -> dict[str, Any]:
    """The object that a JSON text holds. Raises `raises`, naming `where`."""
    value = parse_json(text, where, raises)
    if not isinstance(value, dict):
        raise raises(f"{where} holds a JSON {type(value).__name__}, not an object")
    return value


def parse_json(text: str, where: str, raises: type[EmBenchError] = ResultError) -> Any:
    """The value that a JSON text holds. Raises `raises`, naming `where`."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise raises(f"{where} is not whole JSON (column {error.colno}: {error.msg}); was it cut off?") from error
    except RecursionError as error:
        raise raises(f"{where} holds JSON that is nested too deeply") from error
    except ValueError as error:  # a number of thousands of digits
        raise raises(f"{where} holds JSON that cannot be read: {str(error)[:100]}") from error
