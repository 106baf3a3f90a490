"""Settings, from three places in this order: lm-eval's `--metadata`, environment variables, an `em-bench.yaml`.

| key             | variable                | what                                                                     |
| ---             | ---                     | ---                                                                      |
| `judges`        | `EM_BENCH_JUDGES`       | the judges to ask, as a list or `a,b`: names, or rubrics by name or path |
| `judge_model`   | `EM_BENCH_JUDGE_MODEL`  | the judge model of LLM judges, `kind:name`; several are a jury           |
| `judge_options` |                         | its options: `base_url`, `api_key_env`, `max_in_flight`, ...             |
| `topic`         | `EM_BENCH_TOPIC`        | what the rubric `topic` looks for                                        |
| `max_unscored`  | `EM_BENCH_MAX_UNSCORED` | the largest share of unscored samples without an alarm, default 0.05     |
| `repeats`       | `EM_BENCH_REPEATS`      | responses per probe, instead of the task's own number                    |
| `condition`     | `EM_BENCH_CONDITION`    | the change applied to every prompt, by name; see `em_bench.conditions`   |
| `conditions`    | `EM_BENCH_CONDITIONS`   | the YAML file that defines conditions                                    |
| `questions`     | `EM_BENCH_QUESTIONS`    | the question file that `em_questions` asks                              |
| `published_dir` | `EM_BENCH_PUBLISHED_DIR` | a folder with files of published sets, or one such file                 |
| `anchors`       | `EM_BENCH_ANCHORS`      | anchors that judges are asked again about (`em_bench.judging.anchors`) |
| `finetune_domain` | `EM_BENCH_FINETUNE_DOMAIN` | what the checkpoint was fine-tuned on (`em_bench.compare.narrow`) |
| `cache_dir`     | `EM_BENCH_CACHE_DIR`    | where the verdict cache and the journals lie; not from `--metadata`      |

Without `judges`, `keyword` is asked, and `llm` too when a judge model is named. `em-bench.yaml` is read from the
working folder, or from the path in `EM_BENCH_CONFIG`. A secret is never a setting: `api_key_env`
is the name of its variable.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from platformdirs import user_cache_path

from em_bench.conditions import NONE, Condition, choose_condition
from em_bench.errors import ConfigError
from em_bench.judge import Judge

KEYS = (
    "judges",
    "judge_model",
    "judge_options",
    "topic",
    "max_unscored",
    "repeats",
    "condition",
    "conditions",
    "questions",
    "published_dir",
    "anchors",
    "finetune_domain",
    "cache_dir",
)
FILE_NAME = "em-bench.yaml"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is asked to do beyond its task files."""

    judges: Sequence[str | Judge] = ("keyword",)
    """Names, and judge objects where a Python program hands in its own."""
    judge_models: tuple[str, ...] = ()
    judge_options: Mapping[str, Any] = field(default_factory=dict)
    topic: str | None = None
    max_unscored: float = 0.05
    repeats: int | None = None
    condition: Condition = NONE
    questions: Path | None = None
    published_dir: Path | None = None
    anchors: Path | None = None
    finetune_domain: Mapping[str, str | None] | None = None
    cache_dir: Path = field(default_factory=lambda: user_cache_path("em-bench"))

    @property
    def judge_names(self) -> list[str]:
        return [judge if isinstance(judge, str) else judge.name for judge in self.judges]


def load_settings(metadata: Mapping[str, Any] | None = None, source: str = "--metadata") -> Settings:
    """The settings in force. `source` is what messages call `metadata`, like "the command line".

    Raises `ConfigError` naming the source of a value that does not fit.
    """
    found: dict[str, tuple[Any, str]] = {}
    for name, values in _sources(metadata or {}, source):
        for key in KEYS:
            if key not in found and values.get(key) not in (None, ""):
                found[key] = (values[key], name)
    models = _words(*found["judge_model"], "judge_model", "openai:gpt-4o") if "judge_model" in found else ()
    file = _path(*found["conditions"], "conditions") if "conditions" in found else None
    default = (("keyword", "llm") if models else ("keyword",), "default")
    return Settings(
        judges=_judges(*found.get("judges", default)),
        judge_models=models,
        judge_options=_mapping(*found.get("judge_options", ({}, "default"))),
        topic=_text(*found["topic"], "topic") if "topic" in found else None,
        max_unscored=_share(*found.get("max_unscored", (0.05, "default"))),
        repeats=_positive(*found["repeats"]) if "repeats" in found else None,
        condition=choose_condition(*found["condition"], file) if "condition" in found else NONE,
        anchors=_file(*found["anchors"], "anchors") if "anchors" in found else None,
        finetune_domain=_domain(*found["finetune_domain"]) if "finetune_domain" in found else None,
        **{key: _path(*found[key], key) for key in ("questions", "published_dir", "cache_dir") if key in found},
    )


