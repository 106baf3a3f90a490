"""A guard's format: how a classifier is shown a prompt and a response, and what its answers mean.

    name: my_guard
    version: "1"
    checkpoints: [my-guard-8b]      # what the names of checkpoints of this format contain
    template: {add_generation_prompt: false}   # arguments of the checkpoint's chat template
    max_tokens: 20
    answers:
      harm: {labels: {safe: safe, unsafe: unsafe}}                         # the first line of the answer
      refusal: {after: "Refusal", labels: {"yes": refusal, "no": compliance}}  # what follows `Refusal:`
    details: Categories             # a line that is kept as the reason

A generative guard gets the turns through its chat template. A classification head (`head: true`) gets the prompt and
the response as a pair, or `text`, in which `{prompt}` and `{response}` are put in; its answer is the name of a class.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from em_bench.errors import ConfigError
from em_bench.judge_model import ChatRequest, JudgeModel, Message
from em_bench.metrics.labels import HARM, HARM_LABELS, REFUSAL, REFUSAL_LABELS, REQUEST
from em_bench.readers import YamlTree, read_yaml
from em_bench.readers.model import FileFormat, Text, Words, describe, validate, wrong

FOLDER = Path(__file__).parent
ALLOWED = {HARM: HARM_LABELS, REFUSAL: REFUSAL_LABELS, REQUEST: frozenset({"harmful", "harmless"})}
TOP_LOGPROBS = 20
GENERATIVE = ("openai:", "vllm:", "hf:")
HEADS = "classifier:"
_PLACES = re.compile(r"\{(prompt|response)\}")


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z]\w*", name) or name in ("none", "llm", "keyword", "guard"):
        raise wrong("must be one word, and not the name of a judge: it names a filter of lm-eval")
    return name


def _shows_response(text: str) -> str:
    if "{response}" not in text:
        raise wrong("does not show the response; put {response} in it")
    return text


class AnswerFields(FileFormat):
    """One thing that an answer says, and its labels here."""

    after: Words | None = None
    """The words before the colon of its line; without it the first line of the answer says it."""
    labels: Annotated[dict[Text, Text], Field(min_length=1)]
    """The answers that there are, with the label of each. Anything else is unscored."""
    probabilities: bool = False
    """Whether the likelier of the answers counts, by the probabilities of the first token."""


class GuardFile(FileFormat):
    """A guard's format: the YAML that makes a judge of a published classifier."""

    name: Annotated[Words, AfterValidator(_name)]
    """One word: it names a filter of lm-eval."""
    version: Words
    """In quotes; change it when verdicts may change."""
    description: str | None = None
    """For people; it changes no verdict."""
    checkpoints: list[Words] = Field(default_factory=list)
    """What the names of such checkpoints contain, so that the format need not be named."""
    head: bool = False
    """Whether the model is a classification head, whose answer is the name of a class."""
    text: Annotated[Words, AfterValidator(_shows_response)] | None = None
    """`head`: the text to classify, with `{prompt}` and `{response}`; without it they are a pair of texts."""
    template: dict[Text, Any] = Field(default_factory=dict)
    """Arguments of the checkpoint's chat template; `chat_template` is one in its place."""
    policies: dict[Text, dict[Text, Any]] = Field(default_factory=dict)
    """Policies that are asked about one by one, each with its own arguments of the chat template."""
    answers: dict[Literal["harm", "refusal", "request"], AnswerFields]
    """What the answer says: whether the response is harmful or a refusal, and whether the request is harmful."""
    details: Words | None = None
    """The words before the colon of a line that is kept as the reason."""
    max_tokens: Annotated[int, Field(ge=1, le=4096)] = 32
    """The most tokens of the answer."""
    max_chars: Annotated[int, Field(ge=100, le=1_000_000)] = 20_000
    """Longer responses are cut in the middle."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one part of an answer may say: its words, in lower case, with our labels."""

    labels: dict[str, str]
    after: str | None = None
    probabilities: bool = False


