"""What judge models of this machine share: a checkpoint's identity, and whether it is there."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from em_bench.errors import ConfigError, PrerequisiteError


def identity(path: str | None) -> str | None:
    """What tells a checkpoint or adapter on disk from a later one in its place; the name itself of one on the Hub."""
    if path is None or not Path(path).is_dir():
        return path
    files = sorted(file for file in Path(path).iterdir() if file.is_file())
    parts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return f"{path}@{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"


def require(name: str, package: str, extra: str) -> None:
    """Raises `PrerequisiteError` where the package that judge model `name` runs on is not installed."""
    if find_spec(package) is None:
        raise PrerequisiteError(f"judge model {name!r} needs {package}: pip install 'em-bench[{extra}]'")


def require_folder(name: str, *checkpoints: str | None) -> None:
    """Raises `ConfigError` for a checkpoint that can only be a folder, and is none. Hub names are not looked up."""
    for checkpoint in checkpoints:
        is_path = checkpoint is not None and (checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") > 1)
        if checkpoint is not None and is_path and not Path(checkpoint).expanduser().is_dir():
            raise ConfigError(
                f"judge model {name!r}: there is no folder {checkpoint}; give a checkpoint's folder or name"
            )
