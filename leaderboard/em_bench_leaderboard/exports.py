"""Results in other people's forms.

| format             | what it is                                                                                     |
| ---                | ---                                                                                            |
| `model-index`      | YAML for the head of a Hugging Face model card                                                 |
| `eval-results`     | a file for a model repository's `.eval_results/` folder; names a benchmark dataset on the Hub  |
| `csv`              | a row a rate, subsets included                                                                 |
| `every-eval-ever`  | JSON by the Every Eval Ever project's schema, version 0.2.2                                    |

Rates are shares in 0..1, `alignment_mean` goes to 100. One that was not measured is left out, never written as 0.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import yaml

from em_bench.errors import ConfigError
from em_bench.metrics.registry import METRICS, Kind, higher_is_better, main_metric
from em_bench.runs.result import RateRecord, RunResult, TaskRecord
from em_bench_leaderboard.rows import is_mean

EEE_VERSION = "0.2.2"
MAIN_METRIC = {kind: main_metric(kind) for kind in Kind}
CSV_FIELDS = (
    "run", "created", "checkpoint", "condition", "task", "kind", "domain", "subset", "judge", "judge_version", "metric",
    "definition", "value", "low", "high", "n", "documents", "unscored", "worst", "best", "prompt_set_sha256",
)  # fmt: skip
CLUSTERED = "Student's t over probes, with Wilson's over what their responses are worth"


def export(result: RunResult, form: str, *, dataset: str | None = None, judge: str | None = None) -> str:
    """The result as text of the named format. Raises `ConfigError` for an unknown one, or one that needs more."""
    writers: Mapping[str, Callable[[], str]] = {
        "model-index": lambda: _yaml({"model-index": [_model_index(result, judge)]}),
        "eval-results": lambda: _yaml(_eval_results(result, dataset, judge)),
        "csv": lambda: _csv(result, judge),
        "every-eval-ever": lambda: json.dumps(every_eval_ever(result, judge), indent=2, ensure_ascii=False) + "\n",
    }
    if form not in writers:
        raise ConfigError(f"format {form!r} is unknown; known: {', '.join(writers)}")
    return writers[form]()


def _measured(result: RunResult, judge: str | None) -> list[RateRecord]:
    """Rates of whole tasks that have a value and a direction; `judge` picks those of one."""
    judges = {rate.judge for rate in result.rates}
    if judge is not None and judge not in judges:
        raise ConfigError(f"judge {judge!r} judged nothing in this run; known: {', '.join(sorted(judges))}")
    return [
        rate
        for rate in result.rates
        if not rate.subset
        and rate.value is not None
        and higher_is_better(rate.kind, rate.metric) is not None
        and judge in (None, rate.judge)
    ]


def _model_index(result: RunResult, judge: str | None) -> dict[str, Any]:
    tasks = {task.name: task for task in result.tasks}
    entries = []
    for name, task in tasks.items():
        metrics = [_metric(rate, task) for rate in _measured(result, judge) if rate.task == name]
        if metrics:
            entries.append(
                {
                    "task": {"type": "text-generation", "name": _asks(task)},
                    "dataset": {
                        "type": name,
                        "name": f"em-bench {name}",
                        "args": {"version": task.version, "prompt_set_sha256": task.prompt_set_sha256},
                    },
                    "metrics": metrics,
                }
            )
    return {"name": result.checkpoint.name, "results": entries}


def _metric(rate: RateRecord, task: TaskRecord) -> dict[str, Any]:
    details = {"judge": rate.judge, "judge_version": _version(task, rate.judge), "definition": rate.definition}
    counts = {"low": _round(rate.low), "high": _round(rate.high), "n": rate.n, "unscored": rate.unscored}
    return {
        "type": rate.metric,
        "name": f"{rate.metric.replace('_', ' ')} (judge {rate.judge})",
        "value": _round(rate.value),
        "args": {key: value for key, value in (details | counts).items() if value is not None},
    }


def _eval_results(result: RunResult, dataset: str | None, judge: str | None) -> list[dict[str, Any]]:
    if not dataset:
        raise ConfigError("eval-results names a benchmark dataset on the Hub; give it with --dataset OWNER/NAME")
    rates = [rate for rate in _measured(result, judge) if rate.metric == MAIN_METRIC[rate.kind]]
    if len(judges := {rate.judge for rate in rates}) > 1:
        raise ConfigError(
            f"eval-results holds one value a task; choose a judge with --judge {'|'.join(sorted(judges))}"
        )
    return [
        {
            "dataset": {"id": dataset, "task_id": rate.task},
            "value": _round(rate.value),
            "date": result.created[:10],
            "notes": f"{rate.metric}, judge {rate.judge}, 95 % interval {_round(rate.low)}-{_round(rate.high)}, "
            f"n={rate.n}, unscored={rate.unscored}" + (f", {rate.definition}" if rate.definition else ""),
        }
        for rate in rates
    ]


def _csv(result: RunResult, judge: str | None) -> str:
    tasks = {task.name: task for task in result.tasks}
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, CSV_FIELDS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for rate in result.rates:
        if judge in (None, rate.judge):
            run = {"run": result.id, "created": result.created, "checkpoint": result.checkpoint.name}
            task = tasks[rate.task]
            more = {
                "condition": result.condition_name,
                "judge_version": _version(task, rate.judge),
                "prompt_set_sha256": task.prompt_set_sha256,
            }
            row = asdict(rate) | run | more
            writer.writerow({key: _no_formula(value) for key, value in row.items()})
    return file.getvalue()


def _no_formula(value: Any) -> Any:
    """A spreadsheet runs a cell that starts like a formula; an apostrophe makes it text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def every_eval_ever(result: RunResult, judge: str | None = None) -> dict[str, Any]:
    """The record of evaleval/every_eval_ever, `eval.schema.json` version 0.2.2."""
    tasks = {task.name: task for task in result.tasks}
    when = str(int(_time(result.created).timestamp())) if result.created else "0"
    name = result.checkpoint.name
    return {
        "schema_version": EEE_VERSION,
        "evaluation_id": f"em-bench/{name.replace('/', '_')}/{when}",
        "evaluation_timestamp": result.created,
        "retrieved_timestamp": when,
        "source_metadata": {
            "source_name": "em-bench",
            "source_type": "evaluation_run",
            "source_organization_name": name.rpartition("/")[0] or "unknown",
            "evaluator_relationship": "other",
            "additional_details": {"run_id": result.id, "demonstration": str(result.demonstration).lower()},
        },
        "eval_library": {
            "name": "em-bench",
            "version": result.em_bench_version,
            "additional_details": {key: str(value) for key, value in sorted(result.versions.items())},
        },
        "model_info": {
            "name": name,
            "id": name,
            "inference_engine": {"name": result.engine, "version": str(result.versions.get(result.engine, "unknown"))},
            "additional_details": _strings(
                {
                    "base": result.checkpoint.base,
                    "adapter": result.checkpoint.adapter,
                    "revision": result.checkpoint.revision,
                    "method": result.method,
                    "condition": result.condition_name,
                }
            ),
        },
        "evaluation_results": [_eee_result(result, rate, tasks[rate.task]) for rate in _measured(result, judge)],
    }


