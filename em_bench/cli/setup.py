"""`em-bench link`, `tasks-path`, `judges`, `doctor`: setting up, and what is there."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from em_bench.cli.console import AS_JSON, EXIT_FAILED, out
from em_bench.errors import EmBenchError


def link_command(
    remove: Annotated[bool, typer.Option("--remove", help="Take the links out again.")] = False,
) -> None:
    """Make `lm_eval --tasks em_rai_suite` find the tasks, by stubs in the installed lm_eval's tasks folder."""
    from em_bench.harness.link import link, unlink, wanted_stubs

    if remove:
        out.print(f"no links are left in {unlink()}", soft_wrap=True)
    else:
        out.print(f"{len(wanted_stubs())} tasks and groups linked into {link()}", soft_wrap=True)


def tasks_path_command() -> None:
    """Print the folder to give to `lm_eval --include_path`."""
    from em_bench.paths import tasks_path

    print(tasks_path())  # for $(...), so never wrapped


def judges(as_json: AS_JSON = False) -> None:
    """List the judges and the rubrics that installed packages offer."""
    from em_bench.judge import installed_judges, load_judge
    from em_bench.judging.rubrics import installed_rubrics, rubric_path

    rows = []
    for name, point in installed_judges().items():
        row = {"name": name, "version": "", "package": point.dist.name if point.dist else "", "error": ""}
        try:
            row["version"] = str(load_judge(name).version)
        except EmBenchError as error:
            row["error"] = str(error)
        rows.append(row)
    for name, point in installed_rubrics().items():
        row = {"name": f"{name} (rubric)", "version": "", "package": point.dist.name if point.dist else "", "error": ""}
        try:
            row["version"] = rubric_path(name).name
        except EmBenchError as error:
            row["error"] = str(error)
        rows.append(row)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("judge", "version", "package", "error", box=None)
    for row in rows:
        table.add_row(*row.values())
    out.print(table)


def doctor(as_json: AS_JSON = False) -> None:
    """Say whether `lm_eval --tasks em_rai_suite` will work here, and what is missing. Exit code 1 when something is."""
    from em_bench.harness.doctor import diagnose

    findings = diagnose()
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        marks = {True: Text("ok", "green"), False: Text("missing", "red"), None: Text("note")}
        table = Table.grid(Column(), Column(), Column(overflow="fold"), padding=(0, 2))
        for finding in findings:
            table.add_row(marks[finding.ok], finding.subject, finding.text)
        out.print(table)
    raise typer.Exit(EXIT_FAILED if any(finding.ok is False for finding in findings) else 0)
