"""One evaluation from its options: what it will do, and doing it.

`plan` turns options into what `em_bench.harness.run` does; `evaluate` generates, then judges.
"""

import logging
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from em_bench.conditions import Condition, choose_condition
from em_bench.config import Settings
from em_bench.errors import ConfigError, EmBenchError
from em_bench.harness.loading import loading
from em_bench.harness.options import SUITE, EvaluateOptions
from em_bench.harness.published_probes import REPEATS, published_probes
from em_bench.harness.run import Plan, TaskForecast, default_output, forecast, generate, judge_runs
from em_bench.judging.selection import JudgePool
from em_bench.runs.model import Run

log = logging.getLogger(__name__)

QUESTIONS_TASK, DOMAIN_TASK = "em_questions", "em_published_mishra"
TOPIC = "topic"


@dataclass(frozen=True, slots=True)
class RunForecast:
    """What an evaluation would generate and ask, in each of its passes."""

    plan: Plan
    tasks: tuple[TaskForecast, ...]

    @property
    def responses(self) -> int:
        return len(self.plan.conditions) * sum(task.responses for task in self.tasks)

    @property
    def judge_requests(self) -> int:
        return len(self.plan.conditions) * sum(task.judge_requests for task in self.tasks)


def evaluate(options: EvaluateOptions, report: Callable[[str], None] = log.info) -> list[Run]:
    """Generates under every condition on one engine, then judges; `report` gets a line for each step.

    Raises an `EmBenchError`; once there are responses its message says how to judge them later.
    """
    plan, settings = make_plan(options)
    pool = JudgePool()
    for note in plan.notes:
        report(note)
    runs = generate(plan, settings, report, pool)
    again = judge_command(plan, settings)
    report(f"judging by {', '.join(settings.judge_names)}; if this is interrupted: {again}")
    try:
        return judge_runs(runs, settings, pool)
    except EmBenchError as error:
        raise type(error)(f"{error}; the responses are kept, and `{again}` judges them later") from error


def forecast_run(options: EvaluateOptions) -> RunForecast:
    """What `evaluate` would do; nothing is loaded, generated or written."""
    plan, settings = make_plan(options)
    return RunForecast(plan, tuple(forecast(plan, settings)))


def make_plan(options: EvaluateOptions) -> tuple[Plan, Settings]:
    """Raises `ConfigError` or `PrerequisiteError` for options that do not fit, before anything is loaded."""
    own = {"questions": options.questions, "published_dir": options.published_dir}
    asked = _present(repeats=options.repeats, tiers=list(options.tiers) or None, **own)
    settings = options.judges.settings(**asked)
    tasks, questions, domain = _tasks(options)
    if domain is not None:
        settings = _with_topic(settings, str(domain["name"]))
    added, notes, repeats = _published(options, settings)
    reasoning = {"think_end_token": options.think_end_token} if options.think_end_token else {}
    plan = Plan(
        loading=loading(
            options.checkpoint,
            options.adapter,
            options.engine,
            dict(options.engine_arguments) | reasoning,
            options.batch_size,
            options.seed,
            options.lora,
        ),
        tasks=_unique([*tasks, *added]),
        output=options.output or default_output(options.checkpoint, options.adapter),
        conditions=_conditions(options, settings),
        metadata=_present(
            repeats=repeats,
            tiers=list(settings.tiers) or None,
            questions=questions,
            published_dir=options.published_dir,
            finetune_domain=domain,
        ),
        include=options.include_path,
        limit=options.limit,
        max_tokens=options.max_tokens,
        system_prompt=options.system_prompt,
        chat_template=options.chat_template,
        seed=options.seed,
        notes=notes,
    )
    return plan, settings


def _published(options: EvaluateOptions, settings: Settings) -> tuple[tuple[str, ...], tuple[str, ...], int | None]:
    """What the default suite asks of published probes: their tasks, what to say of that, and the repeats of all."""
    if options.tasks or options.questions is not None:
        return (), (), options.repeats
    added, note = published_probes(settings)
    return added, (note,), options.repeats or settings.repeats or (REPEATS if added else None)


def judge_command(plan: Plan, settings: Settings) -> str:
    """The command that judges the stored responses. It leaves out options of the judge model, which may be secret."""
    words = ["em-bench", "judge", str(plan.output), "--judges", ",".join(settings.judge_names)]
    words += ["--judge-model", ",".join(settings.judge_models)] if settings.judge_models else []
    words += ["--topic", settings.topic] if settings.topic else []
    return shlex.join(words)


def _present(**values: Any) -> dict[str, Any]:
    """The values that are not None, paths as texts, as in lm-eval's --metadata."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items() if value is not None}


def _tasks(options: EvaluateOptions) -> tuple[tuple[str, ...], Path | None, dict[str, str | None] | None]:
    """The tasks, the question file, and the fine-tuning domain with the task that asks about it."""
    questions, domain = options.questions, options.finetune_domain
    names = [*options.tasks, *([QUESTIONS_TASK] if questions is not None else [])] or [SUITE]
    if domain is None:
        return _unique(names), questions, None
    if Path(domain).suffix not in (".yaml", ".yml"):
        return _unique([*names, DOMAIN_TASK]), questions, {"name": domain, "task": None}
    if questions is not None and questions != Path(domain):
        raise ConfigError(f"--finetune-domain {domain} and --questions {questions} are two question files; give one")
    about: dict[str, str | None] = {"name": Path(domain).stem, "task": QUESTIONS_TASK}
    return _unique([*names, QUESTIONS_TASK]), Path(domain), about


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _with_topic(settings: Settings, domain: str) -> Settings:
    """With the rubric `topic` on the domain, if a judge model can be asked."""
    if not settings.judge_models:
        return settings
    topic = settings.topic or domain.replace("_", " ")
    return replace(settings, topic=topic, judges=tuple(dict.fromkeys((*settings.judges, TOPIC))))


def _conditions(options: EvaluateOptions, settings: Settings) -> tuple[Condition, ...]:
    if not options.conditions:
        return (settings.condition,)
    chosen = [choose_condition(name, "--condition", options.conditions_file) for name in options.conditions]
    return tuple(dict.fromkeys(chosen))
