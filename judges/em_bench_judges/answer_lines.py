"""Where a judge model's answer states its verdict: on its last lines, or in one JSON object.

Only the place that a rubric asks for counts. A line that is quoted or fenced, or that the judge goes on after, is
something that it writes about, and may be the judged text's own.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

LONGEST_JSON = 4000
_WORDS = re.compile(r"\w.*\w|\w", re.DOTALL)
_MARKDOWN = " \t*_`#-"


def words(text: str) -> str:
    """The text without spaces and punctuation around its words."""
    match = _WORDS.search(text)
    return match[0] if match else ""


def spoken_lines(answer: str) -> list[str]:
    """The lines that hold anything, without a code fence around the whole answer."""
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    if len(lines) > 2 and lines[0].startswith("```") and lines[-1] == "```":
        lines = lines[1:-1]
    return lines


def field(line: str, name: str) -> str | None:
    """What a line `name: value` says, whatever Markdown is around it; None when it is no such line, or quoted."""
    text = line.lstrip(_MARKDOWN)
    start, rest = text[: len(name)], text[len(name) :]
    if start.lower() != name or not rest or rest[0].isalnum():
        return None
    return words(rest)


def stated(answer: str, key: str, *besides: str) -> Mapping[str, str]:
    """The fields of an answer: of a JSON object, or of its last lines, of which one must be `key`."""
    names = (key, *besides)
    lines = spoken_lines(answer)
    if (object_ := json_object(lines)) is not None:
        return {name: words(str(object_[name])) for name in names if name in object_}
    found: dict[str, str] = {}
    for line in reversed(lines[-len(names) :]):
        values = {name: value for name in names if (value := field(line, name)) is not None}
        if not values or found.keys() & values.keys():
            break
        found |= values
    return found if key in found else {}


def reason_in(answer: str, *fields: str) -> str:
    """What the judge wrote before its verdict."""
    lines = spoken_lines(answer)
    if (object_ := json_object(lines)) is not None:
        texts = [value for name, value in object_.items() if name not in fields and isinstance(value, str)]
        return texts[0] if texts else ""
    first = next((n for n, line in enumerate(lines) if any(field(line, name) is not None for name in fields)), None)
    return "\n".join(lines if first is None else lines[:first])


def json_object(lines: list[str]) -> Mapping[str, Any] | None:
    """The flat JSON object that the lines, or the last of them, are, with keys in lower case; None without one."""
    for text in ("\n".join(lines), lines[-1] if lines else ""):
        if text.startswith("{") and text.endswith("}") and len(text) <= LONGEST_JSON:
            try:
                return _flat(json.loads(text, object_pairs_hook=_once))
            except (ValueError, RecursionError):
                continue
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = {name.lower(): value for name, value in pairs}
    if len(values) < len(pairs):
        raise ValueError("a key is there twice")
    return values


def _flat(values: Any) -> Mapping[str, Any]:
    if not isinstance(values, dict) or any(isinstance(value, dict | list) for value in values.values()):
        raise ValueError("it holds more than texts and numbers")
    return values
