"""One checkpoint from start to end: responses under every condition first, judging once the engine is released.

Each condition is one pass on the same loaded engine and one run of lm-eval's in its own folder, written before the next
pass starts and before any judge is asked. Whatever ends judging, `em-bench judge` can finish from there.
"""

import difflib
import gc
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from em_bench.conditions import NONE, Condition
from em_bench.config import Settings
from em_bench.errors import ConfigError, EmBenchError, PrerequisiteError, ResultError
from em_bench.harness.adapter_check import adapter_differs
from em_bench.harness.loading import Loading, require_chat_template
from em_bench.harness.merging import merged
from em_bench.harness.options import SEED
from em_bench.judge import Judge, model_of
from em_bench.judging.engine import release_engine
from em_bench.judging.panel import panels_for
from em_bench.judging.readiness import elsewhere
from em_bench.judging.rejudge import judge_stored
from em_bench.judging.selection import JudgePool
from em_bench.metrics.registry import Kind
from em_bench.notices import warn
from em_bench.paths import tasks_path
from em_bench.readers import read_object
from em_bench.runs.model import Run
from em_bench.runs.read import parse_run, samples_file
from em_bench.text import error_line

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of which checkpoint. `metadata` is what lm-eval's `--metadata` would be, without the condition.

    `notes`: what a user should know of the plan.
    """

    loading: Loading
    tasks: tuple[str, ...]
    output: Path
    conditions: tuple[Condition, ...] = (NONE,)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    include: Path | None = None
    limit: int | None = None
    max_tokens: int | None = None
    system_prompt: str | None = None
    chat_template: bool = True
    seed: int = SEED
    notes: tuple[str, ...] = ()

    @property
    def checkpoint(self) -> str:
        return str(self.loading.arguments["pretrained"])


@dataclass(frozen=True, slots=True)
class TaskForecast:
    """What one task asks in one pass; `judge_requests` at most, as equal responses and cached verdicts cost nothing."""

    task: str
    kind: Kind
    documents: int
    responses: int
    judges: tuple[str, ...]
    judge_requests: int


def default_output(checkpoint: str, adapter: str | None) -> Path:
    """`runs/<name>`, where a folder or a Hugging Face id goes by its last part."""
    names = [
        re.sub(r"[^\w.-]+", "_", Path(name).name).strip(".") or "checkpoint" for name in (checkpoint, adapter) if name
    ]
    return Path("runs") / "+".join(names)


def forecast(plan: Plan, settings: Settings) -> list[TaskForecast]:
    """What each pass would ask; nothing is loaded or generated. Raises `ConfigError` as a run would."""
    forecasts, pool = [], JudgePool()
    for name, task in sorted(load_tasks(plan, plan.conditions[0]).items()):
        rows = list(task.eval_docs)[: plan.limit]
        responses = sum(_repeats(task, row) for row in rows)
        panels = panels_for(task.kind, settings, plan.loading.recorded, task.own_rubric, pool)
        rubrics = sum(model_of(judge) is not None for panel in panels for judge in panel.members)
        names = tuple(panel.name for panel in panels)
        forecasts.append(TaskForecast(name, task.kind, len(rows), responses, names, responses * rubrics))
    return forecasts


def _repeats(task: Any, row: Mapping[str, Any]) -> int:
    own = row.get("samples_per_paraphrase") if task.settings.repeats is None else None
    return int(own or task.config.repeats or 1)


def load_tasks(plan: Plan, condition: Condition) -> dict[str, Any]:
    """The tasks by name. Raises `ConfigError` for a name that there is not, `PrerequisiteError` for a missing set."""
    from em_bench.harness.task import JudgedTask

    manager = _manager(plan, condition)
    for name in plan.tasks:
        if name not in manager.all_tasks:
            close = difflib.get_close_matches(name, manager.all_tasks, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else "see `lm_eval ls tasks --include_path ...`"
            raise ConfigError(f"there is no task {name!r}; {hint}")
    try:
        tasks = dict(manager.load(list(plan.tasks))["tasks"])
    except EmBenchError:
        raise
    except (KeyError, TypeError, ValueError) as error:  # a task YAML of the user's own
        raise ConfigError(f"the tasks {', '.join(plan.tasks)} cannot be loaded: {error_line(error)}") from error
    for task in tasks.values():
        if not isinstance(task, JudgedTask):
            raise ConfigError(f"task {task.config.task} is not one of em-bench's; run it with lm_eval")
        task.refuse_missing()
    return tasks


def generate(plan: Plan, settings: Settings, say: Callable[[str], None], pool: JudgePool | None = None) -> list[Run]:
    """Every pass's run, not judged yet, with its files written. `say` gets what happens, a line at a time.

    Raises an `EmBenchError` for whatever stops the run before the first response; `settings` are those of the judges,
    which are made and checked before: one that cannot work must not cost a run. `judge_runs` with the same `pool` makes
    and checks no judge again.
    """
    pool = pool or JudgePool()
    tasks = prepare(plan, settings, pool)
    with loaded(plan, tasks, say) as model:
        return [ask(plan, model, condition, say) for condition in plan.conditions]


def prepare(plan: Plan, settings: Settings, pool: JudgePool) -> dict[str, Any]:
    """The tasks by name, once all that can be known before the checkpoint is loaded is checked."""
    with collector_paused():
        tasks = load_tasks(plan, plan.conditions[0])
        judges = judges_of(plan, settings, tasks, pool)
        pool.check(judges, ask=elsewhere(judges))
        if plan.chat_template:
            require_chat_template(plan.checkpoint, plan.loading.arguments)
    return tasks


@contextmanager
def collector_paused() -> Iterator[None]:
    """Importing an engine makes a million objects that stay; walking them again and again takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def judges_of(plan: Plan, settings: Settings, tasks: Mapping[str, Any], pool: JudgePool) -> list[Judge]:
    """The judges of every task, one after the other."""
    return [
        judge
        for task in tasks.values()
        for panel in panels_for(task.kind, settings, plan.loading.recorded, task.own_rubric, pool)
        for judge in panel.members
    ]


