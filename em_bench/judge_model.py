"""The contract of judge models, the language models behind LLM judges, and how em-bench finds them.

A spec is `kind:name`: `openai:gpt-4o`, `vllm:Qwen/Qwen2.5-7B-Instruct`, `hf:path/to/checkpoint`. Kinds are the entry
points of the group `em_bench.judge_models`; each is called with the name and the user's options and returns a
`JudgeModel`. A failed request is a `Completion` with an `error`, never an exception: one bad request must not cost
the others.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, cast, runtime_checkable

from em_bench.errors import ConfigError, EmBenchError

ENTRY_POINT_GROUP = "em_bench.judge_models"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a judge asks. `top_logprobs`: how many alternatives of each answer token to return (at most 20).

    `choices` (a closed set of answers) and `pattern` (a regular expression) constrain decoding where the backend can,
    and are only hints elsewhere: the reader of the answer must not rely on them.

    `template` are arguments of the checkpoint's chat template, for models that were trained on a form of their own; its
    `chat_template` stands in place of the checkpoint's. Such messages may end with the assistant's.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    top_logprobs: int = 0
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    template: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token with the natural-log probabilities of the likeliest tokens in its place."""

    text: str
    top: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to a request. `tokens` is None where the backend gave no log-probabilities.

    `text` may hold a reasoning block; a backend that separates the reasoning leaves it out. `error` says why there is
    no answer: `text` is then empty. `fatal`: every other request would fail alike (a key that is not accepted, a server
    that is not there). `attempts` counts requests, retries included.
    """

    text: str = ""
    tokens: tuple[Token, ...] | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str | None = None
    error: str | None = None
    fatal: bool = False
    attempts: int = 1


@runtime_checkable
class JudgeModel(Protocol):
    """Answers chat requests, many at a time. What it may offer besides: `HasPrerequisites`."""

    @property
    def name(self) -> str:
        """The spec: kind and name."""
        ...

    @property
    def in_process(self) -> bool:
        """Whether it needs this machine's memory, so that the evaluated checkpoint's engine must go first."""
        ...

    @property
    def parameters(self) -> Mapping[str, object]:
        """What besides the spec decides its answers (endpoint, seed, quantisation, ...), without secrets."""
        ...

    def complete(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Completion]]:
        """Yields each index into `requests` once with its completion, in any order, as soon as it is complete."""
        ...

    def close(self) -> None:
        """Frees what it holds: connections, or the memory of a model."""
        ...


@runtime_checkable
class HasPrerequisites(Protocol):
    """Raises `ConfigError` or `PrerequisiteError` for what the judge model lacks: a key, a package, a folder.

    It sends no request and loads nothing; it is called before the long part of a run.

        def check(self) -> None:
            if "MY_KEY" not in os.environ: raise PrerequisiteError("judge model mine: needs a key: export MY_KEY=...")
    """

    def check(self) -> None: ...


def installed_judge_models() -> dict[str, EntryPoint]:
    """Every kind of judge model that an installed package declares; nothing is imported."""
    return {point.name: point for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)}


def load_judge_model(spec: str, **options: object) -> JudgeModel:
    """The judge model of a `kind:name` spec. Raises `ConfigError` for an unknown kind or options that do not fit."""
    kind, separator, name = spec.partition(":")
    installed = installed_judge_models()
    if not separator or not name or kind not in installed:
        raise ConfigError(f"judge model {spec!r} is not `kind:name`; kinds installed: {', '.join(installed) or 'none'}")
    try:
        return cast(Callable[..., JudgeModel], installed[kind].load())(name, **options)
    except EmBenchError:
        raise
    except (ImportError, TypeError, ValueError) as error:
        raise ConfigError(f"judge model {spec!r} cannot be made: {type(error).__name__}: {error}") from error
