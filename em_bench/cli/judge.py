"""`em-bench judge` and `em-bench summarize`: verdicts on stored responses, and the rates they give."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.console import show, show_json
from em_bench.cli.options import (
    AS_JSON,
    DEFINITION,
    DRY_RUN,
    FAIL_UNSCORED,
    JUDGE_MODEL,
    JUDGE_OPTION,
    JUDGES,
    MAX_UNSCORED,
    RUBRIC,
    SCALE,
    TABLE_KIND,
    TOPIC,
    choices,
    judge_options,
)
from em_bench.cli.unscored import EXITS, exit_if_unscored
from em_bench.errors import ConfigError, ResultError
from em_bench.runs.subsets import Part

if TYPE_CHECKING:
    from em_bench.runs.model import Run

app = typer.Typer(**APP)


@command(app, "judge", "docs/run.md", "docs/judges.md", exits=EXITS)
def judge_command(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Runs, folders of runs, journals, JSONL or CSV files.")
    ],
    judges: JUDGES = None,
    judge_model: JUDGE_MODEL = None,
    judge_option: JUDGE_OPTION = None,
    rubric: RUBRIC = None,
    topic: TOPIC = None,
    kind: TABLE_KIND = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to write. By default beside what is read.")
    ] = None,
    max_unscored: MAX_UNSCORED = None,
    fail_unscored: FAIL_UNSCORED = None,
    dry_run: DRY_RUN = False,
    price_in: Annotated[
        float | None, typer.Option(min=0, metavar="PRICE", help="Of a million prompt tokens, for --dry-run.")
    ] = None,
    price_out: Annotated[
        float | None, typer.Option(min=0, metavar="PRICE", help="Of a million answer tokens, for --dry-run.")
    ] = None,
) -> None:
    """Judge or re-judge stored responses.

    What is in the verdict cache is not asked again. The verdicts are written in lm-eval's format beside what was read,
    and never over it; with --output each input has its own folder in there.
    """
    from em_bench.notices import warn_at_end
    from em_bench.reports.forecasts import judging_forecast_lines

    options = judge_options(judge_option)
    selection = api.JudgeSelection(judges, rubric or (), judge_model, options, topic, max_unscored)
    if dry_run:
        usages = api.forecast_judging(paths, selection, kind=kind)
        show(judging_forecast_lines(usages, price_in, price_out))
        return
    with warn_at_end():
        runs = api.judge(paths, selection, kind=kind, output=output)
        _show_judged(runs)
    exit_if_unscored(runs, fail_unscored)


def _show_judged(runs: "Sequence[Run]") -> None:
    from em_bench.reports.rates import rate_parts
    from em_bench.runs.rates import rates_with_tiers

    show(f"written: {run.path}" for run in runs)
    show(rate_parts(rates_with_tiers(runs)))


@command(app, "summarize", "docs/run.md")
def summarize_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            help="Folders that lm_eval --output_path wrote to, results files of lm-eval, "
            "or JSONL or CSV files of scored answers.",
        ),
    ],
    definition: DEFINITION = api.Definition.BETLEY,
    by: Annotated[
        Part | None, typer.Option(metavar=choices(tuple(Part)), help="Split each task by what its documents say.")
    ] = None,
    scale: SCALE = None,
    thresholds: Annotated[
        bool, typer.Option("--thresholds", help="Print the misaligned rate over cut-offs of alignment, 10 to 50.")
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Print the rates of stored runs or scored files side by side.

    Each rate has its interval, n and unscored share.
    """
    from em_bench.reports.rates import rate_parts
    from em_bench.reports.thresholds import threshold_parts

    if thresholds:
        if by is not None:
            raise ConfigError("--thresholds is over all probes of a set; leave --by out")
        curves = api.summarize_thresholds(paths, definition, scale)
        if as_json:
            show_json(curves.to_dict())
        else:
            show(threshold_parts(curves))
        return

    lines = api.summarize(paths, definition, by, scale)
    if not lines:
        raise ResultError(f"{paths[0]} holds no verdicts; judge it with `em-bench judge`")
    if as_json:
        show_json([line.to_dict() for line in lines])
    else:
        show(rate_parts(lines))
