"""What em-bench records about a task under `metadata.em_bench`, validated once into a `TaskRun`."""

import functools
from collections.abc import Mapping
from typing import Any

from em_bench.conditions import recorded_condition
from em_bench.errors import ConfigError, ResultError
from em_bench.runs.model import TaskRun

FIELDS = (
    *("kind", "domain", "em_bench_version", "prompt_set_sha256", "chat_template", "system_instruction"),
    *("max_gen_toks", "truncated", "finetune_domain", "source", "reasoning_opened", "tiers"),
)


def parse_record(record: object, task: str, where: str) -> TaskRun:
    """The task without its samples; keys that are not known are left out. Raises `ResultError` naming the first that
    does not fit.
    """
    from pydantic import ValidationError

    if not isinstance(record, Mapping):
        raise _misfit(where, task, f"its record is {record!r}")
    try:
        condition = recorded_condition(record)
    except ConfigError as error:
        raise ResultError(f"{where}: {error}") from error
    values = {key: record[key] for key in FIELDS if key in record}
    values |= {"name": task, "samples": (), "condition": condition, "judges": _judges(record.get("judges", {}))}
    try:
        run: TaskRun = _adapter().validate_python(values)
        return run
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _misfit(where, task, f"{place}: {first['msg']}") from None


def _judges(judges: object) -> object:
    """Each judge's record with its name in it."""
    if not isinstance(judges, Mapping):
        return judges
    return {name: _judge(name, judge) if isinstance(judge, Mapping) else judge for name, judge in judges.items()}


def _judge(name: str, judge: Mapping[str, Any]) -> dict[str, Any]:
    return {**judge, "name": name, "usage": judge.get("usage_of_all_tasks")}


def _misfit(where: str, task: str, what: str) -> ResultError:
    return ResultError(f"{where}: task {task} was written by another version of em-bench ({what}); run it again")


@functools.cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(TaskRun)
