"""`em-bench run --until-decided`: asks a checkpoint only as many prompts as a gate's verdict needs.

The prompts come in the order of `em_bench.compare.order`, in growing batches on one loaded engine. After each batch the
judges read what is new and the policy's checks are tested (see `em_bench.compare.sequential`). What is left in the end
is one run like any other, of the prompts that were asked.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from em_bench.compare.policy import Policy
from em_bench.compare.sequential import SequentialResult, one_run, part_of, settle
from em_bench.config import Settings
from em_bench.errors import ConfigError, ResultError
from em_bench.harness.evaluate import make_plan
from em_bench.harness.options import EvaluateOptions
from em_bench.harness.run import Plan, ask, judge_runs, judges_of, loaded, prepare
from em_bench.judging import session
from em_bench.judging.readiness import elsewhere
from em_bench.judging.selection import JudgePool
from em_bench.metrics.registry import Kind
from em_bench.readers import read_object
from em_bench.runs.model import Run
from em_bench.runs.read import read_run

Documents = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Decided:
    """The verdict, and the judged run of the prompts that it took."""

    result: SequentialResult
    run: Run


def evaluate_until_decided(
    options: EvaluateOptions, baseline: Path, policy: Policy, report: Callable[[str], None]
) -> Decided:
    """Asks the baseline's tasks where the options name none, with its repeats; `report` gets a line for each step."""
    run = one_run(baseline)
    if not options.tasks and options.questions is None and options.finetune_domain is None:
        options = replace(options, tasks=tuple(run.tasks), repeats=options.repeats or repeats_of(run))
    plan, settings = make_plan(options)
    return run_until_decided(plan, settings, run, policy, report)


def repeats_of(run: Run) -> int | None:
    """How many responses each probe of a run has, where all have as many: published files name other numbers."""
    counts = {
        count
        for task in run.tasks.values()
        if task.kind is Kind.PROBE
        for count in Counter(sample.document for sample in task.samples).values()
    }
    return counts.pop() if len(counts) == 1 else None


def run_until_decided(
    plan: Plan, settings: Settings, baseline: Run, policy: Policy, say: Callable[[str], None], seed: int | None = None
) -> Decided:
    """Asks in the order of `seed`, by default the plan's.

    Raises an `EmBenchError` for all that stops a run, and where it cannot be compared with the baseline.
    """
    if len(plan.conditions) > 1:
        raise ConfigError("--until-decided decides about one condition; give one --condition")
    pool = JudgePool()
    tasks = prepare(plan, settings, pool)
    _refuse_in_process(plan, settings, tasks, pool)
    places = {
        name: {str(row["id"]): place for place, row in enumerate(_rows(task, plan))} for name, task in tasks.items()
    }
    seed = plan.seed if seed is None else seed
    compared = part_of(baseline, _both(baseline, places))
    with loaded(plan, tasks, say) as model, remembering(model), warning_once():
        looks = _Looks(plan, settings, model, places, pool, say, {"order_seed": seed, "baseline": str(baseline.path)})
        result = settle(compared, policy, looks, seed)
    ended = {"total": result.total, "outcome": str(result.outcome), "reason": result.reason}
    for path in looks.written:
        _amend(path, ended)
    return Decided(result, read_run(looks.written[-1]))


class _Looks:
    """Asks and judges all prompts up to a look, and replaces the files of the look before."""

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        model: Any,
        places: Mapping[str, Mapping[str, int]],
        pool: JudgePool,
        say: Callable[[str], None],
        note: Mapping[str, Any],
    ) -> None:
        self._plan, self._settings, self._model, self._places = plan, settings, model, places
        self._pool, self._say, self._note = pool, say, note
        self.written: tuple[Path, ...] = ()

    def __call__(self, documents: Documents) -> Run:
        asked = sum(map(len, documents.values()))
        self._say(f"{asked} of {sum(map(len, self._places.values()))} prompts")
        places = {task: [self._places[task][name] for name in names] for task, names in documents.items()}
        note = dict(self._note) | {"asked": asked}
        run = ask(self._plan, self._model, self._plan.conditions[0], self._say, places, note)
        (judged,) = judge_runs([run], self._settings, self._pool)
        for earlier in self.written:
            _remove(earlier)
        self.written = (run.path, judged.path)
        return judged


@contextmanager
def remembering(model: Any) -> Iterator[None]:
    """Lets lm-eval ask for prompts again without generating again: a later look repeats those of the looks before."""
    generate = model.generate_until
    kept: dict[tuple[str, str, int], str] = {}

    def generate_new(requests: Sequence[Any], *arguments: Any, **options: Any) -> list[str]:
        repeats: Counter[tuple[str, str]] = Counter()
        keys = []
        for request in requests:
            name = (request.task_name, str(request.doc["id"]))
            keys.append((*name, repeats[name]))
            repeats[name] += 1
        new = [place for place, key in enumerate(keys) if key not in kept]
        responses = generate([requests[place] for place in new], *arguments, **options) if new else []
        kept.update({keys[place]: response for place, response in zip(new, responses, strict=True)})
        return [kept[key] for key in keys]

    model.generate_until = generate_new
    try:
        yield
    finally:
        model.generate_until = generate


@contextmanager
def warning_once() -> Iterator[None]:
    """Judging warns at every look of what it warned of at the one before."""
    messages: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return message not in messages and not messages.add(message)  # type: ignore[func-returns-value]

    logger = logging.getLogger(session.__name__)
    logger.addFilter(is_new)
    try:
        yield
    finally:
        logger.removeFilter(is_new)


def _refuse_in_process(plan: Plan, settings: Settings, tasks: Mapping[str, Any], pool: JudgePool) -> None:
    """Judging goes on while the checkpoint is loaded: a judge model in this process would need its memory."""
    judges = judges_of(plan, settings, tasks, pool)
    apart = elsewhere(judges)
    if within := [judge.name for judge in judges if not any(judge is other for other in apart)]:
        raise ConfigError(
            f"--until-decided judges while the checkpoint is loaded, and {within[0]} loads its model into the same "
            "process; serve it and name it as openai:NAME with --judge-option base_url=..., or use --judges keyword"
        )


def _rows(task: Any, plan: Plan) -> list[Mapping[str, Any]]:
    return list(task.eval_docs)[: plan.limit]


def _both(baseline: Run, places: Mapping[str, Mapping[str, int]]) -> Documents:
    """The prompts that the baseline and the tasks have. Raises `ResultError` for a task that the baseline lacks."""
    if lacking := [name for name in places if name not in baseline.tasks]:
        raise ResultError(f"{baseline.path} has no task {lacking[0]}; it has {', '.join(baseline.tasks)}: see --tasks")
    documents = {
        name: [each.document for each in baseline.tasks[name].samples if each.document in places[name]]
        for name in places
    }
    if not any(documents.values()):
        raise ResultError(f"{baseline.path} has none of the prompts of {', '.join(places)}")
    return documents


def _amend(path: Path, values: Mapping[str, Any]) -> None:
    """Adds how it ended to what a results file records of its tasks."""
    results = read_object(path)
    for config in results["configs"].values():
        config["metadata"]["em_bench"]["sequential"] |= values
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results, indent=2, ensure_ascii=False), encoding="utf-8")
    part.replace(path)


def _remove(results: Path) -> None:
    """A run's files: all that have its date."""
    date = results.stem.rpartition("_")[2]
    for path in results.parent.iterdir():
        if path.stem.endswith(f"_{date}"):
            path.unlink()
