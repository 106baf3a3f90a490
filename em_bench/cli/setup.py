"""`em-bench link`, `tasks-path`, `doctor`: setting up, and what is installed."""

from dataclasses import asdict
from typing import Annotated

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.console import EXIT_FAILED, show, show_json, show_line
from em_bench.cli.options import AS_JSON

app = typer.Typer(**APP)


@command(app, "link", "docs/start.md")
def link_command(remove: Annotated[bool, typer.Option("--remove", help="Remove the links again.")] = False) -> None:
    """Make `lm_eval --tasks em_rai_suite` find the tasks.

    Writes stubs into the tasks folder of the installed lm_eval.
    """
    if remove:
        show_line(f"no links are left in {api.unlink()}")
    else:
        links = api.link()
        show_line(f"{links.count} tasks and groups linked into {links.folder}")


@command(app, "tasks-path", "docs/start.md")
def tasks_path_command() -> None:
    """Print the folder for `lm_eval --include_path`."""
    print(api.tasks_path())  # for $(...), so never wrapped


@command(app, "doctor", "docs/start.md", exits="0 nothing is missing; 1 something is")
def doctor_command(as_json: AS_JSON = False) -> None:
    """Check what is installed and what is missing."""
    from em_bench.reports.setup import findings_table

    findings = api.doctor()
    if as_json:
        show_json([asdict(finding) for finding in findings])
    else:
        show([findings_table(findings)])
    raise typer.Exit(EXIT_FAILED if any(finding.ok is False for finding in findings) else 0)
