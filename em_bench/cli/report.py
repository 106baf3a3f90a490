"""`em-bench report` and `em-bench export`: one run to keep or to hand on."""

from pathlib import Path
from typing import Annotated

import typer

from em_bench.cli.command import APP, command
from em_bench.cli.console import show_line
from em_bench.cli.options import NAME
from em_bench.paths import writing

RUN = Annotated[
    Path, typer.Argument(metavar="RUN", help="A folder or results file of lm-eval with one run, or a RunResult.")
]
app = typer.Typer(**APP)


@command(app, "report", "docs/leaderboard.md")
def report_command(
    run: RUN,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="report.html or report.md")],
    baseline: Annotated[Path | None, typer.Option(metavar="RUN", help="Compare with this run.")] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Put the responses into the HTML file.")] = False,
) -> None:
    """Write a report on one run: HTML or Markdown.

    A single HTML file, or Markdown with pictures beside it.
    """
    from em_bench_leaderboard import api

    api.report(run, output, api.ReportOptions(baseline, samples))
    show_line(f"written: {output}")


@command(app, "export", "docs/leaderboard.md")
def export_command(
    run: RUN,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="model-index, eval-results, csv or every-eval-ever.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file instead of stdout.")
    ] = None,
    name: NAME = None,
    judge: Annotated[str | None, typer.Option(metavar="NAME", help="Only this judge's rates.")] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="ID", help="The benchmark's data set on the Hub, for eval-results.")
    ] = None,
) -> None:
    """Write a run's rates in another project's format."""
    from em_bench_leaderboard import api

    text = api.export(run, api.ExportOptions(form, name, judge, dataset))
    if output is None:
        print(text, end="")
        return
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8", newline="")
    show_line(f"written: {output}")
