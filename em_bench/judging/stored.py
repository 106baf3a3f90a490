"""Judges stored responses, and writes the verdicts as a run of lm-eval's: beside what was read, and never over it."""

import copy
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from em_bench.runs.model import Run, TaskRun
from em_bench.runs.newest import JUDGED, write_time
from em_bench.runs.read import NO_FILTER, parse_run
from em_bench.types import Sample, Verdict

_SURROGATE = re.compile("[\ud800-\udfff]")


class StoredTask:
    """One stored task as a session judges it."""

    def __init__(self, task: TaskRun, settings: Settings, checkpoint: Mapping[str, Any], pool: JudgePool) -> None:
        self.task = task
        self.kind: Kind = task.kind
        rubric = rubric_of(task.source, settings)
        self.panels: list[Panel] = panels_for(task.kind, settings, checkpoint, rubric, pool)
        self.label = task.name
        self.record: dict[str, Any] = {
            "em_bench_version": __version__,
            "kind": str(task.kind),
            "domain": task.domain,
        } | copy.deepcopy(dict(task.files.record))
        self.encode: Callable[[str], Sequence[int]] | None = None
        self.model: Any = None
        self.predict_only = False
        self.token_limit = 0
        self.verdicts: dict[str, list[list[Verdict]]] = {}

    @property
    def name(self) -> str:
        return self.task.name

    def samples(self) -> list[Sample]:
        return self.task.to_judge()

    def keep(self, filter_name: str, verdicts: Sequence[Any]) -> None:
        by_document: dict[str, list[Verdict]] = {}
        for sample, verdict in zip(self.task.samples, verdicts, strict=True):
            by_document.setdefault(sample.document, []).append(verdict)
        self.verdicts[filter_name] = list(by_document.values())

    def lines(self) -> list[dict[str, Any]]:
        """The samples lines: the earlier judges', but for those that judged again, and the new ones.

        Responses that no judge has read yet are kept for a later one.
        """
        if not self.verdicts:
            return [dict(line) for line in self.task.files.lines]
        lines = [dict(line) for line in self.task.files.lines if line["filter"] not in (NO_FILTER, *self.verdicts)]
        documents = self._documents()
        for name, by_document in self.verdicts.items():
            for document, verdicts in zip(documents, by_document, strict=True):
                metrics = document_metrics(self.kind, verdicts)
                judged = {"filter": name, "filtered_resps": [list(verdicts)]}
                lines.append(document | judged | {"metrics": list(metrics)} | metrics)
        return lines

    def _documents(self) -> list[dict[str, Any]]:
        """One line for each document, without a judge's part."""
        documents: dict[str, dict[str, Any]] = {}
        for line in self.task.files.lines:
            own = ("filter", "filtered_resps", *line["metrics"])
            bare = {key: value for key, value in line.items() if key not in own}
            documents.setdefault(line["doc"]["id"], bare | {"metrics": []})
        return list(documents.values())

    def aggregated(self) -> dict[str, Any]:
        """lm-eval's keys `metric,filter` with the mean over documents and its standard error."""
        row: dict[str, Any] = {}
        for name, by_document in self.verdicts.items():
            columns: dict[str, list[float]] = {}
            for verdicts in by_document:
                for metric, value in document_metrics(self.kind, verdicts).items():
                    columns.setdefault(metric, []).append(value)
            for metric, values in columns.items():
                row[f"{metric},{name}"] = fmean(values)
                error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else "N/A"
                row[f"{metric}_stderr,{name}"] = error
        return row


def judged_tasks(run: Run, settings: Settings, pool: JudgePool) -> list[StoredTask]:
    """The tasks of one run, as a session judges them. Raises `ConfigError` where no judge reads any of them."""
    tasks = [StoredTask(task, settings, run.model_args, pool) for task in run.tasks.values()]
    for task in tasks:
        task.label = f"{run.path.parent.name if run.results else run.path.stem}: {task.name}"
    if not any(task.panels for task in tasks):
        kinds = ", ".join(sorted({str(task.kind) for task in tasks}))
        raise ConfigError(
            f"{run.path} holds responses of kind {kinds}, which {', '.join(settings.judge_names)} does not judge; name "
            "other --judges, or say with --kind what the prompts are"
        )
    return tasks


