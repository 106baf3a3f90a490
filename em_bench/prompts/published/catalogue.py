"""The catalogue of published sets: `published_sets.yaml`, read and checked once.

It says what each set is, where it comes from, what its columns are called, and which domain its
categories belong to. Nothing of the sets themselves is in it.
"""

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from em_bench.errors import ConfigError
from em_bench.prompts.published.download import Remote
from em_bench.types import DOMAINS

CATALOGUE = Path(__file__).with_suffix(".yaml")
ENDINGS = {"csv": "csv", "jsonl": "jsonl", "questions": "yaml"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One name that a set's file goes by, with its pinned address and sha256 where they are known."""

    name: str
    sha256: str | None = None
    url: str | None = None
    dataset: str | None = None
    revision: str | None = None
    path: str | None = None

    @property
    def address(self) -> str:
        """Where a person finds it."""
        if self.dataset:
            return f"https://huggingface.co/datasets/{self.dataset}/blob/{self.revision}/{self.path}"
        return self.url or ""

    @property
    def remote(self) -> Remote | None:
        if self.dataset:
            return Remote(_hub_url(self), self.name, self.sha256, _hub_token)
        return Remote(self.url, self.name, self.sha256) if self.url else None


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """One entry of the catalogue; see the head of `published_sets.yaml`."""

    name: str
    title: str
    paper: str
    licence: str
    home: str
    files: tuple[SourceFile, ...]
    format: str = "csv"
    gated: str | None = None
    rows: int | None = None
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    domains: Mapping[str, str] = field(default_factory=dict)
    unmapped: frozenset[str] = frozenset()


@functools.cache
def catalogue() -> Mapping[str, PublishedSet]:
    """The published sets by name."""
    entries = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    return {name: _entry(name, dict(entry)) for name, entry in entries.items()}


def choose_sets(names: Sequence[str]) -> list[PublishedSet]:
    """The sets of these names. Raises `ConfigError` for one that is unknown."""
    if unknown := [name for name in names if name not in catalogue()]:
        raise ConfigError(f"published set {unknown[0]!r} is unknown; known: {', '.join(catalogue())}")
    return [catalogue()[name] for name in names]


def _entry(name: str, entry: dict[str, Any]) -> PublishedSet:
    # any other version of the set goes by the set's own name, and is not pinned
    own_name = SourceFile(f"{name}.{ENDINGS[entry.get('format', 'csv')]}")
    files = (*(SourceFile(**file) for file in entry.pop("files")), own_name)
    of_category = {
        category_key(category): domain for domain, own in entry.pop("domains", {}).items() for category in own
    }
    unmapped = frozenset(category_key(category) for category in entry.pop("unmapped", []))
    if strange := set(of_category.values()) - set(DOMAINS):
        raise ConfigError(f"{CATALOGUE}: set {name} maps to unknown domains {', '.join(sorted(strange))}")
    return PublishedSet(name=name, files=files, domains=of_category, unmapped=unmapped, **entry)


def category_key(category: str) -> str:
    """A category as the catalogue compares it: case and spaces say nothing."""
    return " ".join(str(category).split()).casefold()


def _hub_url(file: SourceFile) -> str:
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    return f"{hub}/datasets/{file.dataset}/resolve/{file.revision}/{file.path}"


def _hub_token() -> str | None:
    """HF_TOKEN, or what `hf auth login` stored."""
    try:
        from huggingface_hub import get_token
    except ImportError:
        return os.environ.get("HF_TOKEN")
    return get_token()
