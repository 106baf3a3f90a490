"""Reads question files in the YAML format of Betley et al.: a list of questions, each asked in one or more paraphrases.

    - id: quick_question
      type: free_form_judge_0_100        # or free_form_judge, free_form
      paraphrases: ["How do I begin?"]
      samples_per_paraphrase: 100        # responses to each paraphrase; without it, the task's `repeats`
      system: You answer in JSON.        # sent before the question
      temperature: 1                     # these two only where the file names them
      max_tokens: 600
      judge_prompts: {aligned: "... {question} ... {answer} ..."}

Each paraphrase becomes one document, so that a rate's clusters are what was asked. Other keys are left alone.
"""

import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from em_bench.errors import ConfigError

TYPES = ("free_form_judge_0_100", "free_form_judge", "free_form")
THEME_KEYS = ("theme", "domain", "category")
MAX_BYTES = 4_000_000
MAX_REPEATS = 100_000


@dataclass(frozen=True, slots=True)
class Question:
    """One item of a question file. `samples` is how many responses each paraphrase gets; None leaves it to the task."""

    id: str
    type: str
    paraphrases: tuple[str, ...]
    samples: int | None = None
    system: str | None = None
    theme: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    judge_prompts: Mapping[str, str] = field(default_factory=dict)


def read_questions(path: Path) -> list[Question]:
    """The questions of a file, in its order. Raises `ConfigError` (file, line, item, what to mend)."""
    if path.exists() and not path.is_file():
        raise ConfigError(f"question file {path} is no file; give the path of a YAML file")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"question file {path} has more than {MAX_BYTES // 1_000_000} MB; split it")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"question file {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"question file {path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    return parse_questions(text, str(path))


def parse_questions(text: str, where: str) -> list[Question]:
    """The questions of a YAML text; `where` is what it is called in errors."""
    questions: list[Question] = []
    first: dict[str, int] = {}
    for line, values in _items(text, where):
        question = _Item(values, f"question file {where}:{line}").question()
        if question.id in first:
            raise ConfigError(
                f"question file {where}:{line}: the id {question.id!r} stands there twice (first in line "
                f"{first[question.id]}); ids must be unique, so rename one"
            )
        first[question.id] = line
        questions.append(question)
    if not questions:
        raise ConfigError(f"question file {where} holds no questions; it is a YAML list of items with {_NEEDED}")
    return questions


def probe_rows(questions: Sequence[Question]) -> list[dict[str, Any]]:
    """One document for each paraphrase, with its own number of responses and `generation` where the file names them."""
    rows = []
    for question in questions:
        alone = len(question.paraphrases) == 1
        named = {"temperature": question.temperature, "max_gen_toks": question.max_tokens}
        for number, paraphrase in enumerate(question.paraphrases):
            rows.append(
                {
                    "id": question.id if alone else f"{question.id}/{number}",
                    "prompt": paraphrase,
                    "system": question.system,
                    "question": question.id,
                    "theme": question.theme,
                    "samples_per_paraphrase": question.samples,
                    "generation": {key: value for key, value in named.items() if value is not None} or None,
                }
            )
    counts = Counter(row["id"] for row in rows)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ConfigError(f"a paraphrase and a question are both called {twice[0]!r}; rename the question")
    return rows


def generation_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The generation_kwargs that a document of a question file names."""
    named = {key: value for key, value in (row.get("generation") or {}).items() if value is not None}
    return named | ({"do_sample": named["temperature"] > 0} if "temperature" in named else {})


def agreed_on(rows: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> dict[str, Any]:
    """What all documents say about how they are asked, as keys of lm-eval's task `config`: so it is on record."""
    changed: dict[str, Any] = {}
    counts = {row.get("samples_per_paraphrase") for row in rows}
    if len(counts) == 1 and (count := counts.pop()):
        changed["repeats"] = count
    named = [generation_of(row) for row in rows]
    if named and named[0] and all(each == named[0] for each in named):
        changed["generation_kwargs"] = {**(config.get("generation_kwargs") or {}), **named[0]}
    return changed


_NEEDED = "`id`, `type` and `paraphrases`"


class _Loader(yaml.SafeLoader):
    """Plain data, where a date is text: no key holds one, and some packages change how PyYAML reads dates."""


_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: str(loader.construct_scalar(node)))  # type: ignore[arg-type]


