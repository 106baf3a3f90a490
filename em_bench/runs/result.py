"""`RunResult`: what is published of a run. One JSON file with a schema version, and nothing in it that is a secret.

Everything is copied from an allow-list; responses are not in it. A reader ignores fields that it does not know, so that
a file of a later minor version is read, and refuses a higher schema version, which changes what fields mean.
"""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from em_bench.conditions import NONE
from em_bench.errors import ResultError
from em_bench.metrics.registry import Definition, Kind
from em_bench.readers import read_object
from em_bench.runs import model
from em_bench.runs.model import Run, TaskRun
from em_bench.runs.provenance import GENERATION_KEYS, Checkpoint, command, scalars
from em_bench.runs.rates import summarize, unscored_reasons
from em_bench.runs.read import find_runs, is_run, read_run
from em_bench.runs.subsets import NO_PART, Part, part_of
from em_bench.tiers import Tier

SCHEMA_VERSION = 1
SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"
SUBSETS = dict.fromkeys(Kind, Part.SUBCATEGORY) | {Kind.PROBE: Part.THEME}
# set when a run is published; annotations do not affect the content id
ANNOTATIONS = ("demonstration", "baseline", "base_family", "method")
LONG = 200
_LATER = {"tasks": "tiers", "rates": "subset_of"}
_FINITE = {"allow_inf_nan": False}


@dataclass(frozen=True, slots=True)
class JudgeRecord:
    """A judge's part in a task: how many it judged, how many it left unscored and why."""

    __pydantic_config__ = _FINITE
    name: str
    version: str
    samples: int
    unscored: Mapping[str, int]
    over_max_unscored: bool
    agreement: Mapping[str, float | None] | None
    usage: Mapping[str, Mapping[str, int | float | None]] | None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """What was asked and how. `system_instruction` is its sha256 where the text is long."""

    __pydantic_config__ = _FINITE
    name: str
    kind: Kind
    domain: str
    version: str
    prompt_set_sha256: str
    documents: int
    responses: int
    chat_template: bool
    system_instruction: str | None
    max_gen_toks: int | None
    truncated: int | None
    generation: Mapping[str, Any]
    judges: tuple[JudgeRecord, ...]
    tiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RateRecord:
    """One rate, in 0..1, of a task or of the part of it that `subset` names (a subcategory, a theme or a tier; else
    empty). `subset_of` is `tier` where that is a tier.

    A mean of scores is in the judge's own unit. `worst` and `best` are the lowest and the highest rate there could be,
    whatever the unscored responses are; of a mean they are its interval.
    """

    __pydantic_config__ = _FINITE
    task: str
    kind: Kind
    domain: str
    judge: str
    metric: str
    definition: str | None
    subset: str
    value: float | None
    low: float
    high: float
    n: int
    documents: int
    unscored: int
    worst: float
    best: float
    subset_of: str = ""


@dataclass(frozen=True, slots=True)
class RunResult:
    """See the module's docstring. `id` is the beginning of the sha256 of all that was measured."""

    __pydantic_config__ = _FINITE
    schema_version: int
    id: str
    created: str
    em_bench_version: str
    checkpoint: Checkpoint
    engine: str
    condition: Mapping[str, str | bool | Sequence[Mapping[str, str]] | None]
    demonstration: bool
    baseline: str | None
    base_family: str | None
    method: str | None
    tasks: tuple[TaskRecord, ...]
    rates: tuple[RateRecord, ...]
    versions: Mapping[str, str]
    command: str

    @property
    def condition_name(self) -> str:
        return str(self.condition.get("name") or NONE.name)


def from_run(run: Run, definition: Definition = Definition.BETLEY, **annotations: Any) -> RunResult:
    """The published projection of a run; `annotations` are fields of `ANNOTATIONS`."""
    tasks = list(run.tasks.values())
    result = RunResult(
        schema_version=SCHEMA_VERSION,
        id="",
        created=run.provenance.created,
        em_bench_version=tasks[0].em_bench_version,
        checkpoint=run.checkpoint,
        engine=run.provenance.engine,
        condition=run.condition.to_dict(),
        **{"demonstration": False, "baseline": None, "base_family": None, "method": None, **annotations},
        tasks=tuple(_task_record(task) for task in tasks),
        rates=tuple(rate for task in tasks for rate in _rates(run, task, definition)),
        versions=dict(run.provenance.versions),
        command=command(run.provenance, list(run.tasks), chat_template=all(task.chat_template for task in tasks)),
    )
    return replace(result, id=content_id(result))