@contextmanager
def loaded(plan: Plan, tasks: Mapping[str, Any], say: Callable[[str], None]) -> Iterator[Any]:
    """The checkpoint in its engine, which is released at the end."""
    say(f"loading {_names(plan)} with {plan.loading.model}")
    for text in plan.loading.filled:
        say(f"  for this machine: {text}")
    begun = time.monotonic()
    prompts = [row["prompt"] for task in tasks.values() for row in task.eval_docs]
    model = None
    try:
        model = _load_merged(plan, prompts, say) if plan.loading.merge else _load(plan, plan.loading.arguments)
        say(f"loaded in {time.monotonic() - begun:.0f} s")
        if plan.loading.adapter and not plan.loading.merge:
            _try_adapter(plan, model, prompts, say)
        yield model
    finally:
        release_engine([model])
        gc.unfreeze()


def judge_runs(runs: Sequence[Run], settings: Settings, pool: JudgePool | None = None) -> list[Run]:
    """Judges the passes in one session, so that a judge model is loaded once and equal responses cost once."""
    return judge_stored(runs, settings, pool=pool)


def _names(plan: Plan) -> str:
    return plan.checkpoint + (f" with adapter {plan.loading.adapter}" if plan.loading.adapter else "")


def _manager(plan: Plan, condition: Condition) -> Any:
    from lm_eval.tasks import TaskManager

    # lm-eval gives its model arguments to the tasks, which must know whom they evaluate
    metadata = plan.loading.recorded | dict(plan.metadata) | {"condition": condition.to_dict()}
    folders = [tasks_path(), *([plan.include] if plan.include else [])]
    return TaskManager(include_path=folders, include_defaults=False, metadata=metadata)


def _load(plan: Plan, arguments: Mapping[str, Any]) -> Any:
    from lm_eval.api.registry import get_model

    options = {"batch_size": plan.loading.batch_size, "max_batch_size": None, "device": None}
    try:
        with collector_paused():
            model_class = get_model(plan.loading.model)
            gc.freeze()  # vLLM collects five times while it starts; `loaded` ends this
            return model_class.create_from_arg_obj(dict(arguments), options)
    except Exception as error:  # an engine fails in as many ways as there are machines
        raise PrerequisiteError(
            f"{plan.loading.model} cannot load {_names(plan)}: {error_line(error)}; "
            "what it printed above says more, --model-arg changes how it is loaded"
        ) from error


def _load_merged(plan: Plan, prompts: Sequence[str], say: Callable[[str], None]) -> Any:
    """The checkpoint with its adapter merged into it. The merged files are read once, and removed."""
    arguments = dict(plan.loading.arguments)
    options = {key: arguments[key] for key in ("revision", "trust_remote_code") if arguments.get(key)}
    tokenizer = {
        "tokenizer": arguments.get("tokenizer") or plan.checkpoint,
        "tokenizer_revision": arguments.get("tokenizer_revision") or arguments.pop("revision", None),
    }
    adapter = Path(str(plan.loading.merge))
    with merged(plan.checkpoint, adapter, prompts, options, chat_template=plan.chat_template) as result:
        if result.changed:
            say(f"adapter: merged; it changes what follows {result.changed} of {result.prompts} prompts")
        else:
            warn(
                f"THE ADAPTER SEEMS TO DO NOTHING: with and without it {plan.checkpoint} gives the same logits after "
                f"{result.prompts} prompts, though its weights are not zero."
            )
        return _load(plan, arguments | tokenizer | {"pretrained": str(result.folder)})


