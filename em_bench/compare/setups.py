"""The setups that are compared (see `em_bench.compare.comparability`), of stored runs and of published results."""

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from typing import Any

from em_bench.compare.comparability import UNKNOWN, Aspect, Prompts, RunSetup, TaskSetup
from em_bench.conditions import KEYS, NONE
from em_bench.runs.model import JudgedSample, Run, TaskRun
from em_bench.runs.provenance import GENERATION_KEYS, scalars
from em_bench.runs.result import RunResult, TaskRecord

HASHED = "sha256:"


def setup_of_run(run: Run, tasks: Iterable[str] | None = None) -> RunSetup:
    """Of a stored run, or of some of its tasks."""
    names = run.tasks if tasks is None else tasks
    model = run.provenance.model
    facts = {
        Aspect.ENGINE: run.provenance.engine,
        Aspect.DTYPE: model.get("dtype"),
        Aspect.QUANTIZATION: model.get("quantization"),
        Aspect.SEED: run.provenance.seed,
    }
    annotations = {aspect: str(value) for aspect, value in facts.items() if value not in (None, "")}
    return RunSetup({name: _of_task(run, run.tasks[name]) for name in names}, annotations)


def setup_of_result(result: RunResult, judges: Container[str] | None = None) -> RunSetup:
    """Of a published result, with the versions of all judges or of some."""
    return RunSetup({task.name: _of_record(result, task, judges) for task in result.tasks})


def prompt_hash(sample: JudgedSample) -> str:
    """Of what the prompt asks: its text and its system prompt."""
    text = json.dumps([sample.prompt, sample.doc.get("system")], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _of_task(run: Run, task: TaskRun) -> TaskSetup:
    settings = _settings(task, task.condition.to_dict(), run.provenance.chat_template_sha)
    texts = {sample.document: prompt_hash(sample) for sample in task.samples}
    prompts = Prompts(texts, task.prompt_set_sha256, len(texts))
    return TaskSetup(settings, prompts, {name: judge.version for name, judge in task.judges.items()})


def _of_record(result: RunResult, task: TaskRecord, judges: Container[str] | None) -> TaskSetup:
    prompts = Prompts(None, task.prompt_set_sha256, task.documents)
    versions = {judge.name: judge.version for judge in task.judges if judges is None or judge.name in judges}
    return TaskSetup(_settings(task, result.condition), prompts, versions)


def _settings(
    task: TaskRun | TaskRecord, condition: Mapping[str, Any], template_hash: str | None = None
) -> dict[Aspect, str]:
    """What must be equal on both sides, in words."""
    template = f"on ({template_hash[:12]})" if template_hash else "on"
    return {
        Aspect.KIND: str(task.kind),
        Aspect.DOMAIN: task.domain or "none",
        Aspect.TASK_VERSION: task.version,
        Aspect.TIERS: ", ".join(task.tiers) or "none",
        Aspect.CONDITION: _condition(condition),
        Aspect.CHAT_TEMPLATE: template if task.chat_template else "off",
        Aspect.SYSTEM_PROMPT: _hash(task.system_instruction) if task.system_instruction else "none",
        Aspect.TOKEN_LIMIT: str(task.max_gen_toks or UNKNOWN),
        Aspect.GENERATION: json.dumps(scalars(task.generation, GENERATION_KEYS), sort_keys=True),
    }


def _condition(values: Mapping[str, Any]) -> str:
    """Its name and all it does; a field that an old file lacks has the value that changes nothing."""
    name = str(values.get("name") or NONE.name)
    if name == NONE.name:
        return name
    return json.dumps({"name": name} | {key: values.get(key) or getattr(NONE, key) for key in KEYS}, sort_keys=True)


def _hash(system: str) -> str:
    """Of a system prompt; a published result may already have the hash in its place."""
    if system.startswith(HASHED):
        return f"sha256 {system.removeprefix(HASHED)[:12]}"
    return f"sha256 {hashlib.sha256(system.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