@dataclass(frozen=True, slots=True)
class GuardFormat:
    """A loaded format. `policies` has one entry without a name where there are none."""

    name: str
    version: str
    answers: dict[str, Answer]
    head: bool = False
    text: str | None = None
    template: dict[str, Any] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=lambda: {"": {}})
    details: str | None = None
    max_tokens: int = 32
    max_chars: int = 20_000

    @property
    def leading(self) -> str:
        """The part of an answer whose label is the verdict's own."""
        return REFUSAL if REFUSAL in self.answers else HARM

    @property
    def sha256(self) -> str:
        parts = [getattr(self, name) for name in self.__slots__]
        return hashlib.sha256(json.dumps(parts, default=repr, sort_keys=True).encode()).hexdigest()

    def requests(self, prompt: str, response: str) -> list[ChatRequest]:
        """What the guard is asked about one response: one request for each policy."""
        values = {"prompt": prompt, "response": response}
        if self.text is not None:
            text = _PLACES.sub(lambda match: values[match[1]], self.text)
            messages: tuple[Message, ...] = (Message("assistant", text),)
        else:
            messages = (Message("user", prompt), Message("assistant", response))
        wants_tokens = any(answer.probabilities for answer in self.answers.values())
        return [
            ChatRequest(
                messages=messages,
                max_tokens=self.max_tokens,
                top_logprobs=TOP_LOGPROBS if wants_tokens else 0,
                template={"add_generation_prompt": True} | self.template | arguments,
            )
            for arguments in self.policies.values()
        ]

    def check_model(self, model: JudgeModel) -> None:
        """Raises `ConfigError` where the judge model is of a kind that this format is not made for."""
        if self.head and model.name.startswith(GENERATIVE):
            kind = model.name.partition(":")
            raise ConfigError(f"format {self.name!r} is of a classification head; name it as {HEADS}{kind[2]}")
        if not self.head and model.name.startswith(HEADS):
            raise ConfigError(
                f"format {self.name!r} is of a generative guard, which answers in text; "
                f"name it as vllm: or hf:{model.name.removeprefix(HEADS)}"
            )


def built_in() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def load_format(name: str) -> GuardFormat:
    """A format by name or by its file. Raises `ConfigError` (file, line, reason)."""
    path = FOLDER / f"{name}.yaml" if re.fullmatch(r"\w+", name) else Path(name)
    if not path.is_file():
        raise ConfigError(f"guard format {name!r} is neither built in nor a file; there are: {', '.join(built_in())}")
    return _format(read_yaml(path, "guard format"))


def format_of(spec: str) -> GuardFormat:
    """The format of a judge model by the name of its checkpoint. Raises `ConfigError` where it is not known."""
    checkpoint = spec.partition(":")[2].lower()
    for name in built_in():
        tree = read_yaml(FOLDER / f"{name}.yaml", "guard format")
        if any(part.lower() in checkpoint for part in tree.value.get("checkpoints", ())):
            return _format(tree)
    raise ConfigError(
        f"judge `guard` does not know the format of {spec}; name it with --judge-option format=NAME: "
        f"{', '.join(built_in())}, or a file of your own"
    )


def _format(tree: YamlTree) -> GuardFormat:
    file = validate(GuardFile, tree)
    if not {HARM, REFUSAL} & file.answers.keys():
        raise tree.error("`answers` say nothing of the response; give `harm` or `refusal`", ("answers",))
    if (file.text is not None or file.head) and (file.template or file.policies):
        raise tree.error("`head` has no chat template; leave out `template` and `policies`", ("head",))
    if file.text is not None and not file.head:
        raise tree.error("`text` belongs to `head: true`; a generative guard has a chat template", ("text",))
    return GuardFormat(
        name=file.name,
        version=file.version,
        answers={axis: _answer(axis, answer, tree) for axis, answer in file.answers.items()},
        head=file.head,
        text=file.text,
        template=dict(file.template),
        policies={name: dict(arguments) for name, arguments in file.policies.items()} or {"": {}},
        details=file.details,
        max_tokens=file.max_tokens,
        max_chars=file.max_chars,
    )


def _answer(axis: str, answer: AnswerFields, tree: YamlTree) -> Answer:
    for word, label in answer.labels.items():
        if label not in ALLOWED[axis]:
            known = ", ".join(sorted(ALLOWED[axis]))
            raise tree.error(f"label {describe(label)} is none of {axis}; give one of {known}", ("answers", axis, word))
    labels = {word.strip().lower(): label for word, label in answer.labels.items()}
    if len(labels) < len(answer.labels):
        raise tree.error(f"`labels` of {axis} hold an answer twice", ("answers", axis))
    return Answer(labels, answer.after, answer.probabilities)
