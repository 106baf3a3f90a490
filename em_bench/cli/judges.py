"""`em-bench judges` and `em-bench judges test`: what is there, and how well a judge model does with a rubric."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.console import EXIT_INCONCLUSIVE, show, show_json
from em_bench.cli.options import AS_JSON, JUDGE_MODEL, JUDGE_OPTION, TOPIC, judge_options

app = typer.Typer(
    help="List the judges and rubrics, or test a judge model on a rubric's cases.",
    epilog="Read on: docs/judges.md, docs/rubrics.md",
    **(APP | {"no_args_is_help": False}),
)


@app.callback(invoke_without_command=True)
def judges_command(context: typer.Context, as_json: AS_JSON = False) -> None:
    from em_bench.reports.setup import judges_table

    if context.invoked_subcommand is not None:
        return
    rows = api.judges()
    if as_json:
        show_json([asdict(row) for row in rows])
    else:
        show([judges_table(rows)])


@command(app, "test", "docs/rubrics.md", "docs/calibrate.md", exits="0 fine; 3 no case was scored")
def test_command(
    rubric: Annotated[
        str, typer.Argument(metavar="RUBRIC", help="A rubric by name or path, a question file, or betley.")
    ],
    judge_model: JUDGE_MODEL = None,
    judge_option: JUDGE_OPTION = None,
    cases: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A table of cases. By default the rubric's own.")
    ] = None,
    topic: TOPIC = None,
    as_json: AS_JSON = False,
) -> None:
    """Put responses with known verdicts to a judge model.

    Prints how many verdicts are the expected ones, which are confused, and each case that was missed with the judge
    model's reason. Several judge models, separated by commas, are tested one by one.
    """
    from em_bench.reports.rubric_tests import rubric_test_parts

    selection = api.JudgeSelection(model=judge_model, model_options=judge_options(judge_option), topic=topic)
    tests = api.test_rubric(rubric, selection, cases)
    if as_json:
        show_json([test.to_dict() for test in tests])
    else:
        show(part for test in tests for part in rubric_test_parts(test))
    if all(test.agreement is None or test.agreement.value is None for test in tests):
        raise typer.Exit(EXIT_INCONCLUSIVE)
