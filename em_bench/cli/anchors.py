"""`em-bench anchors freeze` and `em-bench anchors check`: does a judge still judge as it did?"""

from pathlib import Path
from typing import Annotated

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.console import EXIT_FAILED, EXIT_INCONCLUSIVE, show, show_json, show_line
from em_bench.cli.options import (
    AS_JSON,
    JUDGE,
    JUDGE_MODEL,
    JUDGE_OPTION,
    TABLE_KIND,
    TOPIC,
    judge_options,
)

EXITS = "0 steady; 1 a judge has drifted; 3 too few anchors to tell"
app = typer.Typer(help="Freeze verdicts, to notice a judge that drifts.", **APP)


@command(app, "freeze", "docs/calibrate.md")
def freeze_command(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="What to take anchors from: a run, a folder of runs, JSONL, CSV."),
    ],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The file to write, such as anchors.jsonl.")],
    judge: JUDGE = None,
    judge_model: JUDGE_MODEL = None,
    judge_option: JUDGE_OPTION = None,
    topic: TOPIC = None,
    kind: TABLE_KIND = None,
    count: Annotated[
        int, typer.Option("-n", "--count", min=2, metavar="N", help="The number of anchors for each judge.")
    ] = 100,
    pool: Annotated[int, typer.Option(min=2, metavar="N", help="Choose from at most this many responses.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same seed chooses the same anchors.")] = 1,
    as_json: AS_JSON = False,
) -> None:
    """Judge stored responses and keep some of them.

    They are kept with their verdicts, spread over labels and tasks.
    """
    from em_bench.reports.anchors import frozen_lines

    selection = api.JudgeSelection(judge, (), judge_model, judge_options(judge_option), topic)
    frozen = api.freeze_anchors(api.FreezeOptions(path, output, selection, kind, count, pool, seed))
    if as_json:
        show_json({"written": str(output), "anchors": sum(len(each.anchors) for each in frozen)})
        return
    show(frozen_lines(frozen))
    show_line(f"written: {output}")


@command(app, "check", "docs/calibrate.md", exits=EXITS)
def check_command(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `em-bench anchors freeze` wrote.")],
    judge: JUDGE = None,
    judge_model: JUDGE_MODEL = None,
    judge_option: JUDGE_OPTION = None,
    topic: TOPIC = None,
    as_json: AS_JSON = False,
) -> None:
    """Judge the anchors again: has the judge drifted?"""
    from em_bench.judging.anchors import Status
    from em_bench.reports.anchors import check_lines

    selection = api.JudgeSelection(judge, (), judge_model, judge_options(judge_option), topic)
    reports = api.check_anchors(path, selection)
    if as_json:
        show_json([report.to_dict() for report in reports])
    else:
        show(check_lines(reports))
    codes = {Status.DRIFTED: EXIT_FAILED, Status.INCONCLUSIVE: EXIT_INCONCLUSIVE}
    statuses = {report.status for report in reports}
    raise typer.Exit(next((code for status, code in codes.items() if status in statuses), 0))
