"""A short form of each task: the prompts that say most of its rate (see `em_bench.stats.short_form`)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from em_bench.compare.items import ItemSet, ItemStatistics
from em_bench.errors import ResultError
from em_bench.metrics.registry import Kind
from em_bench.stats.discrimination import FEWEST_TAKERS
from em_bench.stats.short_form import ShortForm, short_form


@dataclass(frozen=True, slots=True)
class TaskShortForm:
    """The ids of the prompts that were chosen of a task's `of`."""

    task: str
    kind: Kind
    ids: tuple[str, ...]
    of: int
    form: ShortForm

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = asdict(self.form)
        del values["chosen"]
        return {"task": self.task, "kind": str(self.kind), "ids": list(self.ids), "of": self.of} | values


def short_forms(statistics: ItemStatistics, size: int) -> list[TaskShortForm]:
    """Of each task of prompts. Raises `ResultError` with too few checkpoints, or none of whose tasks has enough prompts
    that every checkpoint has a score of.
    """
    if len(statistics.checkpoints) < FEWEST_TAKERS:
        raise ResultError(
            f"a short form needs {FEWEST_TAKERS} checkpoints, and there are {len(statistics.checkpoints)}; give more "
            "runs, or leave --short-form out"
        )
    made = [form for each in statistics.sets for form in _short_form(each, size)]
    if not made:
        raise ResultError(f"no task has {size} prompts that every checkpoint has a score of; make --short-form smaller")
    return made


def _short_form(items: ItemSet, size: int) -> Iterator[TaskShortForm]:
    complete = sum(None not in item.values.values() for item in items.items)
    if items.kind is Kind.PROBE or complete < size:
        return
    form = short_form(items.values, [item.tier for item in items.items], size)
    ids = tuple(items.items[place].id for place in form.chosen)
    yield TaskShortForm(items.name, items.kind, ids, len(items.items), form)
