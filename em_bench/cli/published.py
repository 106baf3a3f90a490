"""`em-bench published`: which published sets are available, what they hold, and how to get the others."""

from dataclasses import asdict
from typing import Annotated

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.console import EXIT_FAILED, show, show_json
from em_bench.cli.options import AS_JSON, PUBLISHED_DIR

app = typer.Typer(**APP)


@command(app, "published", "docs/published.md", exits="0 fine; 1 a file is broken or could not be downloaded")
def published_command(
    names: Annotated[list[str] | None, typer.Argument(metavar="SET", help="Only these sets.")] = None,
    published_dir: PUBLISHED_DIR = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download the sets that are missing.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """List or fetch the published prompt sets.

    These are the sets that the tasks `em_published_...` ask.
    """
    from em_bench.reports.setup import published_parts

    sets = api.published(names or (), published_dir, fetch=fetch)
    if as_json:
        show_json([asdict(each) for each in sets])
    else:
        show(published_parts(sets, fetched=fetch))
    raise typer.Exit(EXIT_FAILED if any(each.error for each in sets) else 0)
