"""Options of judge models: those of all, and over them those under a model's own spec."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from em_bench.config import Settings
from em_bench.errors import ConfigError

THINKING = "thinking_tokens"
JUDGE_KEYS = ("allow_self", THINKING)
"""Judge options that are not the judge model's."""


def options_for(spec: str, settings: Settings) -> dict[str, Any]:
    """The options of one judge model: the shared ones, overridden by those under its spec."""
    shared = {key: value for key, value in settings.judge_options.items() if not _is_spec(key)}
    return shared | dict(settings.judge_options.get(spec, {}))


def check_options(settings: Settings) -> None:
    """Raises `ConfigError` for options of a judge model that the run does not use, or that are no mapping."""
    for key, value in settings.judge_options.items():
        if _is_spec(key) and key not in settings.judge_models:
            raise ConfigError(
                f"`judge_options` has options for {key}, which is not a judge model of this run; "
                f"its judge models: {', '.join(settings.judge_models) or 'none'}"
            )
        if _is_spec(key) and not isinstance(value, dict):
            raise ConfigError(f'`judge_options` for {key} is {value!r}; give keys with values, like {{"seed": 1}}')


def refuse_self_judging(settings: Settings, metadata: Mapping[str, Any]) -> None:
    """A checkpoint must not judge itself unless `judge_options: {allow_self: true}` says so."""
    checkpoint = str(metadata.get("pretrained") or metadata.get("model") or "")
    for spec in settings.judge_models:
        same = checkpoint and _identity(spec.partition(":")[2]) == _identity(checkpoint)
        if same and not options_for(spec, settings).get("allow_self"):
            raise ConfigError(
                f"judge model {spec} is the checkpoint under test; name another, or say that you mean it with "
                '`judge_options: {"allow_self": true}`'
            )


def _identity(checkpoint: str) -> str:
    """A folder's resolved path, else the name on the Hub."""
    path = Path(checkpoint).expanduser()
    return str(path.resolve()) if path.is_dir() else checkpoint.rstrip("/")


def _is_spec(key: str) -> bool:
    return ":" in key
