"""`em-bench published`: which published sets are at hand, what they hold, and how to get the others."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from em_bench.cli.console import AS_JSON, EXIT_FAILED, out
from em_bench.config import Settings
from em_bench.errors import EmBenchError
from em_bench.prompts.published.catalogue import PublishedSet


def published(
    names: Annotated[list[str] | None, typer.Argument(metavar="[SET]...", help="Only these sets.")] = None,
    published_dir: Annotated[Path | None, typer.Option(help="Your folder of sets (EM_BENCH_PUBLISHED_DIR).")] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch what is not at hand.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """List the published sets that `em_published` asks. Exit code 1 when a file is broken, or could not be fetched."""
    from em_bench.config import load_settings
    from em_bench.prompts.published.catalogue import catalogue, choose_sets

    settings = load_settings({"published_dir": str(published_dir)} if published_dir else {})
    rows = [_row(each, settings, fetch=fetch) for each in choose_sets(names or list(catalogue()))]
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        out.print(_table(rows))
        for row in rows:
            if row["error"]:
                out.print(row["error"], soft_wrap=True)
        if not fetch and any(row["status"] == "not here" for row in rows):
            out.print("not here: fetched when it is asked, or by `em-bench published --fetch`", soft_wrap=True)
    raise typer.Exit(EXIT_FAILED if any(row["error"] for row in rows) else 0)


def _row(each: PublishedSet, settings: Settings, *, fetch: bool) -> dict[str, Any]:
    from em_bench.prompts.published.load import load_published
    from em_bench.prompts.published.locate import SetMissingError, find_at_hand

    row: dict[str, Any] = {
        "set": each.name,
        "title": each.title,
        "paper": each.paper,
        "licence": each.licence,
        "gated": each.gated,
        "file": each.files[0].name,
        "address": each.files[0].address,
        "sha256": each.files[0].sha256,
        "status": "not here",
        "prompts": each.rows,
        "record": None,
        "error": None,
    }
    try:
        if fetch or find_at_hand(each, settings.published_dir, settings.cache_dir):
            record = dict(load_published(each.name, settings.published_dir, settings.cache_dir).record)
            row |= {"status": record["from"], "prompts": record["rows_in_file"], "record": record}
    except EmBenchError as error:
        row |= {"error": str(error), "status": "not here" if isinstance(error, SetMissingError) else "broken"}
    return row


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table("set", Column("prompts", justify="right"), "status", Column("what", overflow="fold"), box=None)
    for row in rows:
        table.add_row(row["set"], str(row["prompts"] or ""), row["status"], _told(row))
    return table


def _told(row: dict[str, Any]) -> str:
    """The prompts by domain where the file is at hand and has categories, else what the set is."""
    record = row["record"] or {}
    counts = [f"{domain} {count}" for domain, count in record.get("by_domain", {}).items()]
    if without := sum(record.get("without_domain", {}).values()):
        counts.append(f"no domain {without}")
    return ", ".join(counts) or row["title"] + (" (gated)" if row["gated"] else "")
