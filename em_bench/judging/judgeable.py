"""What a session needs of a task: lm-eval's tasks and stored runs both have it."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from em_bench.judging.panel import Panel
from em_bench.metrics.registry import Kind
from em_bench.types import Sample


class Judgeable(Protocol):
    """A task with its responses. `model` is the evaluated checkpoint where this process holds it, `encode` its
    tokenizer.
    """

    panels: list[Panel]
    kind: Kind
    record: dict[str, Any]
    encode: Callable[[str], Sequence[int]] | None
    model: Any

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str:
        """The task's name in messages, with its run's where a session has several."""
        ...

    @property
    def predict_only(self) -> bool: ...

    @property
    def token_limit(self) -> int: ...

    def samples(self) -> list[Sample]: ...

    def keep(self, filter_name: str, verdicts: Sequence[object]) -> None: ...
