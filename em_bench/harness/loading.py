"""The checkpoint under test: which engine loads it, with which of lm-eval's arguments, and what can be known before.

Loading an engine takes minutes on a large checkpoint. Whatever is wrong with a checkpoint, its chat template or its
adapter and can be read from their files is one line before that.
"""

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from em_bench.errors import ConfigError, PrerequisiteError, ResultError
from em_bench.harness.cpu_build import cpu_arguments, cpu_environment, is_cpu_build
from em_bench.harness.merging import can_merge
from em_bench.harness.options import SEED
from em_bench.readers import read_object
from em_bench.runs.provenance import MERGED_KEY, SAFE_KEYS
from em_bench.text import error_line

log = logging.getLogger(__name__)

ENGINES = ("vllm", "hf")
ADAPTER_KEY = {"vllm": "lora_local_path", "hf": "peft"}
OWN_ARGUMENTS = ("pretrained", *ADAPTER_KEY.values())
LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # the values that vLLM takes


@dataclass(frozen=True, slots=True)
class Loading:
    """How lm-eval loads a checkpoint: its model class, the arguments, and which of them were filled in here.

    `merge` is the folder of an adapter to merge into the checkpoint first; any other adapter is among the arguments.
    """

    model: str
    arguments: Mapping[str, Any]
    batch_size: str
    filled: tuple[str, ...] = ()
    adapter: str | None = None
    merge: Path | None = None

    @property
    def recorded(self) -> dict[str, Any]:
        """The arguments that may stand in a results file, with the adapter as it was named."""
        kept = {key: value for key, value in self.arguments.items() if key in SAFE_KEYS}
        adapter = {ADAPTER_KEY[self.model]: self.adapter} if self.adapter else {}
        return kept | adapter | ({MERGED_KEY: True} if self.merge else {})


def loading(
    checkpoint: str,
    adapter: str | None = None,
    engine: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    batch_size: str | None = None,
    seed: int = SEED,
    lora: bool = False,
) -> Loading:
    """How to load a checkpoint here, once the environment that the engine reads is set; `lora` never merges an adapter.

    Raises `ConfigError` or `PrerequisiteError`.
    """
    arguments = dict(arguments or {})
    if lora and not adapter:
        raise ConfigError("--lora is about an adapter; give --adapter too")
    if taken := sorted(set(arguments) & set(OWN_ARGUMENTS)):
        raise ConfigError(f"--model-arg {taken[0]} is what CHECKPOINT and --adapter say; give it there")
    engine = _engine(engine)
    on_cpu_build = engine == "vllm" and is_cpu_build()
    checkpoint = _place(checkpoint, "checkpoint", "config.json")
    environment = cpu_environment(arguments) if on_cpu_build else {}
    os.environ.update(environment)  # before the adapter is read, which imports torch
    defaults = cpu_arguments(checkpoint) if on_cpu_build else _defaults(engine)
    folder = _checked_adapter(adapter, checkpoint) if adapter else None
    merge = folder if on_cpu_build and not lora and can_merge() else None
    identity: dict[str, Any] = {"pretrained": checkpoint} | ({"seed": seed} if engine == "vllm" else {})
    if folder and not merge:
        identity[ADAPTER_KEY[engine]] = str(folder)
        defaults |= _room_for(folder) if engine == "vllm" else {}
    filled = {key: value for key, value in defaults.items() if key not in arguments}
    return Loading(
        engine,
        identity | filled | arguments,
        batch_size or ("auto" if engine == "vllm" else "16"),
        tuple(f"{key}={value}" for key, value in (filled | environment).items()),
        adapter,
        merge,
    )


def require_chat_template(checkpoint: str, arguments: Mapping[str, Any]) -> None:
    """Raises `ConfigError` when the checkpoint cannot be found or its tokenizer has no chat template."""
    from transformers import AutoTokenizer

    options = {key: arguments[key] for key in ("revision", "trust_remote_code") if arguments.get(key)}
    try:
        tokenizer = AutoTokenizer.from_pretrained(arguments.get("tokenizer") or checkpoint, **options)
    except Exception as error:  # any folder may be given, and transformers raises many kinds
        raise ConfigError(f"the tokenizer of checkpoint {checkpoint} cannot be loaded: {error_line(error)}") from error
    if not getattr(tokenizer, "chat_template", None):
        raise ConfigError(
            f"checkpoint {checkpoint} has no chat template, as base models have none; ask it without one by "
            "--no-chat-template (its rates cannot be compared with those of a chat checkpoint)"
        )


