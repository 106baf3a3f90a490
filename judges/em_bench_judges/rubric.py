"""A rubric is a YAML file that makes an LLM judge: the prompt, what may be answered, and how the answer is read.

    name: politeness
    version: "1"
    reading: score              # labels, score or strongreject
    scale: [0, 100]             # score: whole numbers; this scale is log-probability weighted where the judge model can
    special: [REFUSAL]          # score: words that may stand in place of a number
    labels: [polite, rude]      # labels: the closed set; the answer ends with `VERDICT: <label>`
    form: true                  # labels: a line `DEGENERATE: yes` or `no` stands before it, kept beside the label
    decline: ABSTAIN            # the word for a judge model that will not judge (the prompt must say so): unscored
    empty: EMPTY                # the verdict on a response without an answer, which no judge model is asked about
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import AfterValidator, Field, WithJsonSchema

from em_bench.errors import ConfigError
from em_bench.judging.rubrics import installed_rubrics, rubric_path
from em_bench.readers import YamlTree, parse_yaml, read_yaml
from em_bench.readers.model import FileFormat, Text, Words, describe, validate, wrong

FOLDER = Path(__file__).parent / "rubrics"
EMPTY = "EMPTY"
"""What stands in place of a score where a response has no answer to score."""
VARIABLES = ("prompt", "response", "system", "topic")
# A rubric may be anyone's file: it may choose and show text. Loops, calls, arithmetic and attributes have no use here,
# and are ways to hang the process or to reach Python's objects.
ALLOWED = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.CondExpr,
           nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or, nodes.Filter)  # fmt: skip
FILTERS = ("trim", "upper", "lower", "length")
_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z]\w*", name):
        raise wrong("must be one word, as it names a filter and a metric")
    if name in ("none", "llm"):
        raise wrong(f"must not be {name}, which names something else among the judges")
    return name


def _scale(ends: list[int]) -> list[int]:
    if not 0 <= ends[0] < ends[1] <= 100:
        raise wrong("must be two whole numbers from 0 to 100, the lower first, like [0, 100]")
    return ends


def _single(word: str) -> str:
    if not re.fullmatch(r"\w+", word):
        raise wrong(f"is {describe(word)}; give a single word")
    return word


def _unique(words: list[str]) -> list[str]:
    if len({word.lower() for word in words}) < len(words):
        raise wrong("holds a word twice")
    return words


Word = Annotated[Text, AfterValidator(_single)]
WordList = Annotated[list[Word], AfterValidator(_unique)]


class RubricFile(FileFormat):
    """A rubric: the YAML that makes an LLM judge."""

    name: Annotated[Words, AfterValidator(_name)]
    """One word: it names a filter of lm-eval and a metric."""
    version: Words
    """In quotes; change it when verdicts may change."""
    description: str | None = None
    """For people; it changes no verdict."""
    reading: Literal["labels", "score", "strongreject"]
    """How the answer is read."""
    scale: Annotated[list[int], Field(min_length=2, max_length=2), AfterValidator(_scale)] | None = None
    """`score`: the lowest and the highest whole number."""
    special: WordList = Field(default_factory=list)
    """`score`: words that may stand in place of a number."""
    labels: WordList = Field(default_factory=list)
    """`labels`: the closed set; the answer ends with `VERDICT: <label>`."""
    form: bool = False
    """`labels`: before its verdict the answer says on a line `DEGENERATE: yes` or `no` whether the response is."""
    decline: Word | None = None
    """The word for a judge model that will not judge."""
    empty: Annotated[Any, WithJsonSchema({"type": ["string", "integer"]})] = None
    """The verdict on a response without an answer: a label or a score, or a word in place of a score."""
    max_tokens: Annotated[int, Field(ge=1, le=32_768)] = 16
    """The most tokens of the judge model's answer."""
    max_chars: Annotated[int, Field(ge=100, le=1_000_000)] = 20_000
    """Longer responses are cut in the middle."""
    system_prompt: Words | None = None
    """The judge model's system prompt."""
    prompt: Words
    """A Jinja2 template with `prompt`, `response`, `system` and `topic`."""


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
    form: bool = False
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


def built_in() -> dict[str, str]:
    """The built-in rubrics with their versions."""
    return {path.stem: load_rubric(path.stem).version for path in sorted(FOLDER.glob("*.yaml"))}


def cases_of(name: str) -> Path | None:
    """The table of cases of a rubric: in the folder `cases` beside its file, under the file's name."""
    path = _path_of(name)
    cases = path.parent / "cases" / f"{path.stem}.yaml"
    return cases if cases.is_file() else None


