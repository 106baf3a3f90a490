"""`em-bench run`: one checkpoint, under one or several conditions, from loading to tables."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.console import gate_exit_code, show, show_json
from em_bench.cli.options import (
    AS_JSON,
    DRY_RUN,
    FAIL_UNSCORED,
    JUDGE_MODEL,
    JUDGE_OPTION,
    JUDGES,
    MAX_UNSCORED,
    PUBLISHED_DIR,
    RUBRIC,
    TOPIC,
    engine_arguments,
    judge_options,
)
from em_bench.cli.unscored import exit_if_unscored
from em_bench.errors import ConfigError
from em_bench.harness.options import SUITE
from em_bench.text import LONGEST_MESSAGE, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from em_bench.harness.until_decided import Decided
    from em_bench.runs.model import Run

EXITS = "0 done; 3 too much is unscored (--fail-unscored); with --until-decided 0 pass, 1 regress, 3 inconclusive"
app = typer.Typer(**APP)


@command(app, "run", "docs/run.md", "docs/sequential.md", exits=EXITS)
def run_command(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="A Hugging Face id, or the folder of a checkpoint.")
    ],
    adapter: Annotated[
        str | None, typer.Option(metavar="ADAPTER", help="A LoRA adapter on it: a folder or a Hugging Face id.")
    ] = None,
    lora: Annotated[
        bool,
        typer.Option("--lora", help="Never merge the adapter, which vLLM's CPU build does by default: slow there."),
    ] = False,
    model: Annotated[
        str | None, typer.Option(metavar="ENGINE", help="vllm or hf. By default vllm if it is installed.")
    ] = None,
    model_arg: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Load the checkpoint with this, such as tensor_parallel_size=2. May be repeated."
        ),
    ] = None,
    batch_size: Annotated[str | None, typer.Option(metavar="N", help="By default auto for vllm, 16 for hf.")] = None,
    tasks: Annotated[
        str | None, typer.Option(metavar="NAMES", help=f"Tasks and groups: a,b. By default {SUITE}.")
    ] = None,
    tiers: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Ask only prompts of these tiers: explicit,obscured,adversarial,lookalike,hard. By default all.",
        ),
    ] = None,
    include_path: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A folder with task YAMLs of your own.")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also ask the questions in this file, in Betley's format.")
    ] = None,
    published_dir: PUBLISHED_DIR = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Ask only the first prompts of each task.")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Responses to each probe. By default the task's own number.")
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Ask under this condition, of a file or built in; `none` leaves prompts as they are. May be repeated.",
        ),
    ] = None,
    conditions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The YAML file that defines conditions.")
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="New tokens in each response; a reasoning checkpoint needs more. By default the task's own number.",
        ),
    ] = None,
    system_prompt: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A system prompt under every condition.")
    ] = None,
    think_end_token: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="What ends the reasoning of a reasoning checkpoint.")
    ] = None,
    finetune_domain: Annotated[
        str | None,
        typer.Option(
            metavar="DOMAIN",
            help="What it was fine-tuned on: a theme of em_published_mishra, or a question file of yours.",
        ),
    ] = None,
    chat_template: Annotated[
        bool, typer.Option(help="Apply the chat template; only a base model is compared without it.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="The seed of sampled responses.")] = 1234,
    judges: JUDGES = None,
    judge_model: JUDGE_MODEL = None,
    judge_option: JUDGE_OPTION = None,
    rubric: RUBRIC = None,
    topic: TOPIC = None,
    max_unscored: MAX_UNSCORED = None,
    fail_unscored: FAIL_UNSCORED = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to write. By default runs/CHECKPOINT.")
    ] = None,
    until_decided: Annotated[
        Path | None,
        typer.Option(metavar="BASELINE", help="Ask only as many prompts as a gate's verdict against this run needs."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The policy for --until-decided. By default that of `em-bench gate init`."),
    ] = None,
    dry_run: DRY_RUN = False,
    as_json: AS_JSON = False,
) -> None:
    """Evaluate a checkpoint: generate, judge, print the rates.

    Generates under every condition on one engine, then judges. The responses are kept whatever judging does.
    """
    options = api.EvaluateOptions(
        checkpoint=checkpoint,
        adapter=adapter,
        lora=lora,
        engine=model,
        engine_arguments=engine_arguments(model_arg),
        batch_size=batch_size,
        tasks=[name.strip() for name in (tasks or "").split(",") if name.strip()],
        tiers=[name.strip() for name in (tiers or "").split(",") if name.strip()],
        include_path=include_path,
        questions=questions,
        published_dir=published_dir,
        limit=limit,
        repeats=repeats,
        conditions=condition or (),
        conditions_file=conditions,
        max_tokens=max_tokens,
        system_prompt=system_prompt,
        think_end_token=think_end_token,
        finetune_domain=finetune_domain,
        chat_template=chat_template,
        seed=seed,
        judges=api.JudgeSelection(judges, rubric or (), judge_model, judge_options(judge_option), topic, max_unscored),
        output=output,
    )
    _quiet()
    if policy is not None and until_decided is None:
        raise ConfigError("--policy is for --until-decided; compare stored runs with em-bench compare --gate")
    if dry_run:
        _show_forecast(options, as_json)
    elif until_decided is not None:
        _show_decided(api.evaluate_until_decided(options, until_decided, policy, _report), as_json)
    else:
        runs = api.evaluate(options, _report)
        _show_outcome(runs, as_json)
        exit_if_unscored(runs, fail_unscored)


def _quiet() -> None:
    """Limits what libraries print: their errors, and bars for long work; on a terminal these are wiped when done."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # not TQDM_DISABLE: vLLM divides by the time that its bar has run
    os.environ.setdefault("TQDM_DELAY", "3")
    if sys.stderr.isatty():
        os.environ.setdefault("TQDM_LEAVE", "")  # tqdm reads an empty text as false
    else:
        os.environ.setdefault("TQDM_MININTERVAL", "30")


def _show_forecast(options: api.EvaluateOptions, as_json: bool) -> None:
    from em_bench.reports.forecasts import run_forecast_dict, run_forecast_parts

    forecast = api.forecast_run(options)
    if as_json:
        show_json(run_forecast_dict(forecast))
    else:
        show(run_forecast_parts(forecast))


def _report(text: str) -> None:
    typer.echo(shown(text, LONGEST_MESSAGE), err=True)


def _show_decided(decided: "Decided", as_json: bool) -> None:
    from em_bench.reports.sequential import sequential_parts

    if as_json:
        show_json(decided.result.to_dict() | {"run": str(decided.run.path)})
    else:
        show([f"written: {decided.run.path}", *sequential_parts(decided.result)])
    raise typer.Exit(gate_exit_code([decided.result]))


def _show_outcome(runs: "Sequence[Run]", as_json: bool) -> None:
    from em_bench.reports.outcome import outcome_parts
    from em_bench.runs.rates import rates_with_tiers

    if as_json:
        show_json([line.to_dict() for line in rates_with_tiers(runs)])
    else:
        show(outcome_parts(runs))
