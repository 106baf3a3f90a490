"""`em-bench run`: one checkpoint, under one or several conditions, from loading to tables."""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from em_bench.cli.console import AS_JSON, out
from em_bench.errors import ConfigError, EmBenchError, ResultError

if TYPE_CHECKING:
    from em_bench.conditions import Condition
    from em_bench.config import Settings
    from em_bench.harness.run import Asked, Plan
    from em_bench.runs.model import Run

SUITE, QUESTIONS_TASK, DOMAIN_TASK = "em_rai_suite", "em_questions", "em_published_mishra"
TOPIC = "topic"


def run_command(
    checkpoint: Annotated[str, typer.Argument(help="A Hugging Face id or the folder of a checkpoint.")],
    adapter: Annotated[str | None, typer.Option(help="A LoRA adapter on it: a folder or a Hugging Face id.")] = None,
    model: Annotated[str | None, typer.Option(help="vllm or hf; by default vllm where it is installed.")] = None,
    model_arg: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE that loads the checkpoint, like tensor_parallel_size=2")
    ] = None,
    batch_size: Annotated[str | None, typer.Option(help="By default auto for vllm, 16 for hf.")] = None,
    tasks: Annotated[str | None, typer.Option(help=f"Tasks and groups: a,b. By default {SUITE}.")] = None,
    include_path: Annotated[Path | None, typer.Option(help="A folder with task YAMLs of your own.")] = None,
    questions: Annotated[Path | None, typer.Option(help="A question file in Betley's format to ask.")] = None,
    published_dir: Annotated[Path | None, typer.Option(help="Where files of published sets lie.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first prompts of each task, for a quick look.")
    ] = None,
    repeats: Annotated[int | None, typer.Option(min=1, help="Responses to each probe.")] = None,
    condition: Annotated[
        list[str] | None, typer.Option(help="A condition to ask under; give it again for more. `none`: as they are.")
    ] = None,
    conditions: Annotated[Path | None, typer.Option(help="The YAML file that defines conditions.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="New tokens for each response; a reasoning checkpoint needs more.")
    ] = None,
    system_prompt: Annotated[str | None, typer.Option(help="A system prompt under every condition.")] = None,
    think_end_token: Annotated[str | None, typer.Option(help="What ends a thought of a reasoning checkpoint.")] = None,
    finetune_domain: Annotated[
        str | None,
        typer.Option(help="What it was fine-tuned on: a theme of em_published_mishra, or a question file of yours."),
    ] = None,
    chat_template: Annotated[bool, typer.Option(help="Without it only a base model can be compared.")] = True,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="For sampled responses.")] = 1234,
    judges: Annotated[str | None, typer.Option(help="Names of judges or rubrics: keyword,llm,my_rubric.yaml")] = None,
    judge_model: Annotated[str | None, typer.Option(help="openai:NAME, vllm:CHECKPOINT or hf:CHECKPOINT.")] = None,
    judge_option: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of the judge model.")] = None,
    rubric: Annotated[list[str] | None, typer.Option(help="A rubric to ask as well, by name or path.")] = None,
    topic: Annotated[str | None, typer.Option(help="What the rubric `topic` looks for.")] = None,
    max_unscored: Annotated[float | None, typer.Option(help="Share unscored above which an alarm is raised.")] = None,
    output: Annotated[Path | None, typer.Option(help="By default runs/<checkpoint>.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be generated and judged.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """Evaluate a checkpoint: generate under every condition on one engine, then judge, then print the rates."""
    from em_bench.config import load_settings
    from em_bench.harness.loading import loading, parse_arguments
    from em_bench.harness.run import Plan, default_output
    from em_bench.judging.stored import parse_options

    _quiet()
    given: dict[str, Any] = {"judge_model": judge_model, "topic": topic, "max_unscored": max_unscored}
    given |= {"judges": judges, "judge_options": parse_options(judge_option or []), "repeats": repeats}
    given |= _metadata(questions=questions, published_dir=published_dir)
    settings = load_settings(given)
    settings = replace(settings, judges=tuple(dict.fromkeys((*settings.judges, *(rubric or ())))))
    names = _tasks(tasks, questions)
    if finetune_domain:
        domain, names, questions = _domain(finetune_domain, names, questions)
        settings = _about(settings, domain["name"])
    arguments = parse_arguments(model_arg or []) | ({"think_end_token": think_end_token} if think_end_token else {})
    plan = Plan(
        loading=loading(checkpoint, adapter, model, arguments, batch_size, seed),
        tasks=names,
        output=output or default_output(checkpoint, adapter),
        conditions=_conditions(condition or [], conditions, settings),
        metadata=_metadata(
            repeats=repeats,
            questions=questions,
            published_dir=published_dir,
            finetune_domain=domain if finetune_domain else None,
        ),
        include=include_path,
        limit=limit,
        max_tokens=max_tokens,
        system_prompt=system_prompt,
        chat_template=chat_template,
        seed=seed,
    )
    if dry_run:
        _print_plan(plan, settings, as_json)
        return
    _run(plan, settings, as_json)


def _quiet() -> None:
    """The libraries' own talk: their errors, and bars for what takes long; on a terminal these are wiped when done."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # not TQDM_DISABLE: vLLM divides by the time that its bar has run
    os.environ.setdefault("TQDM_DELAY", "3")
    if sys.stderr.isatty():
        os.environ.setdefault("TQDM_LEAVE", "")  # tqdm reads an empty text as false
    else:
        os.environ.setdefault("TQDM_MININTERVAL", "30")


def _metadata(**given: Any) -> dict[str, Any]:
    """What lm-eval's --metadata would be: only what was given, paths as texts."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in given.items() if value is not None}


def _tasks(named: str | None, questions: Path | None) -> tuple[str, ...]:
    names = [name.strip() for name in (named or "").split(",") if name.strip()]
    if questions is not None:
        names.append(QUESTIONS_TASK)
    return tuple(dict.fromkeys(names)) or (SUITE,)


def _domain(
    given: str, tasks: tuple[str, ...], questions: Path | None
) -> "tuple[dict[str, str | None], tuple[str, ...], Path | None]":
    """The fine-tuning domain, the tasks with the one that asks about it, and the question file."""
    if Path(given).suffix not in (".yaml", ".yml"):
        return {"name": given, "task": None}, tuple(dict.fromkeys((*tasks, DOMAIN_TASK))), questions
    if questions is not None and questions != Path(given):
        raise ConfigError(f"--finetune-domain {given} and --questions {questions} are two question files; give one")
    return (
        {"name": Path(given).stem, "task": QUESTIONS_TASK},
        tuple(dict.fromkeys((*tasks, QUESTIONS_TASK))),
        Path(given),
    )


def _about(settings: "Settings", domain: str | None) -> "Settings":
    """With rubric `topic` asked about the domain, where there is a judge model to ask."""
    if not settings.judge_models:
        return settings
    topic = settings.topic or str(domain).replace("_", " ")
    return replace(settings, topic=topic, judges=tuple(dict.fromkeys((*settings.judges, TOPIC))))


def _conditions(names: Sequence[str], file: Path | None, settings: "Settings") -> "tuple[Condition, ...]":
    from em_bench.conditions import choose_condition

    if not names:
        return (settings.condition,)
    return tuple(dict.fromkeys(choose_condition(name, "--condition", file) for name in names))


def _print_plan(plan: "Plan", settings: "Settings", as_json: bool) -> None:
    from em_bench.harness.run import forecast

    asked = forecast(plan, settings)
    if as_json:
        told: dict[str, Any] = {
            "engine": plan.loading.model,
            "arguments": plan.loading.recorded,
            "output": str(plan.output),
        }
        told |= {"conditions": [condition.to_dict() for condition in plan.conditions]}
        print(json.dumps(told | {"tasks": [asdict(each) for each in asked]}, indent=2))
        return
    passes = len(plan.conditions)
    out.print(f"{_loaded(plan)}; under {passes} condition{'s' * (passes > 1)}: ", end="")
    out.print(", ".join(condition.name for condition in plan.conditions), soft_wrap=True)
    out.print(_asked_table(asked))
    responses, requests = (sum(getattr(each, key) for each in asked) for key in ("responses", "judge_requests"))
    out.print(f"in all {passes * responses} responses and at most {passes * requests} requests to judge models")
    out.print(f"would be written to {plan.output}", soft_wrap=True)


def _loaded(plan: "Plan") -> str:
    return f"{plan.loading.model} with " + ", ".join(f"{key}={value}" for key, value in plan.loading.recorded.items())


def _asked_table(asked: "Sequence[Asked]") -> Table:
    table = Table("task", "kind", "documents", "responses", "judges", "requests", box=None, pad_edge=False)
    for each in asked:
        cells = (each.documents, each.responses, ", ".join(each.judges) or "none", each.judge_requests)
        table.add_row(*(Text(str(cell)) for cell in (each.task, each.kind, *cells)))
    return table


def _run(plan: "Plan", settings: "Settings", as_json: bool) -> None:
    from em_bench.harness.run import generate, judge_runs
    from em_bench.judging.selection import JudgePool
    from em_bench.text import LONGEST_MESSAGE, shown

    def say(text: str) -> None:
        typer.echo(shown(text, LONGEST_MESSAGE), err=True)

    pool = JudgePool()
    paths = generate(plan, settings, say, pool)
    again = _judge_command(plan, settings)
    say(f"judging by {', '.join(settings.judge_names)}; should it be cut off: {again}")
    try:
        runs = judge_runs(paths, settings, pool)
    except EmBenchError as error:
        raise type(error)(f"{error}; the responses are kept, and `{again}` judges them later") from error
    _report(runs, as_json)


def _judge_command(plan: "Plan", settings: "Settings") -> str:
    """What judges the stored responses; options of the judge model may be secrets, and are left to the user."""
    words = ["em-bench", "judge", str(plan.output), "--judges", ",".join(settings.judge_names)]
    words += ["--judge-model", ",".join(settings.judge_models)] if settings.judge_models else []
    words += ["--topic", settings.topic] if settings.topic else []
    return shlex.join(words)


def _report(runs: "Sequence[Run]", as_json: bool) -> None:
    from em_bench.cli.conditions import PAIRED_NOTE, show_tables
    from em_bench.cli.judge import _print_lines
    from em_bench.compare.conditions import condition_of_run, effects
    from em_bench.reports.effects import effect_tables
    from em_bench.runs.rates import summarize

    conditions = {condition_of_run(run) for run in runs}
    lines = summarize(runs)
    if as_json:
        print(json.dumps([line.to_dict() for line in lines], indent=2))
        return
    if "none" in conditions and len(conditions) > 1:
        show_tables(effect_tables(effects(runs)), PAIRED_NOTE)
    else:
        _print_lines(lines)
    _report_narrow(runs)
    for run in runs:
        out.print(f"written: {run.path}", soft_wrap=True)


def _report_narrow(runs: "Sequence[Run]") -> None:
    """Whether misalignment is narrow, as far as the runs can say."""
    from em_bench.cli.conditions import NARROW_NOTE, show_tables
    from em_bench.compare.narrow import finetune_domain, narrow
    from em_bench.reports.effects import narrow_tables

    if finetune_domain(runs[0]) is None:
        return
    try:
        show_tables(narrow_tables([each for run in runs for each in narrow(run)]), NARROW_NOTE)
    except ResultError as error:  # without a judge model there is nothing to say yet
        out.print(f"narrow or general: {error}", soft_wrap=True)