def content_id(result: RunResult) -> str:
    """16 hex digits that two results share only if they hold the same; annotations do not affect them."""
    measured = {key: value for key, value in to_dict(result).items() if key not in ("id", *ANNOTATIONS)}
    return hashlib.sha256(json.dumps(measured, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def to_dict(result: RunResult) -> dict[str, Any]:
    """Plain JSON values; fields that files of earlier versions lack are there only where they say something."""
    values = dict(json.loads(json.dumps(asdict(result), default=dict)))
    for part, later in _LATER.items():
        for each in values[part]:
            if not each[later]:
                del each[later]
    return values


def from_dict(values: Mapping[str, Any], where: str = "RunResult") -> RunResult:
    """What `to_dict` gave, of this version or an older one. Raises `ResultError` naming `where`."""
    from pydantic import ValidationError

    version = values.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ResultError(
            f"{where} has schema version {version}, and this em-bench knows {SCHEMA_VERSION}; upgrade: "
            "pip install --upgrade em-bench"
        )
    try:
        result: RunResult = _adapter().validate_python(values)
        return result
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise ResultError(f"{where} is not a RunResult of em-bench: {place}: {first['msg']}") from None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of version `SCHEMA_VERSION`, published as docs/run_result.schema.json."""
    schema: dict[str, Any] = _adapter().json_schema()
    return {"$schema": SCHEMA_ID, "$id": f"em-bench/run_result/{SCHEMA_VERSION}"} | schema


def read_run_result(path: Path) -> RunResult:
    """From a `run_result_*.json`; or made from a results file of lm-eval, or the newest run in a folder."""
    if is_run(path):
        return from_run(read_run(find_runs(path)[-1]))
    return from_dict(read_object(path), str(path))


def write_run_result(result: RunResult, path: Path) -> Path:
    """Writes it to `path`: sorted keys, so that two can be compared line by line."""
    path.write_text(json.dumps(to_dict(result), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path


def run_result_path(results: Path) -> Path:
    """Where the result of the run in lm-eval's `results_<date>.json` belongs: beside it."""
    return results.with_name(f"run_result_{results.stem.rpartition('_')[2]}.json")


@functools.cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(RunResult)


def _task_record(task: TaskRun) -> TaskRecord:
    system = task.system_instruction
    if system is not None and len(system) > LONG:
        system = f"sha256:{hashlib.sha256(system.encode('utf-8', 'replace')).hexdigest()}"
    return TaskRecord(
        name=task.name,
        kind=task.kind,
        domain=task.domain,
        version=task.version,
        prompt_set_sha256=task.prompt_set_sha256,
        documents=_documents(task),
        responses=len(task.samples),
        chat_template=task.chat_template,
        system_instruction=system,
        max_gen_toks=task.max_gen_toks,
        truncated=task.truncated,
        generation=scalars(task.generation, (*GENERATION_KEYS, "repeats")),
        judges=tuple(_judge_record(task, judge) for judge in task.judges.values()),
        tiers=task.tiers,
    )


def _documents(task: TaskRun) -> int:
    return len({sample.document for sample in task.samples})


def _judge_record(task: TaskRun, judge: model.JudgeRecord) -> JudgeRecord:
    return JudgeRecord(
        name=judge.name,
        version=judge.version,
        samples=judge.samples or 0,
        unscored=unscored_reasons(task, judge.name),
        over_max_unscored=judge.over_max_unscored,
        agreement=judge.agreement,
        usage=judge.usage,
    )


def _rates(run: Run, task: TaskRun, definition: Definition) -> Iterator[RateRecord]:
    """The rates of the whole task, then those of its parts and of its tiers."""
    yield from _rates_of(run, task, "", definition)
    for by in (SUBSETS[task.kind], Part.TIER):
        parts = dict.fromkeys(part_of(task, sample, by) for sample in task.samples)
        parts.pop(NO_PART, None)
        for part in parts if len(parts) > 1 or Tier.ADVERSARIAL in parts else ():
            samples = tuple(sample for sample in task.samples if part_of(task, sample, by) == part)
            of = "tier" if by is Part.TIER else ""
            yield from _rates_of(run, replace(task, samples=samples), part, definition, of)


def _rates_of(run: Run, task: TaskRun, subset: str, definition: Definition, of: str = "") -> Iterator[RateRecord]:
    documents = _documents(task)
    for line in summarize([replace(run, tasks={task.name: task})], definition):
        rate = line.rate
        if rate is not None:
            yield RateRecord(
                task=task.name,
                kind=task.kind,
                domain=task.domain,
                judge=line.judge,
                metric=line.metric.name,
                definition=line.metric.qualifier or None,
                subset=subset,
                value=rate.value,
                low=rate.low,
                high=rate.high,
                n=rate.n,
                documents=documents,
                unscored=rate.unscored,
                worst=rate.low if line.worst is None else line.worst,
                best=rate.high if line.best is None else line.best,
                subset_of=of,
            )


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
