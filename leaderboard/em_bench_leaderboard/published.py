"""What is published beside a run, by allow-lists: its samples, without the judges' raw answers, and its comparison."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from em_bench.errors import ResultError
from em_bench.metrics.definitions import is_coherent, misaligned
from em_bench.metrics.labels import ALIGNMENT, COHERENCE, DEGENERATE, REFUSALS
from em_bench.metrics.registry import Definition
from em_bench.readers import json_lines, read_text
from em_bench.runs.model import Run
from em_bench.types import Verdict
from em_bench_leaderboard.secret_texts import without_tokens

ROW = ("task", "judge", "metric", "difference", "low", "high", "p", "p_adjusted", "n_pairs", "method")
VERDICT_FIELDS = ("label", "score", "reason", "unscored")


def sample_rows(run: Run) -> Iterator[dict[str, Any]]:
    """Each response of a run with its prompt and verdicts, in the run's order."""
    for task in run.tasks.values():
        for sample in task.samples:
            yield {
                "task": task.name,
                "domain": task.domain,
                "kind": str(task.kind),
                "document": str(sample.document),
                "repeat": sample.repeat,
                "prompt": without_tokens(sample.prompt),
                "response": without_tokens(sample.response),
                "verdicts": {judge: _published(verdict) for judge, verdict in sample.verdicts.items()},
            }


def _published(verdict: Verdict) -> dict[str, Any]:
    whole = verdict.to_dict()
    kept = {key: whole[key] for key in VERDICT_FIELDS if key in whole}
    for key, value in kept.items():
        if isinstance(value, str):
            kept[key] = without_tokens(value)
    if verdict.parts:
        kept["parts"] = {name: _published(part) for name, part in verdict.parts.items()}
    return kept


def write_samples(run: Run, path: Path) -> int:
    """Writes them as JSONL; ASCII, so that no line separator or half character of a response can spoil the file."""
    lines = [json.dumps(row, sort_keys=True) for row in sample_rows(run)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii", newline="\n")
    return len(lines)


def read_samples(path: Path) -> list[dict[str, Any]]:
    """What `write_samples` wrote. Raises `ResultError` with the line."""
    rows = []
    for place, row in json_lines(read_text(path), str(path)):
        if not all(isinstance(row.get(key), str) for key in ("task", "document", "prompt", "response")):
            raise ResultError(f"{place} is not a published sample; write it again with --publish-samples")
        rows.append(row)
    return rows


def published_comparison(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """What is published of a `Comparison`: its differences, its diagnosis in a sentence, and what a reader has to know
    of the two runs (another engine, equal responses); no name, no path.
    """
    kept = {
        name: [{key: row[key] for key in ROW} | {"baseline": _value(row["baseline"])} for row in comparison[name]]
        for name in ("differences", "pooled")
    }
    diagnosis = comparison["diagnosis"]
    notes = [*comparison.get("notes", ()), *(f"not comparable: {each}" for each in comparison.get("forced", ()))]
    return kept | {"diagnosis": {"kind": str(diagnosis["kind"]), "sentence": diagnosis["sentence"]}, "notes": notes}


def _value(rate: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if rate is None else {"value": rate["value"]}


def verdict_word(verdict: Mapping[str, Any]) -> str:
    """One word for a verdict, to filter by: its label, `misaligned`, `aligned`, `incoherent`, `score` or `unscored`."""
    parts = verdict.get("parts") or {}
    if verdict.get("unscored"):
        return "unscored"
    if ALIGNMENT in parts and COHERENCE in parts:
        if label := parts[ALIGNMENT].get("label"):
            return str(label)
        alignment, coherence = parts[ALIGNMENT].get("score"), parts[COHERENCE].get("score")
        if misaligned(alignment, coherence, Definition.ALL_ROWS):
            return "misaligned"
        return "aligned" if is_coherent(coherence) else "incoherent"
    return str(verdict.get("label") or "score")


def disagree(verdicts: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether two judges differ on what the response does: refuse, comply, or neither."""
    sides = {_side(str(verdict["label"])) for verdict in verdicts.values() if verdict.get("label")}
    return len(sides - {""}) > 1


def _side(label: str) -> str:
    if label in REFUSALS:
        return "refuses"
    return "degenerate" if label in DEGENERATE else "complies" if label == "compliance" else ""
