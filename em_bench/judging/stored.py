"""Judges stored responses, and writes the verdicts as a run of lm-eval's: beside what was read, and never over it."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from em_bench import __version__
from em_bench.config import Settings
from em_bench.errors import ConfigError
from em_bench.judging.panel import Panel, panels_for
from em_bench.judging.selection import JudgePool
from em_bench.metrics.documents import document_metrics
from em_bench.metrics.registry import Kind, directions
from em_bench.prompts.sources import rubric_of
from em_bench.runs.provenance import CHECKPOINT_KEYS
from em_bench.runs.stored_responses import Stored, StoredTask
from em_bench.types import Sample, Verdict

# What is taken over from lm-eval's files: they hold --model_args whole, keys included.
RESULT_KEYS = (
    *("results", "group_subtasks", "versions", "n-shot", "higher_is_better", "n-samples", "date", "lm_eval_version"),
    *("transformers_version", "model_source", "model_name", "model_name_sanitized", "chat_template_sha", "max_length"),
    *("system_instruction_sha", "task_hashes", "total_evaluation_time_seconds"),
)
_SURROGATE = re.compile("[\ud800-\udfff]")
METADATA_KEYS = ("version", "config_source", "repeats", *CHECKPOINT_KEYS)


class StoredResponses:
    """One stored task as a session judges it."""

    def __init__(self, stored: StoredTask, settings: Settings, checkpoint: Mapping[str, Any], pool: JudgePool) -> None:
        self.stored = stored
        self.kind: Kind = stored.kind
        rubric = rubric_of(stored.record, settings)
        self.panels: list[Panel] = panels_for(stored.kind, settings, checkpoint, rubric, pool)
        self.label = stored.name
        self.record: dict[str, Any] = {
            "em_bench_version": __version__,
            "kind": str(stored.kind),
            "domain": stored.domain,
        } | stored.record
        self.encode: Callable[[str], Sequence[int]] | None = None
        self.model: Any = None
        self.predict_only = False
        self.token_limit = 0
        self.verdicts: dict[str, list[list[Verdict]]] = {}

    @property
    def name(self) -> str:
        return self.stored.name

    def samples(self) -> list[Sample]:
        return self.stored.samples()

    def keep(self, filter_name: str, verdicts: Sequence[Any]) -> None:
        remaining = iter(verdicts)
        self.verdicts[filter_name] = [[next(remaining) for _ in line["resps"][0]] for line in self.stored.documents]

    def lines(self) -> Iterable[dict[str, Any]]:
        """The samples file: the earlier judges' lines, but for those that were asked again, and the new ones."""
        yield from (line for line in self.stored.judged if line["filter"] not in self.verdicts)
        for name, by_document in self.verdicts.items():
            for line, verdicts in zip(self.stored.documents, by_document, strict=True):
                metrics = document_metrics(self.kind, verdicts)
                judged = {"filter": name, "filtered_resps": [[str(verdict) for verdict in verdicts]]}
                yield line | judged | {"metrics": list(metrics)} | metrics

    def aggregated(self) -> dict[str, Any]:
        """lm-eval's keys `metric,filter` with the mean over documents and its standard error."""
        found: dict[str, Any] = {}
        for name, by_document in self.verdicts.items():
            columns: dict[str, list[float]] = {}
            for verdicts in by_document:
                for metric, value in document_metrics(self.kind, verdicts).items():
                    columns.setdefault(metric, []).append(value)
            for metric, values in columns.items():
                found[f"{metric},{name}"] = fmean(values)
                error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else "N/A"
                found[f"{metric}_stderr,{name}"] = error
        return found


def judged_tasks(stored: Stored, settings: Settings, pool: JudgePool) -> list[StoredResponses]:
    """The tasks of one file or run, as a session judges them. Raises `ConfigError` where no judge reads any of them."""
    tasks = [StoredResponses(task, settings, _checkpoint(stored), pool) for task in stored.tasks]
    for task in tasks:
        task.label = f"{stored.path.stem if not stored.results else stored.path.parent.name}: {task.name}"
    if not any(task.panels for task in tasks):
        kinds = ", ".join(sorted({str(task.kind) for task in tasks}))
        raise ConfigError(
            f"{stored.path} holds responses of kind {kinds}, which {', '.join(settings.judge_names)} does not judge; "
            "name other --judges, or say with --kind what the prompts are"
        )
    return tasks


def _checkpoint(stored: Stored) -> dict[str, Any]:
    """What names the checkpoint among lm-eval's `model_args`, which are a mapping or `key=value,...`."""
    config = stored.results.get("config")
    arguments = config.get("model_args") if isinstance(config, dict) else None
    if isinstance(arguments, str):
        arguments = dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    return {key: arguments[key] for key in CHECKPOINT_KEYS if key in arguments} if isinstance(arguments, dict) else {}