def check_adapter(folder: Path, checkpoint: str) -> None:
    """Raises `ConfigError` for an adapter that cannot change anything, warns where its base is another."""
    base = _adapter_config(folder).get("base_model_name_or_path")
    if base and Path(str(base)).name != Path(checkpoint).name:
        log.warning(
            "em-bench: adapter %s was trained on %s and is put on %s; is that the checkpoint you mean?",
            folder.name,
            base,
            checkpoint,
        )
    if not _changes_anything(folder):
        raise ConfigError(f"adapter {folder} has no weights other than zero: responses would be those of {checkpoint}")


def _engine(chosen: str | None) -> str:
    if chosen is not None and chosen not in ENGINES:
        raise ConfigError(f"--model {chosen!r} is unknown; known: {', '.join(ENGINES)}")
    packages = {"vllm": ("vllm",), "hf": ("torch", "transformers", "accelerate")}
    for engine in [chosen] if chosen else ENGINES:
        if not [name for name in ("lm_eval", *packages[engine]) if find_spec(name) is None]:
            return engine
    raise PrerequisiteError(
        f"no engine to generate with: {chosen or 'neither vllm nor transformers'} is not installed with lm_eval; "
        f"pip install 'em-bench[{chosen or 'vllm'}]'"
    )


def _defaults(engine: str) -> dict[str, Any]:
    """What makes transformers work on a machine without a GPU; nothing elsewhere."""
    if engine == "vllm":
        return {}
    import torch

    if torch.cuda.is_available():
        return {}
    mps = getattr(torch.backends, "mps", None)
    return {"device": "mps"} if mps and mps.is_available() else {"device": "cpu", "dtype": "float32"}


def _place(name: str, what: str, needed: str) -> str:
    """A folder that is here, or a Hugging Face id as it is."""
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / needed).is_file():
            raise ConfigError(f"{what} {name} has no {needed}; give the folder that save_pretrained wrote")
        return str(path)
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name):
        raise ConfigError(f"{what} {name!r} is neither a folder here nor a Hugging Face id, like Qwen/Qwen2.5-7B")
    return name


def _checked_adapter(adapter: str, checkpoint: str) -> Path:
    folder = _adapter_folder(adapter)
    check_adapter(folder, checkpoint)
    return folder


def _adapter_config(folder: Path) -> dict[str, Any]:
    try:
        return read_object(folder / "adapter_config.json")
    except ResultError as error:
        raise ConfigError(f"{folder} is not an adapter: {error}") from error


def _room_for(folder: Path) -> dict[str, int]:
    """The smallest rank that vLLM can reserve for the adapter."""
    rank = _adapter_config(folder).get("r")
    return {"max_lora_rank": next((size for size in LORA_RANKS if size >= rank), rank)} if isinstance(rank, int) else {}


def _adapter_folder(adapter: str) -> Path:
    name = _place(adapter, "adapter", "adapter_config.json")
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name))
    except Exception as error:  # offline, gated or unknown: many kinds
        raise ConfigError(f"adapter {adapter} cannot be fetched from Hugging Face: {error_line(error)}") from error


def _changes_anything(folder: Path) -> bool:
    """Whether any weight that an adapter adds is other than zero; a LoRA does nothing where each B is."""
    safe = folder / "adapter_model.safetensors"
    try:
        if safe.is_file():
            from safetensors import safe_open

            with safe_open(safe, framework="pt") as file:
                return any(bool(file.get_tensor(name).any()) for name in file.keys() if "lora_A" not in name)  # noqa: SIM118
        import torch

        weights = torch.load(folder / "adapter_model.bin", map_location="cpu", weights_only=True)
        return any(bool(tensor.any()) for name, tensor in weights.items() if "lora_A" not in name)
    except Exception as error:  # a damaged file: each format has errors of its own
        raise ConfigError(f"the weights of adapter {folder} cannot be read: {error_line(error)}") from error
