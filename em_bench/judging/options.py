"""Options of judge models: those of all, and over them those under a model's own spec."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from em_bench.config import Settings
from em_bench.errors import ConfigError
from em_bench.judge import installed_judges

LLM = "llm"
THINKING = "thinking_tokens"
READINGS, READING, TEMPERATURE = "readings", "reading", "reading_temperature"
GUARD, FORMAT = "guard", "format"
JUDGE_KEYS = ("allow_self", THINKING, READINGS, READING, TEMPERATURE, FORMAT)
"""Judge options that are not the judge model's."""
MOST_READINGS = 15
AT_TEMPERATURE = 0.7


def options_for(spec: str, settings: Settings) -> dict[str, Any]:
    """The options of one judge model: the shared ones, overridden by those under its spec."""
    shared = {key: value for key, value in settings.judge_options.items() if not _is_spec(key)}
    return shared | dict(settings.judge_options.get(spec, {}))


def readings_of(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The options of each reading of a response: one, or as many as `readings` says, each a judge of its own.

    Readings are drawn at `reading_temperature`, as at 0 they would all be the same; a judge model's `seed` is another
    for each. Raises `ConfigError` for an even number, whose majority could be a tie.
    """
    count, temperature = options.get(READINGS, 1), options.get(TEMPERATURE, AT_TEMPERATURE)
    if READING in options:
        raise ConfigError(f"`{READING}` is no option of a judge; did you mean `{READINGS}`?")
    if type(count) is not int or not 1 <= count <= MOST_READINGS or count % 2 == 0:
        raise ConfigError(f"`readings` is {count!r}; give an odd number from 1 to {MOST_READINGS}")
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        raise ConfigError(f"`{TEMPERATURE}` is {temperature!r}; give a number from 0 to 2")
    shared = {key: value for key, value in options.items() if key not in (READINGS, TEMPERATURE)}
    if count == 1:
        return [shared]
    seed = shared.get("seed")
    return [
        shared
        | {READING: number, TEMPERATURE: temperature}
        | ({"seed": seed + number - 1} if isinstance(seed, int) else {})
        for number in range(1, count + 1)
    ]


def guards(settings: Settings) -> tuple[str, ...]:
    """The judge models that judge `guard` asks: those with a `format`, or all where no other judge asks one."""
    if GUARD not in settings.judges:
        return ()
    others = [judge for judge in settings.judges if isinstance(judge, str) and judge != GUARD]
    if not any(judge == LLM or judge not in installed_judges() for judge in others):
        return settings.judge_models
    return tuple(spec for spec in settings.judge_models if FORMAT in options_for(spec, settings))


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
    if GUARD not in settings.judges and any(FORMAT in options_for(spec, settings) for spec in settings.judge_models):
        raise ConfigError(f"`judge_options` have a `{FORMAT}`, which only judge `{GUARD}` reads; add it to the judges")


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
