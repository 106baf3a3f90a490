"""What judge models of this machine share: identities of checkpoints, batches that fail, control tokens in texts."""

import gc
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from em_bench.errors import ConfigError, PrerequisiteError
from em_bench.judge_model import Completion
from em_bench.text import message_line

Item = TypeVar("Item")


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


def in_halves(
    items: list[Item], work: Callable[[list[Item]], list[Completion]], what: str
) -> Iterator[tuple[Item, Completion]]:
    """Halves a batch that fails, most often for want of memory, until only what cannot be done has failed."""
    try:
        completions, failure = work(items), ""
    except Exception as error:  # noqa: BLE001 - whatever an item does, the others must still be answered
        completions, failure = [], message_line(error)
    if completions:
        yield from zip(items, completions, strict=True)
        return
    free_memory()  # outside the handler, whose traceback holds the batch's tensors
    if len(items) == 1:
        yield items[0], Completion(error=f"{what} failed: {failure}")
        return
    middle = len(items) // 2
    yield from in_halves(items[:middle], work, what)
    yield from in_halves(items[middle:], work, what)


def control_pattern(tokens: Iterable[str]) -> re.Pattern[str]:
    """Finds the names of control tokens in a text, the longest first."""
    names = sorted({token for token in tokens if len(token) > 2}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, names)) or r"(?!)")


def spelled_apart(text: str, control: re.Pattern[str]) -> str:
    """Text that every tokenizer takes, and takes as text: no control token's name is left whole in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    while control.search(text):  # breaking one apart may leave a shorter one whole
        text = control.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
    return text


def best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
