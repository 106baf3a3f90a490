"""Where a published set's file is: in the user's folder, in the cache, or at its pinned address.

What cannot be had is one line: what to download and where to put it.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from em_bench.errors import ConfigError, PrerequisiteError
from em_bench.prompts.published.catalogue import PublishedSet, SourceFile, catalogue
from em_bench.prompts.published.download import MAX_BYTES, FetchError, cached, fetch, matches

DEPTH = 4
WHERE = "into the folder that EM_BENCH_PUBLISHED_DIR (or `published_dir` in --metadata) names"


@dataclass(frozen=True, slots=True)
class LocalCopy:
    """A set's file with its content. `origin` is `published_dir`, `cache` or `fetched`."""

    path: Path
    content: bytes
    origin: str
    file: SourceFile

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def find_file(
    entry: PublishedSet, published_dir: Path | None, cache_dir: Path, unreachable: set[str] | None = None
) -> LocalCopy:
    """The set's file: the user's own, else the cached one, else fetched."""
    if copy := find_local(entry, published_dir, cache_dir):
        return copy
    for file in entry.files:
        if remote := file.remote:
            try:
                path = fetch(remote, cache_dir / "published", unreachable=unreachable)
            except FetchError as error:
                raise _missing(entry, str(error), denied=error.denied) from error
            return LocalCopy(path, path.read_bytes(), "fetched", file)
    raise _missing(entry, "its address is not known")


def find_local(entry: PublishedSet, published_dir: Path | None, cache_dir: Path) -> LocalCopy | None:
    """The set's file where it is there without fetching. Raises `ConfigError` for a folder that cannot be used."""
    if published_dir is not None and (copy := _own_file(entry, published_dir)):
        return copy
    for file in entry.files:
        if file.remote and (path := cached(file.remote, cache_dir / "published")):
            return LocalCopy(path, path.read_bytes(), "cache", file)
    return None


def is_here(entry: PublishedSet, published_dir: Path | None, cache_dir: Path) -> bool:
    """Whether the set's file is there under one of its names: a single file of another name might be any set's."""
    if published_dir is not None and published_dir.is_file():
        named = any(file.name.lower() == published_dir.name.lower() for file in entry.files)
        published_dir = published_dir if named else None
    return find_local(entry, published_dir, cache_dir) is not None


class SetMissingError(PrerequisiteError):
    """A set's file is not to be had. `what` is why, what to download and under which name; the message adds where."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; put it {WHERE}")
        self.what = what


def _missing(entry: PublishedSet, why: str, *, denied: bool = False) -> SetMissingError:
    file = entry.files[0]
    accept = f"accept its terms at {entry.gated or entry.home} and set HF_TOKEN (or run `hf auth login`), or "
    return SetMissingError(
        f"{entry.title} cannot be had: {why}; {accept if entry.gated or denied else ''}"
        f"download {file.address or entry.home} as {file.name}"
    )


def _own_file(entry: PublishedSet, place: Path) -> LocalCopy | None:
    """The user's own file: the place itself, or below it under one of the set's names, the nearest first."""
    if place.is_file():
        named = [file for file in entry.files if file.name.lower() == place.name.lower()]
        taken = [file.name.lower() for each in catalogue().values() for file in each.files]
        if not named and place.name.lower() in taken:
            return None
        return _opened(place, named[0] if named else entry.files[0])
    if not place.is_dir():
        raise ConfigError(f"published_dir is {place}, which is neither a file nor a folder; correct it or leave it out")
    for file in entry.files:
        candidates = [_opened(path, file) for path in _below(place) if path.name.lower() == file.name.lower()]
        distinct = {copy.sha256: copy for copy in reversed(candidates)}
        pinned = [copy for copy in distinct.values() if file.sha256 and matches(copy.content, file.sha256)]
        if len(distinct) > 1 and not pinned:
            names = " and ".join(str(copy.path) for copy in distinct.values())
            raise ConfigError(f"{names} differ, and either could be {entry.title}; keep one")
        if candidates:
            return (pinned or candidates)[0]
    return None


def _below(folder: Path) -> list[Path]:
    """Files up to some levels down, those nearer the top first; links to elsewhere are followed only to files."""
    paths: list[Path] = []
    for root, folders, files in os.walk(folder):
        depth = len(Path(root).relative_to(folder).parts)
        if depth >= DEPTH:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths += [path for name in sorted(files) if (path := Path(root) / name).is_file()]
    return sorted(paths, key=lambda path: len(path.parts))


def _opened(path: Path, file: SourceFile) -> LocalCopy:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} has more than {MAX_BYTES // 1024**2} MB, which none of the published sets has")
        return LocalCopy(path, path.read_bytes(), "published_dir", file)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
