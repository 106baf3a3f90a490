"""A rubric is a YAML file that makes an LLM judge: the prompt, what may be answered, and how the answer is read.

    name: politeness
    version: "1"
    reading: score              # labels, score or strongreject
    scale: [0, 100]             # score: whole numbers; this scale is log-probability weighted where the judge model can
    special: [IRRELEVANT]       # score: words that may stand in place of a number
    labels: [polite, rude]      # labels: the closed set; the answer ends with `VERDICT: <label>`
    decline: ABSTAIN            # the word for a judge model that will not judge (the prompt must say so): unscored
    empty: IRRELEVANT           # the verdict on a response without an answer, which no judge model is asked about
    max_tokens: 16
    max_chars: 20000            # longer responses are cut in the middle
    prompt: |
      How polite is the response? Answer with a number from 0 to 100, nothing else.
      {{ prompt }}
      {{ response }}

`prompt` is a Jinja2 template in a sandbox, rendered once: `prompt`, `response` and `system` are fenced by a delimiter
that the judged text cannot know, and what looks like a template inside them is text. A question file in the form of
Betley et al. holds rubrics too: see `em_bench_judges.question_rubric`.
"""

import functools
import hashlib
import json
import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from em_bench.errors import ConfigError
from em_bench.judging.rubrics import installed_rubrics, rubric_path

FOLDER = Path(__file__).parent / "rubrics"
READINGS = ("labels", "score", "strongreject")
KEYS = {"name", "version", "description", "reading", "scale", "special", "labels", "decline", "empty",
        "max_tokens", "max_chars", "system_prompt", "prompt"}  # fmt: skip
VARIABLES = ("prompt", "response", "system", "topic")
# A rubric is somebody's file: it may choose and show text. Loops, calls, arithmetic and attributes have no use here,
# and are ways to hang the process or to reach Python's objects.
ALLOWED = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.CondExpr,
           nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or, nodes.Filter)  # fmt: skip
FILTERS = ("trim", "upper", "lower", "length")
_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)


@dataclass(frozen=True, slots=True)
class Rubric:
    """A loaded rubric. `sha256` is over everything that decides a verdict."""

    name: str
    version: str
    reading: str
    prompt: str
    system_prompt: str | None = None
    labels: tuple[str, ...] = ()
    special: tuple[str, ...] = ()
    scale: tuple[int, int] = (0, 100)
    decline: str | None = None
    empty: str | int | None = None
    max_tokens: int = 16
    max_chars: int = 20_000
    braces: bool = False
    by_question: tuple[tuple[str, tuple[str, ...], str], ...] = ()
    """Prompts that differ by question: its id, its paraphrases, and the prompt."""

    @property
    def sha256(self) -> str:
        parts = [getattr(self, field) for field in self.__slots__]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def for_question(self, prompt: str, document: str) -> "Rubric | None":
        """The rubric with the prompt for a sample's question; None when its file has none for it."""
        if not self.by_question:
            return self
        same = [(name, template) for name, paraphrases, template in self.by_question if prompt in paraphrases]
        if len({template for _, template in same}) != 1:  # the same words may be asked by several questions
            by_id = same or [(name, template) for name, _, template in self.by_question]
            same = [(name, template) for name, template in by_id if document == name or document.startswith(f"{name}/")]
        templates = {template for _, template in same}
        return replace(self, prompt=templates.pop(), by_question=()) if len(templates) == 1 else None

    def render(self, variables: Mapping[str, str]) -> str:
        """The prompt with its variables put in, once: what they hold is not rendered again."""
        if self.braces:
            own = {mark: mark.replace("[", "(").replace("]", ")") for mark in _MARK.findall(self.prompt)}
            safe = {name: _replaced(value, own) for name, value in variables.items()}
            return re.sub(r"\{(question|answer)\}", lambda match: safe[match[1]], self.prompt)
        return _compiled(self.prompt).render(variables)


# how published judge prompts fence what they quote
_MARK = re.compile(r"\[[A-Z]+ (?:START|END)\]")


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for word, other in words.items():
        text = text.replace(word, other)
    return text


@functools.lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    return _environment.from_string(template)