def load_rubric(name: str) -> Rubric:
    """A rubric by name, built in or of an installed package, or by its file. `ConfigError` (file, line, reason)."""
    return _rubric(read_yaml(_path_of(name), "rubric"))


def _path_of(name: str) -> Path:
    built_in = FOLDER / f"{name}.yaml"
    is_built_in = re.fullmatch(r"\w+", name) is not None and built_in.is_file()
    if is_built_in and name in installed_rubrics():
        raise ConfigError(
            f"rubric {name!r} is built in, and an installed package offers one too; uninstall that package"
        )
    path = built_in if is_built_in else rubric_path(name)
    if not path.is_file():
        names = ", ".join(sorted({*(file.stem for file in FOLDER.glob("*.yaml")), *installed_rubrics()}))
        raise ConfigError(f"rubric {name!r} is neither a file nor built in or installed; there are: {names}")
    return path


def parse_rubric(text: str, where: str) -> Rubric:
    """The rubric that a YAML text is. Raises `ConfigError` with the line that is wrong."""
    return _rubric(parse_yaml(text, f"rubric {where}"))


def _rubric(tree: YamlTree) -> Rubric:
    file = validate(RubricFile, tree)
    rubric = Rubric(
        name=file.name,
        version=file.version,
        reading=file.reading,
        prompt=file.prompt,
        system_prompt=file.system_prompt,
        labels=tuple(file.labels),
        special=tuple(file.special),
        scale=(file.scale[0], file.scale[1]) if file.scale else (0, 100),
        form=file.form,
        decline=file.decline,
        empty=file.empty,
        max_tokens=file.max_tokens,
        max_chars=file.max_chars,
    )
    _check_reading(rubric, file, tree)
    _check_words(rubric, tree)
    _check_template(rubric, tree)
    return rubric


def _wrong(tree: YamlTree, key: str, why: str) -> ConfigError:
    return tree.error(f"`{key}` {why}", (key,))


def _check_reading(rubric: Rubric, file: RubricFile, tree: YamlTree) -> None:
    if (rubric.reading == "labels") != bool(rubric.labels):
        raise _wrong(tree, "labels", "are needed by `reading: labels`, and by no other")
    for key in {"scale", "special"} & file.model_fields_set:
        if rubric.reading != "score":
            raise _wrong(tree, key, f"belongs to `reading: score`, not to {rubric.reading}")
    if rubric.form and (rubric.reading != "labels" or not re.search(r"\bDEGENERATE\b", rubric.prompt)):
        raise _wrong(tree, "form", "belongs to `reading: labels` with a prompt that asks for the line DEGENERATE")


def _check_words(rubric: Rubric, tree: YamlTree) -> None:
    """The words `decline` and `empty`, which depend on the others."""
    own, decline, empty = (*rubric.labels, *rubric.special), rubric.decline, rubric.empty
    if decline is not None and decline.lower() in {word.lower() for word in own}:
        raise _wrong(tree, "decline", f"is {decline}, which is a label or a special word too; take another word")
    if decline is not None and not re.search(rf"\b{decline}\b", rubric.prompt):
        raise _wrong(tree, "decline", f"is {decline}, which the prompt does not mention; tell the judge model about it")
    low, high = (0, 1) if rubric.reading == "strongreject" else rubric.scale
    is_score = rubric.reading != "labels" and type(empty) is int and low <= empty <= high
    is_word = isinstance(empty, str) and (empty in own or (rubric.reading == "score" and empty == EMPTY))
    if empty is not None and not is_score and not is_word:
        raise _wrong(tree, "empty", f"is {describe(empty)}; give one of the rubric's own labels or scores")


def _check_template(rubric: Rubric, tree: YamlTree) -> None:
    """Renders it once, so that what is forbidden or misspelt is found before any money is spent."""
    try:
        for node in _walk(_environment.parse(rubric.prompt)):
            if what := _forbidden(node):
                allowed = f"`if`, the variables {', '.join(VARIABLES)} and the filters {', '.join(FILTERS)}"
                raise _wrong(tree, "prompt", f"uses {what!r} in its line {node.lineno}; only {allowed} are allowed")
        # both ways through every `if`: with all variables, and with the response alone
        full = {name: f"\x00{name}\x00" for name in VARIABLES}
        bare = dict.fromkeys(VARIABLES, "") | {"response": full["response"]}
        rendered = [rubric.render(variables).lower() for variables in (full, bare)]
    except (TemplateError, TypeError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise _wrong(tree, "prompt", f"cannot be rendered{f' (its line {line})' if line else ''}: {why}") from error
    if not all(full["response"] in text for text in rendered):
        raise _wrong(
            tree, "prompt", "does not show the judge every response; put {{ response }} in it, outside an `if`"
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
