"""The setups that are compared (see `em_bench.compare.comparability`), of stored runs and of published results."""

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from typing import Any

from em_bench.compare.comparability import UNKNOWN, Aspect, Prompts, RunSetup, TaskSetup
from em_bench.conditions import KEYS, NONE
from em_bench.metrics.registry import Kind
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
    }
    annotations = {aspect: str(value) for aspect, value in facts.items() if value}
    return RunSetup({name: _of_task(run, run.tasks[name]) for name in names}, annotations)


def setup_of_result(result: RunResult, judges: Container[str] | None = None) -> RunSetup:
    """Of a published result, with the versions of all judges or of some."""
    return RunSetup({task.name: _of_record(result, task, judges) for task in result.tasks})


def prompt_hash(sample: JudgedSample) -> str:
    """Of what the prompt asks: its text and its system prompt."""
    text = json.dumps([sample.prompt, sample.doc.get("system")], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _of_task(run: Run, task: TaskRun) -> TaskSetup:
    settings = _settings(
        kind=task.kind,
        domain=task.domain,
        version=task.version,
        condition=task.condition.to_dict(),
        chat_template=task.chat_template,
        template_hash=run.provenance.chat_template_sha,
        system=task.system_instruction,
        max_gen_toks=task.max_gen_toks,
        generation=task.generation,
    )
    texts = {sample.document: prompt_hash(sample) for sample in task.samples}
    prompts = Prompts(texts, task.prompt_set_sha256, len(texts))
    return TaskSetup(settings, prompts, {name: judge.version for name, judge in task.judges.items()})


def _of_record(result: RunResult, task: TaskRecord, judges: Container[str] | None) -> TaskSetup:
    settings = _settings(
        kind=task.kind,
        domain=task.domain,
        version=task.version,
        condition=result.condition,
        chat_template=task.chat_template,
        system=task.system_instruction,
        max_gen_toks=task.max_gen_toks,
        generation=task.generation,
    )
    prompts = Prompts(None, task.prompt_set_sha256, task.documents)
    versions = {judge.name: judge.version for judge in task.judges if judges is None or judge.name in judges}
    return TaskSetup(settings, prompts, versions)


def _settings(
    *,
    kind: Kind,
    domain: str,
    version: str,
    condition: Mapping[str, Any],
    chat_template: bool,
    system: object,
    max_gen_toks: object,
    generation: Mapping[str, Any],
    template_hash: str | None = None,
) -> dict[Aspect, str]:
    """What must be equal on both sides, in words."""
    template = "on" if chat_template else "off"
    if chat_template and template_hash:
        template = f"on ({template_hash[:12]})"
    values = {
        Aspect.KIND: kind,
        Aspect.DOMAIN: domain or "none",
        Aspect.TASK_VERSION: version,
        Aspect.CONDITION: _condition(condition),
        Aspect.CHAT_TEMPLATE: template,
        Aspect.SYSTEM_PROMPT: _hash(system) if system else "none",
        Aspect.TOKEN_LIMIT: max_gen_toks or UNKNOWN,
        Aspect.GENERATION: json.dumps(scalars(generation, GENERATION_KEYS), sort_keys=True),
    }
    return {aspect: str(value) for aspect, value in values.items()}


def _condition(values: Mapping[str, Any]) -> str:
    """Its name and all it does; a field that an old file lacks has the value that changes nothing."""
    name = str(values.get("name") or NONE.name)
    if name == NONE.name:
        return name
    return json.dumps({"name": name} | {key: values.get(key) or getattr(NONE, key) for key in KEYS}, sort_keys=True)


def _hash(system: object) -> str:
    """Of a system prompt, or of its hash, as a published result has in place of a long one."""
    text = str(system)
    if text.startswith(HASHED):
        return f"sha256 {text.removeprefix(HASHED)[:12]}"
    return f"sha256 {hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
