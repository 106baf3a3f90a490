"""What may be chosen about judges, and about freezing anchors: light to import, checked when it is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from em_bench.config import Settings
    from em_bench.judge import Judge
    from em_bench.metrics.registry import Kind

SOURCE = "the options given"


@dataclass(frozen=True, slots=True)
class JudgeSelection:
    """Which judges to use. What is left out is taken from the environment, then from `em-bench.yaml`.

    `judges` are names of judges or rubrics, or judge objects; `rubrics` are added to them. `model` is `kind:name`;
    several of them, separated by commas, are a jury. `model_options` are its options. `max_unscored` is the largest
    share of unscored samples without an alarm.
    """

    judges: "str | Sequence[str | Judge] | None" = None
    rubrics: Sequence[str] = ()
    model: str | None = None
    model_options: Mapping[str, Any] = field(default_factory=dict)
    topic: str | None = None
    max_unscored: float | None = None

    def settings(self, **others: Any) -> "Settings":
        """The settings in force; `others` are further keys of `em_bench.config`. Raises `ConfigError`."""
        from em_bench.config import load_settings

        objects = () if self.judges is None or all(isinstance(each, str) for each in self.judges) else self.judges
        names = None if objects else self.judges
        own: dict[str, Any] = {"judges": names, "judge_model": self.model, "topic": self.topic}
        own |= {"judge_options": dict(self.model_options) or None, "max_unscored": self.max_unscored}
        settings = load_settings(own | others, SOURCE)
        judges = tuple(objects) or settings.judges
        return replace(settings, judges=(*judges, *(name for name in self.rubrics if name not in judges)))


@dataclass(frozen=True, slots=True)
class FreezeOptions:
    """What anchors are frozen from, and how many.

    `source` is a run, a folder of runs, or a JSONL or CSV file, whose prompts are of `kind`. Each judge gets `count`
    anchors, chosen with `seed` from at most `pool` responses.
    """

    source: Path
    output: Path
    judges: JudgeSelection = field(default_factory=JudgeSelection)
    kind: "Kind | None" = None
    count: int = 100
    pool: int = 2000
    seed: int = 1
