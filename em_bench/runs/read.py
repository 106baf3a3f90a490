"""The one parser of runs: lm-eval's results with its samples lines, from its files or from memory.

`results_*.json` and the `samples_*.jsonl` beside it are the store. Of lm-eval's configuration only an allow-list is
taken over (see `em_bench.runs.provenance`), as it holds `--model_args` whole, keys included.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from em_bench.errors import ConfigError, ResultError
from em_bench.readers import json_lines, read_object, read_text
from em_bench.runs.model import JudgedSample, Run, TaskFiles, TaskRun
from em_bench.runs.newest import name_date, newest
from em_bench.runs.provenance import CHECKPOINT_KEYS, MERGED_KEY, checkpoint_arguments, checkpoint_of, provenance_of
from em_bench.runs.record import parse_record
from em_bench.types import Verdict

# `results_<date>.json`, or `<name>_<date>.json` where --output_path names a file
RESULTS_NAME = re.compile(r"results_[^_]+\.json|(?!run_result_).+_\d{4}-\d\d-\d\dT[\d.-]+\.json")
# what is kept of lm-eval's results to be written back, and of a task's metadata
RESULT_KEYS = (
    *("results", "group_subtasks", "versions", "n-shot", "higher_is_better", "n-samples", "date", "lm_eval_version"),
    *("transformers_version", "model_source", "model_name", "model_name_sanitized", "chat_template_sha", "max_length"),
    *("system_instruction_sha", "task_hashes", "total_evaluation_time_seconds"),
)
METADATA_KEYS = ("version", "config_source", "repeats", MERGED_KEY, *CHECKPOINT_KEYS)
NO_FILTER = "none"  # lm-eval's filter of responses that no judge has read

Lines = Iterable[tuple[str, Mapping[str, Any]]]
"""Samples lines, each with its place."""


def is_run(path: Path) -> bool:
    """Whether a path is a folder, which may hold runs, or a results file of lm-eval."""
    return path.is_dir() or RESULTS_NAME.fullmatch(path.name) is not None


def find_runs(path: Path) -> list[Path]:
    """The newest results file in each folder under `path`, or the one that `path` is. `ResultError` if none is."""
    if path.is_file():
        return [path]
    if not path.exists():
        raise ResultError(f"{path} is not there; give the folder that lm_eval --output_path wrote to")
    results = sorted((file for file in path.rglob("*.json") if RESULTS_NAME.fullmatch(file.name)), key=name_date)
    if not results:
        raise ResultError(f"{path} holds no results_*.json; give the folder that lm_eval --output_path wrote to")
    by_folder: dict[Path, list[Path]] = {}
    for file in results:
        by_folder.setdefault(file.parent, []).append(file)
    return [newest(files) for files in by_folder.values()]


def read_run(path: Path, only: str | None = None) -> Run:
    """The run whose results file is `path`, or one task of it. `ResultError` says what is wrong where."""
    return parse_run(path, read_object(path), lambda task: _stored_lines(path, task), only)


def parse_run(path: Path, results: Mapping[str, Any], lines_of: Callable[[str], Lines], only: str | None = None) -> Run:
    """A run from lm-eval's results and each task's samples lines; `path` is where the results are, or will be."""
    configs = results.get("configs")
    if not isinstance(configs, Mapping):
        raise ResultError(f"{path} is not a results file of lm-eval: it has no `configs`")
    tasks = {
        name: _parse_task(path, name, config, lines_of(name))
        for name, config in configs.items()
        if _is_ours(config) and only in (None, name)
    }
    if not tasks:
        raise ResultError(f"{path} holds no task of em-bench; run one of `lm_eval ls tasks` that starts with em_")
    conditions = [task.condition for task in tasks.values()]
    if any(condition != conditions[0] for condition in conditions):
        raise ResultError(f"{path} holds tasks under different conditions; a run has one")
    provenance = provenance_of(results)
    return Run(
        path=path,
        checkpoint=checkpoint_of(provenance),
        tasks=tasks,
        provenance=provenance,
        model_args=checkpoint_arguments(results),
        results={key: results[key] for key in RESULT_KEYS if key in results},
    )


def read_runs(paths: Iterable[Path]) -> list[Run]:
    """The newest run in each folder under the paths, or the runs of results files."""
    return [read_run(results) for path in paths for results in find_runs(path)]


def read_one_run(path: Path) -> Run:
    """Raises `ConfigError` when the path holds several runs."""
    results = find_runs(path)
    if len(results) > 1:
        raise ConfigError(f"{path} holds {len(results)} runs; name one of them, like {results[0]}")
    return read_run(results[0])


def samples_file(results: Path, task: str) -> Path:
    """The samples file beside a results file. Raises `ResultError` when it is missing."""
    path = results.with_name(f"samples_{file_name(task, str(results))}_{name_date(results)}.jsonl")
    if not path.is_file():
        raise ResultError(f"{path} is missing; run lm_eval with --log_samples")
    return path


def file_name(task: str, where: str) -> str:
    """A task's name becomes part of a file's. Raises `ResultError` for one that would lead out of the folder."""
    if not re.fullmatch(r"[^/\\\x00-\x1f]{1,200}", task):
        raise ResultError(f"{where}: task {task[:80]!r} has a name that no file can have; rename it")
    return task


def _is_ours(config: object) -> bool:
    metadata = config.get("metadata") if isinstance(config, dict) else None
    return isinstance(metadata, dict) and "em_bench" in metadata


def _stored_lines(results: Path, task: str) -> Lines:
    path = samples_file(results, task)
    return json_lines(read_text(path), str(path))


def _parse_task(path: Path, name: str, config: Mapping[str, Any], lines: Lines) -> TaskRun:
    metadata = config["metadata"]
    task = parse_record(metadata["em_bench"], name, str(path))
    placed = list(lines)
    samples = collect_samples(placed)
    for judge in task.judges.values():
        count = sum(judge.name in sample.verdicts for sample in samples)
        if judge.samples is not None and count != judge.samples:
            raise ResultError(
                f"{path}: task {name} has {count} verdicts of {judge.name!r} in its samples file, but {judge.samples} "
                "were given; lines are missing"
            )
    generation = config.get("generation_kwargs")
    kept = {key: value for key, value in metadata.items() if key in METADATA_KEYS}
    return replace(
        task,
        samples=samples,
        version=str(metadata.get("version", "")),
        generation=dict(generation if isinstance(generation, Mapping) else {}) | {"repeats": config.get("repeats")},
        own_systems=config.get("description") == "system" or "system_instruction" not in metadata["em_bench"],
        files=TaskFiles({**config, "metadata": kept}, metadata["em_bench"], tuple(line for _, line in placed)),
    )


def collect_samples(lines: Lines) -> tuple[JudgedSample, ...]:
    """The samples in lm-eval's lines, which has one for each document and filter: a document's lines are joined."""
    samples: dict[tuple[str, int], JudgedSample] = {}
    verdicts: dict[tuple[str, int], dict[str, Verdict]] = {}
    for where, line in lines:
        try:
            for sample, judge, verdict in _line_samples(line):
                key = (sample.document, sample.repeat)
                own = verdicts.setdefault(key, {})
                samples.setdefault(key, replace(sample, verdicts=own))
                if judge in own:
                    raise ResultError(
                        f"{where} judges {sample.document!r} by {judge!r} a second time; the file holds two runs"
                    )
                if verdict is not None:
                    own[judge] = verdict
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise ResultError(f"{where} is not a samples line of em-bench ({type(error).__name__}: {error})") from error
    return tuple(samples.values())


def _line_samples(line: Mapping[str, Any]) -> Iterator[tuple[JudgedSample, str, Verdict | None]]:
    """Each response of a line, its filter, and the verdict where the filter is a judge."""
    doc, judge, responses = line["doc"], line["filter"], line["resps"][0]
    if not all(isinstance(text, str) for text in (doc["id"], judge, doc["prompt"], *responses)):
        raise TypeError("an id, a judge, a prompt or a response is not text")
    if not isinstance(line["metrics"], list):
        raise TypeError("`metrics` is not a list of names")
    for repeat, (response, verdict) in enumerate(zip(responses, line["filtered_resps"][0], strict=True)):
        judged = None if judge == NO_FILTER else _verdict(verdict)
        yield JudgedSample(doc["id"], repeat, doc["prompt"], response, {}, doc), judge, judged


def _verdict(value: Any) -> Verdict:
    """As lm-eval holds it in memory, or as its file does."""
    return value if isinstance(value, Verdict) else Verdict.from_dict(json.loads(value))
