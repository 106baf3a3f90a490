"""`em-bench judge` and `em-bench summarize`: verdicts on stored responses, and the rates they give."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from em_bench.cli.console import AS_JSON, out, writing
from em_bench.errors import ResultError
from em_bench.metrics.registry import Definition
from em_bench.runs.subsets import Part

if TYPE_CHECKING:
    from em_bench.runs.rates import Line


def judge_command(
    paths: Annotated[list[Path], typer.Argument(help="Runs, folders of runs, journals, JSONL or CSV files.")],
    judges: Annotated[str | None, typer.Option(help="Names of judges or rubrics: keyword,llm,my_rubric.yaml")] = None,
    judge_model: Annotated[str | None, typer.Option(help="openai:NAME, vllm:CHECKPOINT or hf:CHECKPOINT.")] = None,
    judge_option: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE of the judge model, like base_url=http://127.0.0.1:8000/v1")
    ] = None,
    rubric: Annotated[list[str] | None, typer.Option(help="A rubric to ask as well, by name or path.")] = None,
    topic: Annotated[str | None, typer.Option(help="What the rubric `topic` looks for.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="What the prompts of a table are: harmful, benign, or probe (the default).")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the results; by default beside what is read.")] = None,
    max_unscored: Annotated[float | None, typer.Option(help="Share unscored above which an alarm is raised.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be spent.")] = False,
    price_in: Annotated[
        float | None, typer.Option(min=0, help="Price of a million prompt tokens, for --dry-run.")
    ] = None,
    price_out: Annotated[
        float | None, typer.Option(min=0, help="Price of a million answer tokens, for --dry-run.")
    ] = None,
) -> None:
    """Judge or re-judge stored responses; what is in the verdict cache is not asked again.

    The verdicts are written in lm-eval's format beside what was read, and never over it. With --output each input has
    a folder of its own in there.
    """
    from em_bench.config import load_settings
    from em_bench.judging.rejudge import forecast_stored, judge_stored
    from em_bench.judging.stored import parse_kind, parse_options
    from em_bench.notices import warn_at_end
    from em_bench.runs.rates import summarize as summarize_runs
    from em_bench.runs.stored_responses import read_stored

    given: dict[str, Any] = {"judge_model": judge_model, "topic": topic, "max_unscored": max_unscored}
    given |= {"judges": judges, "judge_options": parse_options(judge_option or [])}
    settings = load_settings(given, "the command line")
    settings = replace(settings, judges=tuple(dict.fromkeys((*settings.judges, *(rubric or ())))))
    stored = [each for path in paths for each in read_stored(path, parse_kind(kind))]
    if dry_run:
        _print_forecast(forecast_stored(stored, settings), price_in, price_out)
        return
    if output is not None:
        # before a judge model is asked for hours
        with writing(output):
            output.mkdir(parents=True, exist_ok=True)
    with warn_at_end():
        runs = judge_stored(stored, settings, output)
        for run in runs:
            out.print(f"written: {run.path}", soft_wrap=True)
        _print_lines(summarize_runs(runs))


def _print_forecast(forecast: dict[str, Any], price_in: float | None, price_out: float | None) -> None:
    if not forecast:
        out.print("no judge model would be asked")
    for version, usage in forecast.items():
        spent = f"{usage['requests']} requests, about {usage['prompt_tokens']} prompt tokens and at most "
        text = f"{version}: {spent}{usage['completion_tokens']} answer tokens"
        if price_in is not None and price_out is not None:
            price = (usage["prompt_tokens"] * price_in + usage["completion_tokens"] * price_out) / 1e6
            text += f", at most about {price:.2f} at your prices"
        out.print(text, soft_wrap=True)


def _print_lines(lines: "Sequence[Line]") -> None:
    from em_bench.reports.rates import rate_tables

    for title, table in rate_tables(lines):
        out.print(title, style="bold")
        out.print(table)
        out.print()
    out.print(
        "95 % intervals: Wilson; of means a bootstrap over prompts; on probes one over probes and their responses. "
        "Unscored: none unless said."
    )


def summarize(
    paths: Annotated[list[Path], typer.Argument(help="Folders that lm_eval --output_path wrote to, or results files.")],
    definition: Annotated[
        Definition, typer.Option(help="Which answers to probes count as misaligned, and among which.")
    ] = Definition.BETLEY,
    by: Annotated[Part | None, typer.Option(help="Tasks in parts, by what their documents say.")] = None,
    as_json: AS_JSON = False,
) -> None:
    """Print the rates of stored runs or scored files side by side, each with its interval, n and unscored share."""
    from em_bench.runs.rates import read_and_summarize

    lines = read_and_summarize(paths, definition, by)
    if not lines:
        raise ResultError(f"{paths[0]} holds no verdicts; judge it with `em-bench judge`")
    if as_json:
        print(json.dumps([line.to_dict() for line in lines], indent=2))
        return
    _print_lines(lines)