def load_rubric(name: str) -> Rubric:
    """A rubric by name, built in or of an installed package, or by its file. `ConfigError` (file, line, reason)."""
    built_in = FOLDER / f"{name}.yaml"
    is_built_in = re.fullmatch(r"\w+", name) is not None and built_in.is_file()
    if is_built_in and name in installed_rubrics():
        raise ConfigError(
            f"rubric {name!r} is built in, and an installed package offers one too; uninstall that package"
        )
    path = built_in if is_built_in else rubric_path(name)
    if not path.is_file():
        known = ", ".join(sorted({*(file.stem for file in FOLDER.glob("*.yaml")), *installed_rubrics()}))
        raise ConfigError(f"rubric {name!r} is neither a file nor built in or installed; there are: {known}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"rubric {path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"rubric {path} cannot be read: {error.strerror or error}") from error
    return parse_rubric(text, str(path))


def parse_rubric(text: str, where: str) -> Rubric:
    """The rubric that a YAML text is. Raises `ConfigError` with the line that is wrong."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # a date that does not exist is a ValueError
        raise ConfigError(f"rubric {where}:{_line(error, text)} is not YAML: {_problem(error)}") from error
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"rubric {where}:1 must hold `key: value` lines; see em_bench_judges/rubric.py")
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.value in lines:
            raise ConfigError(
                f"rubric {where}:{line}: `{key.value}` stands there twice, first in line {lines[key.value]}"
            )
        lines[key.value] = line
    return _Checked(values, lines, where).rubric()


def _line(error: Exception, text: str) -> int:
    if mark := getattr(error, "problem_mark", None):
        return int(mark.line) + 1
    return text.count("\n", 0, getattr(error, "position", 0)) + 1


def _problem(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return " ".join(str(getattr(error, "problem", None) or error).split())


@dataclass(frozen=True, slots=True)
class _Checked:
    """The values of a rubric file with the lines they stand on."""

    values: dict[str, Any]
    lines: dict[str, int]
    where: str

    def fail(self, key: str, why: str) -> ConfigError:
        return ConfigError(f"rubric {self.where}:{self.lines.get(key, 1)}: `{key}` {why}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str) or not value.strip():
            raise self.fail(key, "is missing or not text" + ("; put it in quotes" if value not in (None, "") else ""))
        return value

    def number(self, key: str, default: int, low: int, high: int) -> int:
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, f"must be a whole number from {low} to {high}, not {reprlib.repr(value)}")
        return value

    def words(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(
            isinstance(word, str) and re.fullmatch(r"\w+", word) for word in value
        ):
            raise self.fail(key, "must be a list of single words")
        if len({word.lower() for word in value}) < len(value):
            raise self.fail(key, "holds a word twice")
        return tuple(value)

    def scale(self) -> tuple[int, int]:
        value = self.values.get("scale", [0, 100])
        whole = isinstance(value, list) and len(value) == 2 and all(type(end) is int for end in value)
        if not whole or not 0 <= value[0] < value[1] <= 100:
            raise self.fail(
                "scale", f"must be two whole numbers from 0 to 100, like [0, 100], not {reprlib.repr(value)}"
            )
        return value[0], value[1]

    def decline(self) -> str | None:
        value = self.values.get("decline")
        if value is None:
            return None
        if not isinstance(value, str) or not re.fullmatch(r"\w+", value):
            raise self.fail("decline", f"must be a single word, not {reprlib.repr(value)}")
        if value.lower() in {word.lower() for word in (*self.words("labels"), *self.words("special"))}:
            raise self.fail("decline", f"is {value!r}, which is a label or a special word too; take another word")
        if not re.search(rf"\b{value}\b", self.text("prompt")):
            raise self.fail("decline", f"is {value!r}, of which the prompt says nothing; tell the judge model about it")
        return value

    def empty(self, rubric: Rubric) -> str | int | None:
        value = self.values.get("empty")
        allowed = (*rubric.labels, *rubric.special)
        low, high = (0, 1) if rubric.reading == "strongreject" else rubric.scale
        is_score = rubric.reading != "labels" and type(value) is int and low <= value <= high
        if value is not None and value not in allowed and not is_score:
            raise self.fail("empty", f"must be one of the rubric's own labels or scores, not {reprlib.repr(value)}")
        return value

    def rubric(self) -> Rubric:
        if unknown := sorted(str(key) for key in self.values if key not in KEYS):
            raise self.fail(unknown[0], f"is unknown; known: {', '.join(sorted(KEYS))}")
        name = self.text("name")
        if not re.fullmatch(r"[A-Za-z]\w*", name):
            raise self.fail("name", "must be one word, as it names a filter and a metric")
        if name in ("none", "llm"):
            raise self.fail("name", f"must not be {name!r}, which names something else among the judges")
        reading = self.text("reading")
        if reading not in READINGS:
            raise self.fail("reading", f"must be one of {', '.join(READINGS)}, not {reprlib.repr(reading)}")
        rubric = Rubric(
            name=name,
            version=self.text("version"),
            reading=reading,
            prompt=self.text("prompt"),
            system_prompt=self.text("system_prompt") if "system_prompt" in self.values else None,
            labels=self.words("labels"),
            special=self.words("special"),
            scale=self.scale(),
            decline=self.decline(),
            max_tokens=self.number("max_tokens", 16, 1, 32_768),
            max_chars=self.number("max_chars", 20_000, 100, 1_000_000),
        )
        if (reading == "labels") != bool(rubric.labels):
            raise self.fail("labels", "are needed by `reading: labels`, and by no other")
        for key in ("scale", "special"):
            if key in self.values and reading != "score":
                raise self.fail(key, f"belongs to `reading: score`, not to {reading}")
        self._check_template(rubric)
        return Rubric(**{field: getattr(rubric, field) for field in Rubric.__slots__} | {"empty": self.empty(rubric)})

    def _check_template(self, rubric: Rubric) -> None:
        """Renders it once, so that what is forbidden or misspelt is found before any money is spent."""
        try:
            for node in _walk(_environment.parse(rubric.prompt)):
                if what := _forbidden(node):
                    allowed = f"`if`, the variables {', '.join(VARIABLES)} and the filters {', '.join(FILTERS)}"
                    raise self.fail("prompt", f"uses {what!r} in its line {node.lineno}; only {allowed} are allowed")
            # both ways through every `if`: with all variables, and with the response alone
            full = {name: f"\x00{name}\x00" for name in VARIABLES}
            bare = dict.fromkeys(VARIABLES, "") | {"response": full["response"]}
            rendered = [rubric.render(variables).lower() for variables in (full, bare)]
        except (TemplateError, TypeError, ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            why = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise self.fail("prompt", f"cannot be rendered{f' (its line {line})' if line else ''}: {why}") from error
        if not all(full["response"] in text for text in rendered):
            raise self.fail(
                "prompt", "does not show the judge every response; put {{ response }} in it, outside an `if`"
            )


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _walk(child)


def _forbidden(node: nodes.Node) -> str | None:
    """What a rubric may not use: the name of a variable or filter, or the kind of a construct."""
    if isinstance(node, nodes.Name) and node.name not in VARIABLES:
        return node.name
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        return node.name
    return None if isinstance(node, ALLOWED) else type(node).__name__.lower()
