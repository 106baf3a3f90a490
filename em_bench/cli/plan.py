"""`em-bench plan`: what a gate can decide, before money is spent."""

from pathlib import Path
from typing import Annotated

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.console import show, show_json
from em_bench.cli.options import AS_JSON

app = typer.Typer(**APP)


@command(app, "plan", "docs/plan.md", "docs/gate.md")
def plan_command(
    baselines: Annotated[
        list[Path] | None,
        typer.Option("--baseline", metavar="RUN", help="Runs of one checkpoint, to measure the noise. Repeat it."),
    ] = None,
    gate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The policy. By default that of `em-bench gate init`.")
    ] = None,
    prompts: Annotated[
        int | None,
        typer.Option(min=1, max=2000, metavar="N", help="Prompts in each domain. By default the baselines', or 145."),
    ] = None,
    domains: Annotated[
        int | None, typer.Option(min=1, max=100, metavar="N", help="Domains. By default the baselines', or 7.")
    ] = None,
    churn: Annotated[
        float, typer.Option(min=0, max=0.5, metavar="SHARE", help="True verdicts that turn each way, assumed.")
    ] = 0.02,
    judge_error: Annotated[
        float | None,
        typer.Option(
            min=0, max=0.49, metavar="SHARE", help="Readings in which the judge is wrong. By default 0.02, or measured."
        ),
    ] = None,
    equal_share: Annotated[
        float, typer.Option(min=0, max=1, metavar="SHARE", help="Responses that are the same in both runs, assumed.")
    ] = 0.0,
    power: Annotated[float, typer.Option(min=0.5, max=0.99, metavar="SHARE", help="The power wanted.")] = 0.8,
    as_json: AS_JSON = False,
) -> None:
    """Say how many prompts, repeats or readings a gate needs.

    From reruns of a baseline (--baseline A --baseline B), or from an assumed churn and judge error.
    """
    options = api.PlanOptions(baselines or (), gate, prompts, domains, churn, judge_error, equal_share, power)
    plan = api.plan(options)
    if as_json:
        show_json(plan.to_dict())
    else:
        from em_bench.reports.plan import plan_parts

        show(plan_parts(plan))
