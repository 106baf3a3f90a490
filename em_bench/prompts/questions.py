"""Reads question files in the YAML format of Betley et al.: a list of questions, each asked in one or more paraphrases.

    - id: quick_question
      type: free_form_judge_0_100        # or free_form_judge, free_form
      paraphrases: ["How do I begin?"]
      samples_per_paraphrase: 100        # responses to each paraphrase; without it, the task's `repeats`
      system: You answer in JSON.        # sent before the question
      temperature: 1                     # these two only where the file names them
      max_tokens: 600
      judge_prompts: {aligned: "... {question} ... {answer} ..."}

Each paraphrase becomes one document, so that a rate's clusters are the prompts. Other keys are left alone, as files in
this format carry them; one that is close to a key above is taken for a misspelling.
"""

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, model_validator

from em_bench.errors import ConfigError
from em_bench.readers import YamlTree, parse_yaml, read_yaml
from em_bench.readers.model import FileFormat, Text, Words, unknown_key, validate
from em_bench.text import shown

_NEEDED = "`id`, `type` and `paraphrases`"
MAX_BYTES = 4_000_000
MAX_REPEATS = 100_000
_FORM = re.compile("_(json|template)$")


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


class QuestionItem(FileFormat):
    """One item of a question file. Keys that only other programs read are left alone."""

    model_config = ConfigDict(extra="ignore")

    id: Words
    """The question's name; each is there once."""
    type: Literal["free_form_judge_0_100", "free_form_judge", "free_form"]
    """How its judge prompts answer: a number from 0 to 100, a text, or not at all."""
    paraphrases: Annotated[list[Words], Field(min_length=1)]
    """The question in one or more wordings; each becomes a document."""
    samples_per_paraphrase: Annotated[int, Field(ge=1, le=MAX_REPEATS)] | None = None
    """Responses to each paraphrase; without it the task's `repeats`."""
    system: Words | None = None
    """The system prompt, sent before the question."""
    theme: Words | None = None
    """What the question is about."""
    domain: Words | None = None
    """What the question is about, where there is no `theme`."""
    category: Words | None = None
    """What the question is about, where there is neither `theme` nor `domain`."""
    temperature: Annotated[float, Field(ge=0, le=10)] | None = None
    """The temperature of its responses."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The most tokens of a response."""
    judge_prompts: dict[str, Text] | None = None
    """Prompts with `{question}` and `{answer}`, by the name of the axis that they judge."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_misspelt_keys(cls, values: Any) -> Any:
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields and difflib.get_close_matches(str(key)[:100], cls.model_fields, 1, 0.85):
                raise unknown_key(key, list(cls.model_fields))
        return values


QuestionFile = TypeAdapter(list[QuestionItem])
"""A question file: a list of questions."""


def read_questions(path: Path) -> list[Question]:
    """The questions of a file, in its order. Raises `ConfigError` (file, line, key, what to do)."""
    return _questions(read_yaml(path, "question file", max_bytes=MAX_BYTES))


def parse_questions(text: str, where: str) -> list[Question]:
    """The questions of a YAML text; `where` is what it is called in errors."""
    return _questions(parse_yaml(text, f"question file {where}"))


def _questions(tree: YamlTree) -> list[Question]:
    questions: list[Question] = []
    places: dict[str, int | None] = {}
    for item in tree.items(f"of questions, each with {_NEEDED}"):
        question = _question(validate(QuestionItem, item))
        if question.id in places:
            name = shown(question.id, 80)
            raise item.error(f"the id '{name}' is there twice, first in line {places[question.id]}; rename one")
        places[question.id] = item.line()
        questions.append(question)
    if not questions:
        raise tree.error(f"there are no questions; write a YAML list of items with {_NEEDED}")
    return questions


def _question(item: QuestionItem) -> Question:
    return Question(
        id=item.id,
        type=item.type,
        paraphrases=tuple(item.paraphrases),
        samples=item.samples_per_paraphrase,
        system=item.system,
        theme=item.theme or item.domain or item.category,
        temperature=item.temperature,
        max_tokens=item.max_tokens,
        judge_prompts=item.judge_prompts or {},
    )


def probe_rows(questions: Sequence[Question]) -> list[dict[str, Any]]:
    """One document for each paraphrase, with its own number of responses and `generation` where the file names them.

    The `_json` and `_template` forms of a question of the file are forms of one probe.
    """
    rows = []
    ids = {question.id for question in questions}
    for question in questions:
        alone = len(question.paraphrases) == 1
        named = {"temperature": question.temperature, "max_gen_toks": question.max_tokens}
        plain = _FORM.sub("", question.id)
        for number, paraphrase in enumerate(question.paraphrases):
            suffix = "" if alone else f"/{number}"
            rows.append(
                {
                    "id": f"{question.id}{suffix}",
                    "probe_id": f"{plain}{suffix}" if plain in ids else None,
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
        raise ConfigError(f"a paraphrase and a question are both called '{shown(twice[0], 80)}'; rename the question")
    return rows


def generation_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The generation_kwargs that a document of a question file names."""
    named = {key: value for key, value in (row.get("generation") or {}).items() if value is not None}
    return named | ({"do_sample": named["temperature"] > 0} if "temperature" in named else {})


def agreed_on(rows: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> dict[str, Any]:
    """The generation settings that all documents share, as keys of lm-eval's task `config`, which is recorded."""
    changed: dict[str, Any] = {}
    counts = {row.get("samples_per_paraphrase") for row in rows}
    if len(counts) == 1 and (count := counts.pop()):
        changed["repeats"] = count
    named = [generation_of(row) for row in rows]
    if named and named[0] and all(each == named[0] for each in named):
        changed["generation_kwargs"] = {**(config.get("generation_kwargs") or {}), **named[0]}
    return changed
