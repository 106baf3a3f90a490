"""Checks what a YAML file says against a pydantic model: the format's one definition, and its JSON Schema.

    class Limits(FileFormat):
        margin: Annotated[float, Field(ge=0, le=1, description="how much worse it may get")]

    validate(Limits, read_yaml(path, "limits file"))

What is wrong is one line: file, line, key, and what to write instead. Values are never converted: `"5"` is no number.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import literal_schema

from em_bench.errors import ConfigError
from em_bench.readers.yaml_tree import YamlTree
from em_bench.text import shown

T = TypeVar("T")


class FileFormat(BaseModel):
    """A mapping in a YAML file: strict about types, and closed to keys that it does not know."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any) -> Any:
        keys = [field.alias or name for name, field in cls.model_fields.items()]
        if cls.model_config.get("extra") == "forbid" and isinstance(values, Mapping):
            for key in values:
                if key not in keys:
                    raise unknown_key(key, keys)
        return values


def unknown_key(key: object, keys: Sequence[str]) -> PydanticCustomError:
    """What a validator of a mapping raises about one of its keys."""
    return PydanticCustomError("unknown_key", "{hint}", {"key": key, "hint": nearest(key, keys)})


def wrong(message: str) -> PydanticCustomError:
    """What a validator of a format raises: `message` follows the key, as in "is empty; leave it out"."""
    return PydanticCustomError("wrong", "{message}", {"message": message})


@dataclass(frozen=True, slots=True)
class OneOf:
    """Marks a text that must be one of some words, for words that are known only when the program runs."""

    words: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return literal_schema(list(self.words))


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise wrong("holds half a character (a lone surrogate); fix its escape") from None
    return text


Text = Annotated[str, AfterValidator(_encodable)]
"""A text that is sent to a model or written to a file."""


def _not_blank(text: str) -> str:
    if not text.strip():
        raise wrong("is empty; give a text")
    return text


Words = Annotated[Text, AfterValidator(_not_blank)]
"""A text that is not blank."""


def _truth(value: object) -> object:
    return {"yes": True, "on": True, "no": False, "off": False}.get(value, value) if isinstance(value, str) else value


Truth = Annotated[bool, BeforeValidator(_truth)]
"""A truth value; `yes` and `no` are read as well, as they were truth values in YAML 1.1."""


def nearest(word: object, words: Sequence[str]) -> str:
    """`did you mean x?`, or all the known words."""
    close = difflib.get_close_matches(str(word)[:100], words, 1)
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(words)}"


def validate(model: type[T] | TypeAdapter[T], tree: YamlTree) -> T:
    """The values of a file as their format's model. Raises `ConfigError` for the first that is wrong."""
    adapter = model if isinstance(model, TypeAdapter) else TypeAdapter(model)
    try:
        return adapter.validate_python(tree.value)
    except ValidationError as error:
        raise _first_error(error.errors(include_url=False), tree) from error


def describe(value: object) -> str:
    """A value in a message: short, whatever the file holds."""
    if value in (None, "", [], {}):
        return "empty"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, Mapping):
        return "a mapping"
    return f"'{shown(value, 80)}'" if isinstance(value, str) else shown(value, 80)


def _first_error(errors: Sequence[ErrorDetails], tree: YamlTree) -> ConfigError:
    """Unknown keys come first, as a misspelt key is also a missing one; then the file's own order."""
    first = min(errors, key=lambda error: (error["type"] != "unknown_key", tree.line(_steps(error)) or 0))
    rest = len(errors) - 1
    more = f" ({rest} more {'error' if rest == 1 else 'errors'})" if rest else ""
    return tree.error(f"{_message(first, tree.part)}{more}", _steps(first))


def _steps(error: ErrorDetails) -> tuple[str | int, ...]:
    steps = error["loc"]
    if steps[-1:] == ("[key]",):
        steps = (*steps[:-2], str(steps[-2]))
    return (*steps, str(error["ctx"]["key"])) if error["type"] == "unknown_key" else steps


def _message(error: ErrorDetails, part: str) -> str:
    key, context = _name(_steps(error)), error.get("ctx", {})
    if error["type"] == "unknown_key":
        return f"{key} is unknown; {context['hint']}"
    if error["type"] == "literal_error" and error["loc"][-1:] == ("[key]",):
        words = re.findall("'([^']*)'", context["expected"])
        return f"{key} is unknown; {nearest(error['input'], words)}"
    if error["type"] == "missing":
        return f"{key} is missing; add it"
    if error["type"] == "wrong":
        return f"{key or part} {context['message']}"
    say = _EXPECTED.get(error["type"])
    expected = say(context) if say else error["msg"]
    return f"{key or part} is {describe(error['input'])}; give {expected}"


def _name(steps: Sequence[str | int]) -> str:
    """The keys with dots between them, and places in lists counted from 1."""
    name = ""
    for step in steps:
        name += f"[{step + 1}]" if isinstance(step, int) else f".{step}"
    return f"`{shown(name.removeprefix('.'), 160)}`" if name else ""


def _range(context: Mapping[str, Any]) -> str:
    words = {"ge": "of at least", "le": "of at most", "gt": "above", "lt": "below"}
    return " ".join(["a number", *(f"{words[key]} {value:g}" for key, value in context.items() if key in words)])


_TEXT = "a text, in quotes"
_EXPECTED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "string_type": lambda _: _TEXT,
    "string_too_short": lambda _: _TEXT,
    "string_too_long": lambda context: f"a text of at most {context['max_length']} characters",
    "bool_type": lambda _: "true or false",
    "int_type": lambda _: "a whole number",
    "float_type": lambda _: "a number",
    "finite_number": lambda _: "a number",
    "list_type": lambda _: "a list, like [a, b]",
    "too_short": lambda context: f"at least {context['min_length']} of them",
    "dict_type": lambda _: "`key: value` lines",
    "model_type": lambda _: "`key: value` lines",
    "literal_error": lambda context: "one of " + context["expected"].replace(" or ", ", ").replace("'", ""),
    **dict.fromkeys(("greater_than_equal", "less_than_equal", "greater_than", "less_than"), _range),
}