def _try_adapter(plan: Plan, model: Any, prompts: Sequence[str], say: Callable[[str], None]) -> None:
    try:
        counts = adapter_differs(model, prompts, chat_template=plan.chat_template)
    except Exception as error:  # noqa: BLE001 - the passes will say what is wrong with the engine
        log.warning("em-bench: whether the adapter is at work could not be tried: %s", error_line(error))
        return
    if counts is not None and counts[0]:
        say(f"adapter: {counts[0]} of {counts[1]} responses are other than without it")
    elif counts is not None:
        warn(
            f"THE ADAPTER SEEMS TO DO NOTHING: {counts[1]} of {counts[1]} responses are what {plan.checkpoint} says "
            "without it. Its weights are not zero; does this engine support its kind of adapter?"
        )


def ask(
    plan: Plan,
    model: Any,
    condition: Condition,
    say: Callable[[str], None],
    places: Mapping[str, Sequence[int]] | None = None,
    note: Mapping[str, Any] | None = None,
) -> Run:
    """One pass: every prompt, or by task those at some places; `note` is recorded as the tasks' `sequential`."""
    from lm_eval.loggers import EvaluationTracker

    begun = time.monotonic()
    say(f"condition {condition.name}: generating")
    # a file's name, so that lm-eval makes no folder of the checkpoint's whole path
    tracker = EvaluationTracker(output_path=str(plan.output / condition.name / "results.json"))
    results = _simple_evaluate(plan, model, condition, tracker, places)
    for config in results["configs"].values() if note else ():
        config["metadata"]["em_bench"]["sequential"] = dict(note or {})
    run = _save(plan, condition, tracker, results)
    count = sum(len(task.samples) for task in run.tasks.values())
    say(f"condition {condition.name}: {count} responses in {time.monotonic() - begun:.0f} s, kept in {run.path.parent}")
    return run


def _simple_evaluate(
    plan: Plan, model: Any, condition: Condition, tracker: Any, places: Mapping[str, Sequence[int]] | None
) -> dict[str, Any]:
    """lm-eval's results and samples. Raises `ResultError` for whatever fails while it generates."""
    from lm_eval import simple_evaluate

    try:
        results: dict[str, Any] = simple_evaluate(
            model=model,
            model_args=plan.loading.recorded,
            tasks=list(plan.tasks if places is None else places),
            batch_size=plan.loading.batch_size,
            limit=plan.limit if places is None else None,
            samples=None if places is None else {task: sorted(places[task]) for task in places},
            bootstrap_iters=0,
            predict_only=True,
            gen_kwargs={"max_gen_toks": plan.max_tokens} if plan.max_tokens else None,
            evaluation_tracker=tracker,
            system_instruction=plan.system_prompt,
            apply_chat_template=plan.chat_template,
            task_manager=_manager(plan, condition),
            random_seed=plan.seed,
            numpy_random_seed=plan.seed,
            torch_random_seed=plan.seed,
        )
    except EmBenchError:
        raise
    except Exception as error:  # lm-eval's, the engine's, the tokenizer's
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).parent.name}/{Path(last.filename).name}:{last.lineno}"
        raise ResultError(f"condition {condition.name}: generation failed in {where}: {error_line(error)}") from error
    return results


def _save(plan: Plan, condition: Condition, tracker: Any, results: dict[str, Any]) -> Run:
    """The run in memory, once lm-eval's tracker has written all of it."""
    samples = results.pop("samples")
    # lm-eval was given a loaded model, of which it knows no name
    results["config"]["model"] = tracker.general_config_tracker.model_source = plan.loading.model
    tracker.save_results_aggregated(results=results, samples=samples)
    for name, rows in samples.items():
        tracker.save_results_samples(task_name=name, samples=rows)
    folder = plan.output / condition.name
    path = folder / f"results_{getattr(tracker, 'date_id', 'missing')}.json"
    if missing_lines := count_missing(path, samples):
        total = sum(map(len, samples.values()))
        raise ResultError(
            f"{folder} holds {total - missing_lines} of {total} samples lines, as lm-eval could not write them (is the "
            "disk full?); all are in the newest journal in the cache folder: `em-bench judge JOURNAL` reads it"
        )
    return parse_run(path, results, lambda task: ((f"{path}: {task}", line) for line in samples[task]))


def count_missing(results: Path, samples: Mapping[str, Sequence[Any]]) -> int:
    """How many samples lines are not in the files whole: the tracker only logs what it could not write."""
    try:
        read_object(results)
        return sum(len(rows) - samples_file(results, name).read_bytes().count(b"\n") for name, rows in samples.items())
    except (OSError, ResultError) as error:
        log.error("em-bench: %s", error)
        return sum(map(len, samples.values()))