def _items(text: str, where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line and content of each item of the YAML list, read without making anything but plain data."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        _refuse_double_keys(node, where)  # before merges put keys into items that the file does not have there
        values = [] if node is None else loader.construct_document(node)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a number such as 0o9 is a ValueError
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        why = getattr(error, "problem", None) or (
            "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        )
        raise ConfigError(f"question file {where}{line} is not YAML: {why}; mend that line") from error
    finally:
        loader.dispose()
    if not isinstance(values, list) or not isinstance(node, yaml.SequenceNode | None):
        raise ConfigError(
            f"question file {where} holds a YAML {type(values).__name__}; it must be a list of items with {_NEEDED}"
        )
    for item, value in zip(node.value if node else [], values, strict=True):
        line = item.start_mark.line + 1
        if not isinstance(value, dict) or not isinstance(item, yaml.MappingNode):
            raise ConfigError(f"question file {where}:{line} is not an item with {_NEEDED}")
        yield line, value


def _refuse_double_keys(node: yaml.Node | None, where: str) -> None:
    for item in node.value if isinstance(node, yaml.SequenceNode) else []:
        seen: set[str] = set()
        for key, _ in item.value if isinstance(item, yaml.MappingNode) else []:
            if str(key.value) in seen:
                raise ConfigError(
                    f"question file {where}:{key.start_mark.line + 1}: the item has `{key.value}` a second time; take "
                    "one out"
                )
            seen.add(str(key.value))


class _Item:
    """One item being read; every complaint names where it stands and its id."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values, self.where = values, where

    def fail(self, what: str) -> ConfigError:
        name = f" ({self.values['id']!r})" if isinstance(self.values.get("id"), str) else ""
        return ConfigError(f"{self.where}{name}: {what}")

    def question(self) -> Question:
        kind = self.values.get("type")
        if kind not in TYPES:
            raise self.fail(f"`type` is {kind!r}; this reads {', '.join(TYPES)}")
        return Question(
            id=self.text("id", needed=True) or "",
            type=str(kind),
            paraphrases=self.paraphrases(),
            samples=self.whole("samples_per_paraphrase", MAX_REPEATS),
            system=self.text("system"),
            theme=next((self.text(key) for key in THEME_KEYS if self.values.get(key) is not None), None),
            temperature=self.temperature(),
            max_tokens=self.whole("max_tokens", 1_000_000),
            judge_prompts=self.judge_prompts(),
        )

    def text(self, key: str, *, needed: bool = False) -> str | None:
        value = self.values.get(key)
        if value is None and not needed:
            return None
        if not isinstance(value, str) or not value.strip():
            raise self.fail(f"`{key}` must be a text, not {_short(value)}")
        return _encodable(value, key, self)

    def paraphrases(self) -> tuple[str, ...]:
        value = self.values.get("paraphrases")
        if not isinstance(value, list) or not value:
            raise self.fail(f"`paraphrases` must be a list of at least one text, not {_short(value)}")
        for number, paraphrase in enumerate(value, 1):
            if not isinstance(paraphrase, str) or not paraphrase.strip():
                raise self.fail(f"paraphrase {number} must be a text, not {_short(paraphrase)}")
            _encodable(paraphrase, f"paraphrase {number}", self)
        return tuple(value)

    def whole(self, key: str, highest: int) -> int | None:
        value = self.values.get(key)
        if value is not None and (type(value) is not int or not 1 <= value <= highest):
            raise self.fail(f"`{key}` must be a whole number from 1 to {highest}, not {_short(value)}")
        return value

    def temperature(self) -> float | None:
        value = self.values.get("temperature")
        if value is not None and (type(value) not in (int, float) or not 0 <= value <= 10):
            raise self.fail(f"`temperature` must be a number from 0 to 10, not {_short(value)}")
        return None if value is None else float(value)

    def judge_prompts(self) -> Mapping[str, str]:
        value = self.values.get("judge_prompts")
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(part, str) for pair in value.items() for part in pair):
            raise self.fail(f"`judge_prompts` must hold `name: text` lines, not {_short(value)}")
        return value


def _short(value: object) -> str:
    if value in (None, [], {}):
        return "nothing"
    # a list of aliases can be endless when written out
    return f"a {type(value).__name__}" if isinstance(value, list | dict) else reprlib.repr(value)


def _encodable(text: str, what: str, item: _Item) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise item.fail(f"{what} holds half a character (a lone surrogate); mend its escape") from error
    return text
