"""What an evaluation or judging would do and cost, before anything is spent."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType

from em_bench.harness.evaluate import RunForecast
from em_bench.reports.tables import add_row, folding_table

COLUMNS = ("task", "kind", "documents", "responses", "judges", "requests")


def run_forecast_parts(forecast: RunForecast) -> Iterator[RenderableType]:
    plan, passes = forecast.plan, len(forecast.plan.conditions)
    arguments = ", ".join(f"{key}={value}" for key, value in plan.loading.recorded.items())
    names = ", ".join(condition.name for condition in plan.conditions)
    yield f"{plan.loading.model} with {arguments}; under {passes} condition{'s' * (passes > 1)}: {names}"
    table = folding_table(*COLUMNS)
    for task in forecast.tasks:
        judges = ", ".join(task.judges) or "none"
        cells = (task.task, task.kind, task.documents, task.responses, judges, task.judge_requests)
        add_row(table, *map(str, cells))
    yield table
    yield f"in all {forecast.responses} responses and at most {forecast.judge_requests} requests to judge models"
    yield from plan.notes
    yield f"would be written to {plan.output}"


def run_forecast_dict(forecast: RunForecast) -> dict[str, Any]:
    plan = forecast.plan
    return {
        "engine": plan.loading.model,
        "arguments": plan.loading.recorded,
        "output": str(plan.output),
        "conditions": [condition.to_dict() for condition in plan.conditions],
        "tasks": [asdict(task) for task in forecast.tasks],
        "notes": list(plan.notes),
    }


def judging_forecast_lines(
    usages: Mapping[str, Mapping[str, int]], price_in: float | None = None, price_out: float | None = None
) -> Iterator[str]:
    """A line for each version of a judge; prices are of a million tokens."""
    if not usages:
        yield "no judge model would be asked"
    for version, usage in usages.items():
        tokens = f"about {usage['prompt_tokens']} prompt tokens and at most {usage['completion_tokens']} answer tokens"
        text = f"{version}: {usage['requests']} requests, {tokens}"
        if price_in is not None and price_out is not None:
            price = (usage["prompt_tokens"] * price_in + usage["completion_tokens"] * price_out) / 1e6
            text += f", at most about {price:.2f} at your prices"
        yield text