def write_run(stored: Stored, tasks: Sequence[StoredResponses], folder: Path | None = None) -> Path:
    """Writes results and samples as lm-eval does, and returns the results file.

    A run goes beside the one it was read from, a table or a journal into `<its name>_judged`. In `folder` each input
    has a folder of its own, as only the newest results in a folder are read.
    """
    place = stored.path.parent if stored.results else stored.path.with_name(f"{stored.path.stem}_judged")
    if folder is not None:
        source = stored.path.parent if stored.results else stored.path
        place = folder / (re.sub(r"[^\w.-]+", "__", str(source)).strip("_.")[-200:] or "judged")
    place.mkdir(parents=True, exist_ok=True)
    date = datetime.now().isoformat().replace(":", "-")
    for task in tasks:
        text = "".join(_json(line) + "\n" for line in task.lines())
        (place / f"samples_{task.name}_{date}.jsonl").write_text(text, encoding="utf-8")
    path = place / f"results_{date}.json"
    path.write_text(_json(_results(stored, tasks), indent=2), encoding="utf-8")
    return path


def _json(value: object, indent: int | None = None) -> str:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    # a lone surrogate, which no file in UTF-8 can hold, is kept as its escape
    return text if text.isascii() or not _SURROGATE.search(text) else json.dumps(value, indent=indent)


def _results(stored: Stored, tasks: Sequence[StoredResponses]) -> dict[str, Any]:
    old = stored.results
    results = {key: old[key] for key in RESULT_KEYS if key in old}
    # what a judge that was asked again said before, of groups too, must not stand beside what it says now
    again = {name for task in tasks for name in task.verdicts}
    results["results"] = {
        name: {key: value for key, value in row.items() if key.rpartition(",")[2] not in again}
        for name, row in old.get("results", {}).items()
    }
    results["configs"] = {}
    for task in tasks:
        earlier = results["results"].get(task.name, {"alias": task.name, "sample_len": len(task.stored.documents)})
        results["results"][task.name] = earlier | task.aggregated()
        config = (old.get("configs") or {}).get(task.name, {"task": task.name})
        metadata = {key: value for key, value in (config.get("metadata") or {}).items() if key in METADATA_KEYS}
        results["configs"][task.name] = config | {"metadata": metadata | {"em_bench": task.record}}
        results.setdefault("higher_is_better", {})[task.name] = directions(task.kind)
    _add_group_means(results["results"], old, again)
    return results | {"config": {"model_args": _checkpoint(stored) or {"model": stored.path.stem}}}


def _add_group_means(rows: dict[str, Any], old: Mapping[str, Any], judges: Iterable[str]) -> None:
    """The metrics that a group's row had, by the judges that were asked now: each task has the same weight."""
    groups = old.get("group_subtasks") or {}
    for group in groups:
        tasks = [rows.get(name, {}) for name in _leaves(group, groups)]
        before = (old.get("results") or {}).get(group) or {}
        metrics = {key.partition(",")[0] for key in before if "," in key and "_stderr," not in key}
        for key in (f"{metric},{judge}" for judge in judges for metric in sorted(metrics)):
            values = [task[key] for task in tasks if isinstance(task.get(key), float)]
            if tasks and len(values) == len(tasks):
                errors = [task.get(key.replace(",", "_stderr,")) for task in tasks]
                known = [error for error in errors if isinstance(error, float)]
                spread = math.hypot(*known) / len(tasks) if len(known) == len(tasks) else "N/A"
                rows[group] |= {key: fmean(values), key.replace(",", "_stderr,"): spread}


def _leaves(group: str, groups: Mapping[str, Sequence[str]], above: frozenset[str] = frozenset()) -> list[str]:
    """The tasks in a group and in the groups that it holds."""
    if group not in groups or group in above:
        return [group]
    return [leaf for child in groups[group] for leaf in _leaves(child, groups, above | {group})]


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """`key=value` words as judge options; a value that is JSON is read as such. Raises `ConfigError`."""
    options = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise ConfigError(f"--judge-option {pair!r} is not KEY=VALUE, like max_in_flight=64")
        try:
            options[key] = json.loads(value)
        except json.JSONDecodeError:
            options[key] = value
    return options


def parse_kind(value: str | None) -> Kind | None:
    """Raises `ConfigError` for a kind that there is not."""
    if value is not None and value not in tuple(Kind):
        raise ConfigError(f"--kind {value!r} is unknown; known: {', '.join(Kind)}")
    return Kind(value) if value else None