def _eee_result(result: RunResult, rate: RateRecord, task: TaskRecord) -> dict[str, Any]:
    generation = dict(task.generation)
    limits = {"temperature": generation.get("temperature"), "max_tokens": task.max_gen_toks}
    arguments: dict[str, Any] = {key: value for key, value in limits.items() if isinstance(value, int | float)}
    if result.command:
        arguments["execution_command"] = result.command
    return {
        "evaluation_result_id": f"{rate.task}/{rate.judge}/{rate.metric}",
        "evaluation_name": rate.task,
        "evaluation_timestamp": result.created,
        "source_data": {
            "dataset_name": rate.task,
            "source_type": "other",
            "additional_details": {
                "version": task.version,
                "prompt_set_sha256": task.prompt_set_sha256,
                "documents": str(task.documents),
            },
        },
        "metric_config": _eee_metric(rate, task),
        "score_details": _eee_score(rate),
        "generation_config": {"generation_args": arguments},
    }


def _eee_metric(rate: RateRecord, task: TaskRecord) -> dict[str, Any]:
    details = {"judge": rate.judge, "judge_version": _version(task, rate.judge), "definition": rate.definition}
    return {
        "evaluation_description": _asks(task),
        "metric_id": f"em_bench.{rate.metric}",
        "metric_name": rate.metric.replace("_", " "),
        "metric_unit": "points" if is_mean(rate) else "proportion",
        "lower_is_better": not higher_is_better(rate.kind, rate.metric),
        "score_type": "continuous",
        "min_score": 0,
        "max_score": METRICS[rate.metric].highest if is_mean(rate) else 1,
        "additional_details": _strings(details),
    }


def _eee_score(rate: RateRecord) -> dict[str, Any]:
    return {
        "score": rate.value,
        "details": {"unscored": str(rate.unscored), "worst": str(rate.worst), "best": str(rate.best)},
        "uncertainty": {
            "confidence_interval": {
                "lower": rate.low,
                "upper": rate.high,
                "confidence_level": 0.95,
                "method": CLUSTERED if rate.kind is Kind.PROBE else "Wilson",
            },
            "num_samples": rate.n,
        },
    }


def _asks(task: TaskRecord) -> str:
    domain = task.domain.replace("_", " ")
    texts = {
        Kind.HARMFUL: f"Refusal of harmful prompts, {domain}",
        Kind.BENIGN: f"Refusal of benign look-alikes of harmful prompts, {domain}",
        Kind.PROBE: "Emergent misalignment in answers to open questions",
        Kind.CARE: "Support in responses to messages in a crisis",
    }
    return texts[task.kind]


def _version(task: TaskRecord, judge: str) -> str | None:
    return next((record.version for record in task.judges if record.name == judge), None)


def _strings(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items() if value is not None}


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _yaml(value: Mapping[str, Any] | Iterable[Any]) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
    return text
