"""Settings, from three places in this order: lm-eval's `--metadata`, environment variables, an `em-bench.yaml`.

| key             | variable                | what                                                                     |
| ---             | ---                     | ---                                                                      |
| `judges`        | `EM_BENCH_JUDGES`       | the judges to ask, as a list or `a,b`: names, or rubrics by name or path |
| `judge_model`   | `EM_BENCH_JUDGE_MODEL`  | the judge model of LLM judges, `kind:name`; several are a jury           |
| `judge_options` |                         | its options: `base_url`, `api_key_env`, `max_in_flight`, ...             |
| `topic`         | `EM_BENCH_TOPIC`        | what the rubric `topic` looks for                                        |
| `max_unscored`  | `EM_BENCH_MAX_UNSCORED` | the largest share of unscored samples without an alarm, default 0.05     |
| `repeats`       | `EM_BENCH_REPEATS`      | responses per probe, instead of the task's own number                    |
| `tiers`         | `EM_BENCH_TIERS`        | the tiers of prompts to ask, by default all; see `em_bench.tiers`        |
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
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from em_bench.conditions import NONE, Condition, choose_condition
from em_bench.errors import ConfigError
from em_bench.judge import Judge
from em_bench.readers import YamlTree, read_yaml
from em_bench.tiers import Tier

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
    tiers: tuple[Tier, ...] = ()
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

    Raises `ConfigError` naming the source and the key of a value that is wrong.
    """
    from em_bench.formats import SettingsFile
    from em_bench.readers.model import validate

    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for tree in _sources(metadata or {}, source, SettingsFile.model_fields):
        own = {key: value for key, value in tree.value.items() if key not in values and value not in (None, "", {})}
        checked = validate(SettingsFile, replace(tree, value=own))
        values |= {key: getattr(checked, key) for key in own}
        sources |= dict.fromkeys(own, tree.where)
    conditions = values.pop("conditions", None)
    if "condition" in values:
        values["condition"] = choose_condition(values["condition"], sources["condition"], conditions)
    if domain := values.get("finetune_domain"):
        values["finetune_domain"] = domain.model_dump()
    models = tuple(values.pop("judge_model", ()))
    tiers = tuple(Tier(name) for name in values.pop("tiers", ()))
    judges = tuple(values.pop("judges", ("keyword", "llm") if models else ("keyword",)))
    return Settings(judges=judges, judge_models=models, tiers=tiers, **values)


def _sources(metadata: Mapping[str, Any], name: str, keys: Collection[str]) -> Iterator[YamlTree]:
    """Metadata, environment and file, in the order in which they count."""
    # lm-eval merges --model_args into the metadata, and a `cache_dir` there is the model's
    yield YamlTree(name, {key: metadata[key] for key in keys if key in metadata and key != "cache_dir"})
    variables = {key: os.environ.get(f"EM_BENCH_{key.upper()}") for key in keys if key != "judge_options"}
    yield YamlTree("the environment", variables)
    yield _config_file()


def _config_file() -> YamlTree:
    named = os.environ.get("EM_BENCH_CONFIG")
    path = Path(named or FILE_NAME)
    if not path.is_file():
        if named:
            raise ConfigError(f"EM_BENCH_CONFIG names {named}, which is not a file; correct or unset it")
        return YamlTree(FILE_NAME, {})
    tree = read_yaml(path, "")
    if not isinstance(tree.value, dict | None):
        raise tree.error("there are no `key: value` lines; write some, like `judges: [keyword, llm]`")
    return replace(tree, value=tree.value or {})
