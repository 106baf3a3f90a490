"""Which published sets are available here, and what they hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from em_bench.config import Settings, load_settings
from em_bench.errors import EmBenchError
from em_bench.prompts.published.catalogue import PublishedSet, catalogue, choose_sets
from em_bench.prompts.published.load import load_published
from em_bench.prompts.published.locate import SetMissingError, find_local

NOT_HERE, BROKEN = "not here", "broken"


@dataclass(frozen=True, slots=True)
class SetStatus:
    """A published set. `status` is where its file is from, `not here` or `broken`; `record` is what the file holds."""

    set: str
    title: str
    paper: str
    licence: str
    gated: str | None
    file: str
    address: str | None
    sha256: str | None
    status: str
    prompts: int | None
    record: Mapping[str, Any] | None = None
    error: str | None = None


def published_sets(
    names: Sequence[str] = (), published_dir: Path | None = None, *, fetch: bool = False
) -> list[SetStatus]:
    """The sets of these names, or all; `fetch` downloads those that are missing. Raises `ConfigError` for a name."""
    settings = load_settings({"published_dir": str(published_dir)} if published_dir else {})
    return [_status(each, settings, fetch=fetch) for each in choose_sets(names or list(catalogue()))]


def _status(published: PublishedSet, settings: Settings, *, fetch: bool) -> SetStatus:
    status, prompts, record, error = NOT_HERE, published.rows, None, None
    try:
        if fetch or find_local(published, settings.published_dir, settings.cache_dir):
            record = dict(load_published(published.name, settings.published_dir, settings.cache_dir).record)
            status, prompts = record["from"], record["rows_in_file"]
    except EmBenchError as caught:
        error, status = str(caught), NOT_HERE if isinstance(caught, SetMissingError) else BROKEN
    file = published.files[0]
    return SetStatus(
        set=published.name,
        title=published.title,
        paper=published.paper,
        licence=published.licence,
        gated=published.gated,
        file=file.name,
        address=file.address,
        sha256=file.sha256,
        status=status,
        prompts=prompts,
        record=record,
        error=error,
    )
