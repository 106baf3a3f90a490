"""The catalogue of published sets: `catalogue.yaml`, read and checked once.

It says what each set is, where it comes from, what its columns are called, and which domain its
categories belong to. Nothing of the sets themselves is in it.
"""

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from em_bench.errors import ConfigError
from em_bench.prompts.published.download import Remote
from em_bench.readers import read_yaml
from em_bench.readers.model import FileFormat, OneOf, Words, validate
from em_bench.text import shown
from em_bench.types import DOMAINS

CATALOGUE = Path(__file__).with_suffix(".yaml")
ENDINGS = {"csv": "csv", "jsonl": "jsonl", "questions": "yaml"}


class SourceFile(FileFormat):
    """One name that a set's file goes by, with its pinned address and sha256 where they are known."""

    name: Words
    """The file's name."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """The sha256 of the file; one that differs is refused."""
    url: str | None = None
    """An address with a commit in it."""
    dataset: str | None = None
    """A Hugging Face dataset, instead of `url`."""
    revision: str | None = None
    """The dataset's revision."""
    path: str | None = None
    """The file's path in the dataset."""

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


class Columns(FileFormat):
    """What a set calls its columns: of each list the first that is there is taken."""

    prompt: list[str] = Field(default_factory=list)
    category: list[str] = Field(default_factory=list)
    id: list[str] = Field(default_factory=list)
    context: list[str] = Field(default_factory=list)
    """Goes before the prompt."""


class Part(FileFormat):
    """A part of a set: the rows whose column matches."""

    column: str
    matches: str
    """A regular expression."""


class CatalogueEntry(FileFormat):
    """A published set; see the head of `catalogue.yaml`."""

    title: Words
    paper: Words
    licence: Words
    home: Words
    files: Annotated[list[SourceFile], Field(min_length=1)]
    """The names that the file goes by; the first is the one that is fetched."""
    format: Literal["csv", "jsonl", "questions"] = "csv"
    gated: str | None = None
    """Where to accept its terms, if one must."""
    rows: int | None = None
    """How many rows the original has, where known."""
    columns: Columns = Columns()
    parts: dict[str, Part] = Field(default_factory=dict)
    domains: dict[Annotated[str, OneOf(DOMAINS)], list[str]] = Field(default_factory=dict)
    """The set's own categories that belong to each domain."""
    unmapped: list[str] = Field(default_factory=list)
    """Its categories that belong to no single domain."""


Catalogue = TypeAdapter(dict[str, CatalogueEntry])
"""The catalogue: names of sets, and what each is."""


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """One entry of the catalogue; what it maps to domains by the categories' keys."""

    name: str
    title: str
    paper: str
    licence: str
    home: str
    files: tuple[SourceFile, ...]
    format: str = "csv"
    gated: str | None = None
    rows: int | None = None
    columns: Columns = field(default_factory=Columns)
    parts: Mapping[str, Part] = field(default_factory=dict)
    domains: Mapping[str, str] = field(default_factory=dict)
    unmapped: frozenset[str] = frozenset()


@functools.cache
def catalogue() -> Mapping[str, PublishedSet]:
    """The published sets by name."""
    entries = validate(Catalogue, read_yaml(CATALOGUE, "catalogue"))
    return {name: _published_set(name, entry) for name, entry in entries.items()}


def choose_sets(names: Sequence[str]) -> list[PublishedSet]:
    """The sets of these names. Raises `ConfigError` for one that is unknown."""
    if unknown := [name for name in names if name not in catalogue()]:
        raise ConfigError(f"published set '{shown(unknown[0], 80)}' is unknown; known: {', '.join(catalogue())}")
    return [catalogue()[name] for name in names]


def _published_set(name: str, entry: CatalogueEntry) -> PublishedSet:
    # any other version of the set goes by the set's own name, and is not pinned
    own_name = SourceFile(name=f"{name}.{ENDINGS[entry.format]}")
    domains = {category_key(category): domain for domain, own in entry.domains.items() for category in own}
    return PublishedSet(
        name=name,
        title=entry.title,
        paper=entry.paper,
        licence=entry.licence,
        home=entry.home,
        files=(*entry.files, own_name),
        format=entry.format,
        gated=entry.gated,
        rows=entry.rows,
        columns=entry.columns,
        parts=entry.parts,
        domains=domains,
        unmapped=frozenset(map(category_key, entry.unmapped)),
    )


def category_key(category: str) -> str:
    """A category as the catalogue compares it: without regard to case and spaces."""
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