def write_run(run: Run, tasks: Sequence[StoredTask], folder: Path | None = None) -> Run:
    """Writes results and samples as lm-eval does, and returns the run that they hold.

    A run goes beside the one it was read from, a table or a journal into `<its name>_judged`. In `folder` each input
    has a folder of its own, as only the newest results in a folder are read.
    """
    place = run.path.parent if run.results else run.path.with_name(f"{run.path.stem}_judged")
    if folder is not None:
        source = run.path.parent if run.results else run.path
        place = folder / (re.sub(r"[^\w.-]+", "__", str(source)).strip("_.")[-200:] or "judged")
    place.mkdir(parents=True, exist_ok=True)
    time = write_time(place)  # what is judged now is what is read next, even after a clock was set back
    path, results = place / f"results_{time.name}.json", _results(run, tasks) | {JUDGED: time.date}
    lines = {task.name: task.lines() for task in tasks}
    for name, own in lines.items():
        text = "".join(_json(line) + "\n" for line in own)
        (place / f"samples_{name}_{time.name}.jsonl").write_text(text, encoding="utf-8")
    path.write_text(_json(results, indent=2), encoding="utf-8")
    return parse_run(path, results, lambda task: ((f"{path}: {task}", line) for line in lines[task]))


def _json(value: object, indent: int | None = None) -> str:
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)  # a verdict's text is its JSON
    # a lone surrogate, which no file in UTF-8 can hold, is kept as its escape
    return text if text.isascii() or not _SURROGATE.search(text) else json.dumps(value, indent=indent, default=str)


def _results(run: Run, tasks: Sequence[StoredTask]) -> dict[str, Any]:
    results = dict(run.results)
    # of a judge that judges again, no earlier rate stays, of groups neither
    again = {name for task in tasks for name in task.verdicts}
    results["results"] = {
        name: {key: value for key, value in row.items() if key.rpartition(",")[2] not in again}
        for name, row in run.results.get("results", {}).items()
    }
    results["configs"] = {}
    higher_is_better = results["higher_is_better"] = dict(run.results.get("higher_is_better", {}))
    for task in tasks:
        documents = len({sample.document for sample in task.task.samples})
        earlier = results["results"].get(task.name, {"alias": task.name, "sample_len": documents})
        results["results"][task.name] = earlier | task.aggregated()
        config = task.task.files.config or {"task": task.name}
        metadata = {**config.get("metadata", {}), "em_bench": task.record}
        results["configs"][task.name] = {**config, "metadata": metadata}
        higher_is_better[task.name] = directions(task.kind)
    _add_group_means(results["results"], run.results, again)
    return results | {"config": {"model_args": dict(run.model_args) or {"model": run.path.stem}}}


def _add_group_means(rows: dict[str, Any], old: Mapping[str, Any], judges: Iterable[str]) -> None:
    """The metrics that a group's row had, by the judges that judged now: each task has the same weight."""
    groups = old.get("group_subtasks") or {}
    for group in groups:
        tasks = [rows.get(name, {}) for name in _leaves(group, groups)]
        before = (old.get("results") or {}).get(group) or {}
        metrics = {key.partition(",")[0] for key in before if "," in key and "_stderr," not in key}
        for key in (f"{metric},{judge}" for judge in judges for metric in sorted(metrics)):
            values = [task[key] for task in tasks if isinstance(task.get(key), float)]
            if tasks and len(values) == len(tasks):
                errors = [task.get(key.replace(",", "_stderr,")) for task in tasks]
                numbers = [error for error in errors if isinstance(error, float)]
                spread = math.hypot(*numbers) / len(tasks) if len(numbers) == len(tasks) else "N/A"
                rows[group] |= {key: fmean(values), key.replace(",", "_stderr,"): spread}


def _leaves(group: str, groups: Mapping[str, Sequence[str]], above: frozenset[str] = frozenset()) -> list[str]:
    """The tasks in a group and in the groups that it holds."""
    if group not in groups or group in above:
        return [group]
    return [leaf for child in groups[group] for leaf in _leaves(child, groups, above | {group})]