def _sources(metadata: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
    # lm-eval merges --model_args into the metadata, and a `cache_dir` there is the model's
    ours = {key: value for key, value in metadata.items() if key != "cache_dir"}
    variables = {key: os.environ.get(f"EM_BENCH_{key.upper()}") for key in KEYS if key != "judge_options"}
    return [(name, ours), ("the environment", variables), _config_file()]


def _config_file() -> tuple[str, Mapping[str, Any]]:
    named = os.environ.get("EM_BENCH_CONFIG")
    path = Path(named or FILE_NAME)
    if not path.is_file():
        if named:
            raise ConfigError(f"EM_BENCH_CONFIG names {named}, which is not a file; correct or unset it")
        return FILE_NAME, {}
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not readable YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path} holds {type(values).__name__}; write `key: value` lines with the keys {', '.join(KEYS)}"
        )
    if unknown := sorted(map(str, set(values) - set(KEYS))):
        raise ConfigError(f"{path} has unknown keys {', '.join(unknown)}; known: {', '.join(KEYS)}")
    return str(path), values


def _judges(value: Any, source: str) -> tuple[str | Judge, ...]:
    """Names, and the judge objects of a Python program as they are."""
    if not isinstance(value, list | tuple) or not any(isinstance(each, Judge) for each in value):
        return _words(value, source, "judges", "keyword,llm")
    return tuple(each if isinstance(each, Judge) else _judges([each], source)[0] for each in value)


def _words(value: Any, source: str, key: str, example: str) -> tuple[str, ...]:
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ConfigError(f"`{key}` in {source} is {value!r}; give names, like {example}")
    unique = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    if not unique:
        raise ConfigError(f"`{key}` in {source} is empty; give at least one, like {example}")
    return unique


def _mapping(value: Any, source: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(
            f'`judge_options` in {source} is {value!r}; give keys with values, like {{"max_in_flight": 64}}'
        )
    return value


def _text(value: Any, source: str, key: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"`{key}` in {source} is {value!r}; give a text")
    return value


def _domain(value: Any, source: str) -> Mapping[str, str | None]:
    """`name`, and `task` where all questions of one task are about the domain."""
    given = {"name": value} if isinstance(value, str) else value
    if isinstance(given, dict) and not set(given) - {"name", "task"}:
        name, task = given.get("name"), given.get("task")
        if isinstance(name, str) and name.isprintable() and 0 < len(name) <= 100 and isinstance(task, str | None):
            return {"name": name, "task": task}
    raise ConfigError(f"`finetune_domain` in {source} is {value!r}; give a short name, like bad_medical_advice")


def _share(value: Any, source: str) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = -1.0
    if isinstance(value, bool) or not 0 <= share <= 1:
        raise ConfigError(f"`max_unscored` in {source} is {value!r}; give a share from 0 to 1, like 0.05")
    return share


def _positive(value: Any, source: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = 0
    if isinstance(value, bool) or number < 1 or (isinstance(value, float) and value != number):
        raise ConfigError(f"`repeats` in {source} is {value!r}; give a whole number of at least 1")
    return number


def _path(value: Any, source: str, key: str) -> Path:
    if not isinstance(value, str):
        raise ConfigError(f"`{key}` in {source} is {value!r}; give a path")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"`{key}` in {source} is {value!r}, and {error}; give another path") from error


def _file(value: Any, source: str, key: str) -> Path:
    """A file that is only read after the checkpoint has answered: that it is there is checked before."""
    path = _path(value, source, key)
    if not path.is_file():
        raise ConfigError(f"`{key}` in {source} is {value!r}, which is not a file; correct it or leave it out")
    return path
