"""`em-bench calibrate` and `em-bench corrected`: how far to trust a judge, and rates corrected for its errors."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from em_bench import api
from em_bench.calibration.options import parse_label_map
from em_bench.cli.command import APP, command
from em_bench.cli.console import show, show_json, show_line
from em_bench.cli.options import (
    AS_JSON,
    JUDGE,
    JUDGE_MODEL,
    JUDGE_OPTION,
    RUNS,
    TOPIC,
    choices,
    judge_options,
)

app = typer.Typer(**APP)


def _column(what: str) -> Any:
    return typer.Option(metavar="COLUMN", help=f"The column with {what}.")


@command(app, "calibrate", "docs/calibrate.md")
def calibrate_command(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="Labelled responses (JSONL, CSV or JSON), or a stored run.")
    ],
    judge: JUDGE = None,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Of a run: the judge that is the reference. May be repeated."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of a run: a file with the `id` and label of its responses.")
    ] = None,
    judge_model: JUDGE_MODEL = None,
    judge_option: JUDGE_OPTION = None,
    topic: TOPIC = None,
    kind: Annotated[
        api.Kind, typer.Option(metavar=choices(tuple(api.Kind)), help="The kind of the prompts in a file.")
    ] = api.Kind.HARMFUL,
    label_column: Annotated[str, _column("the label")] = "label",
    response_column: Annotated[str | None, _column("the response")] = None,
    prompt_column: Annotated[str | None, _column("the prompt")] = None,
    id_column: Annotated[str | None, _column("the response's id")] = None,
    group_column: Annotated[str | None, _column("the subgroup")] = None,
    label_map: Annotated[
        list[str] | None,
        typer.Option(metavar="MAP", help="What the labels mean: complied=compliance,rejected=refusal"),
    ] = None,
    ignore_label: Annotated[
        list[str] | None, typer.Option(metavar="LABELS", help="Leave out rows with these labels: a,b")
    ] = None,
    positive: Annotated[
        str, typer.Option(metavar="LABEL", help="The label that counts; `refusal` includes partial ones.")
    ] = "refusal",
    score_below: Annotated[float | None, typer.Option(metavar="SCORE", help="A score below this is positive.")] = None,
    score_from: Annotated[
        float | None, typer.Option(metavar="SCORE", help="A score of at least this is positive.")
    ] = None,
    disagreements: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all disagreements to this file, as JSONL.")
    ] = None,
    show_first: Annotated[int, typer.Option("--show", min=0, metavar="N", help="Print this many disagreements.")] = 5,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the calibration to this file, for `em-bench corrected`.")
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Measure a judge against people's labels or another judge."""
    measurement = api.calibrate(
        api.CalibrateOptions(
            source=path,
            judges=api.JudgeSelection(judge, (), judge_model, judge_options(judge_option), topic),
            against=against or (),
            labels=labels,
            kind=kind,
            columns=api.Columns(label_column, response_column, prompt_column, group_column, id_column),
            label_map=parse_label_map(label_map or [], ignore_label or []),
            positive=positive,
            score_below=score_below,
            score_from=score_from,
            only_one=save is not None,
        )
    )
    if save is not None:
        api.save_calibration(measurement.measured[0].calibration, save)
    if disagreements is not None:
        api.save_disagreements(measurement, disagreements)
    if as_json:
        show_json(measurement.to_list())
        return
    from em_bench.reports.calibration import measurement_parts

    show(measurement_parts(measurement, show_first))
    if save is not None:
        show_line(f"written: {save}")


@command(app, "corrected", "docs/calibrate.md")
def corrected_command(
    paths: RUNS,
    calibration: Annotated[Path, typer.Option(metavar="FILE", help="A file that `em-bench calibrate --save` wrote.")],
    force: Annotated[
        bool, typer.Option("--force", help="Correct verdicts of another version of the judge as well.")
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Print rates corrected for the judge's errors.

    Beside the rates as judged, and with the calibration's uncertainty in their intervals.
    """
    from em_bench.reports.calibration import corrected_parts

    measured = api.load_calibration(calibration)
    lines = api.corrected(paths, measured, force=force)
    if as_json:
        show_json([asdict(line) for line in lines])
    else:
        show(corrected_parts(measured, lines))
