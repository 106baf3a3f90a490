"""Run provenance: allow-listed settings of lm-eval.

lm-eval writes `--model_args` into its results whole, keys and addresses included, so only what is named here is taken,
and of a path only its last part, which alone means something elsewhere.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CHECKPOINT_KEYS = ("pretrained", "model", "lora_local_path", "peft")
# recorded of tasks: the adapter was merged into the checkpoint; how a run was made, not what it measures
MERGED_KEY = "adapter_merged"
# what changes what a checkpoint says: published in a run's command, and so part of its content id
MODEL_KEYS = (
    *CHECKPOINT_KEYS,
    *("revision", "dtype", "quantization", "max_model_len", "max_length", "enable_thinking", "think_end_token", "seed"),
    *("load_in_4bit", "load_in_8bit", "enforce_eager", "tensor_parallel_size", "gpu_memory_utilization"),
)
# the model arguments that may stand in a results file; any other may hold a key or a token
SAFE_KEYS = (
    *MODEL_KEYS,
    *("max_lora_rank", "data_parallel_size", "max_num_seqs", "attn_implementation", "parallelize", "add_bos_token"),
    "trust_remote_code",
)
GENERATION_KEYS = (
    *("do_sample", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "seed"),
    *("max_gen_toks", "max_new_tokens", "max_tokens"),
)
VERSIONS = {"lm_eval": "lm_eval_version", "transformers": "transformers_version"}
MOST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`base` is the model that `adapter` is put on; both None without an adapter."""

    name: str
    base: str | None
    adapter: str | None
    revision: str | None


@dataclass(frozen=True, slots=True)
class Provenance:
    """`model` and `generation` are the allowed ones of lm-eval's `model_args` and `gen_kwargs`.

    `created` is when lm-eval began, in ISO 8601 and UTC; empty where it is not known.
    """

    engine: str = ""
    created: str = ""
    model: Mapping[str, Any] = field(default_factory=dict)
    generation: Mapping[str, Any] = field(default_factory=dict)
    limit: float | None = None
    seed: int | None = None
    chat_template_sha: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


def provenance_of(results: Mapping[str, Any]) -> Provenance:
    """The provenance of a run, from lm-eval's results."""
    config = _mapping(results.get("config"))
    sha = results.get("chat_template_sha")
    limit, seed = config.get("limit"), config.get("random_seed")
    return Provenance(
        engine=_short(results.get("model_source") or config.get("model") or ""),
        created=_iso(results.get("date")),
        model=_allowed(parse_model_args(config.get("model_args")), MODEL_KEYS),
        generation=_allowed(_mapping(config.get("gen_kwargs")), GENERATION_KEYS),
        limit=float(limit) if isinstance(limit, int | float) else None,
        seed=seed if isinstance(seed, int) else None,
        chat_template_sha=_short(sha) if sha else None,
        versions={name: _short(results[key]) for name, key in VERSIONS.items() if results.get(key)},
    )


def checkpoint_of(provenance: Provenance) -> Checkpoint:
    """The checkpoint by name, with its adapter's."""
    model = provenance.model
    adapter = model.get("lora_local_path") or model.get("peft")
    base = model.get("pretrained") if adapter else None
    name = " + ".join(str(model[key]) for key in CHECKPOINT_KEYS if model.get(key)) or "unknown"
    return Checkpoint(name, *(str(part) if part else None for part in (base, adapter, model.get("revision"))))


def checkpoint_arguments(results: Mapping[str, Any]) -> dict[str, Any]:
    """What names the checkpoint among lm-eval's `model_args`, as it was given."""
    arguments = parse_model_args(_mapping(results.get("config")).get("model_args"))
    return {key: arguments[key] for key in CHECKPOINT_KEYS if key in arguments}


def command(provenance: Provenance, tasks: list[str], *, chat_template: bool) -> str:
    """A shell command that runs the same, as far as the allow-listed settings go."""
    words = ["lm_eval", "--tasks", ",".join(tasks)]
    if provenance.engine:
        words += ["--model", provenance.engine]
    words += ["--model_args", _pairs(provenance.model)] if provenance.model else []
    words += ["--gen_kwargs", _pairs(provenance.generation)] if provenance.generation else []
    words += ["--limit", f"{provenance.limit:g}"] if provenance.limit is not None else []
    words += ["--seed", str(provenance.seed)] if provenance.seed is not None else []
    words += ["--apply_chat_template"] if chat_template else []
    return shlex.join([*words, "--log_samples"])


def last_part(name: str) -> str:
    """`owner/model` as it is; of a longer path only the last part, as it says nothing elsewhere."""
    is_path = name.startswith((".", "/", "~")) or name.rstrip("/").count("/") > 1
    return Path(name).name if is_path else name


def scalars(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Those of the named values that are numbers, truth values or short texts."""
    kept = {name: values[name] for name in names if isinstance(values.get(name), str | int | float)}
    return {name: _short(value) if isinstance(value, str) else value for name, value in kept.items()}


def _allowed(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    kept = scalars(values, names)
    return {name: last_part(value) if isinstance(value, str) else value for name, value in kept.items()}


def parse_model_args(value: object) -> Mapping[str, Any]:
    """lm-eval's `model_args`: a mapping or `key=value,...`."""
    if isinstance(value, str):
        return dict(part.split("=", 1) for part in value.split(",") if "=" in part)
    return _mapping(value)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _pairs(values: Mapping[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in values.items())


def _short(value: object) -> str:
    return str(value)[:MOST_TEXT]


def _iso(date: object) -> str:
    try:
        return datetime.fromtimestamp(float(date), UTC).isoformat(timespec="seconds")  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
