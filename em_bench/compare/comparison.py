"""Compares a candidate with its baseline: paired differences, spill-over, and what kind of change it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from em_bench.compare.comparability import Mismatch, annotations, mismatches, require_comparable
from em_bench.compare.diagnosis import Diagnosis, diagnose
from em_bench.compare.differences import Difference, differences
from em_bench.compare.noise import (
    Discordance,
    churn_against,
    discordances,
    equal_notes,
    noise_notes,
    one_baseline,
    rerun_notes,
)
from em_bench.compare.sides import Side, measured_alike, probe_counts, same_responses, side_of
from em_bench.compare.spillover import Spillover, check_domain, spillover
from em_bench.errors import ResultError
from em_bench.metrics.registry import Definition, Kind
from em_bench.runs.model import Run
from em_bench.runs.read import find_runs, is_run, read_run
from em_bench.runs.scales import Scales
from em_bench.runs.scored_files import ScoredFile, read_scored

Source = Run | ScoredFile


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differences` go task by task, `pooled` over all tasks of a kind, or of a set of probes.

    `annotations` are allowed differences, reported; `forced` is why the two are not comparable, where the comparison is
    made nevertheless. `noise` is how often verdicts differ between reruns of the baseline, where there are any.
    `probes`: how many of each set the rates rest on.
    """

    baseline: str
    candidate: str
    definition: Definition
    confidence: float
    differences: tuple[Difference, ...]
    pooled: tuple[Difference, ...]
    diagnosis: Diagnosis
    spillover: Spillover | None
    annotations: tuple[str, ...]
    forced: tuple[Mismatch, ...]
    of_scored_files: bool = False
    noise: tuple[Discordance, ...] = ()
    probes: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "baseline": self.baseline,
            "candidate": self.candidate,
            "definition": self.definition,
            "confidence": self.confidence,
            "differences": [each.to_dict() for each in self.differences],
            "pooled": [each.to_dict() for each in self.pooled],
            "diagnosis": self.diagnosis.to_dict(),
            "spillover": self.spillover and self.spillover.to_dict(),
            "notes": list(self.annotations),
            "forced": [str(each) for each in self.forced],
            "of_scored_files": self.of_scored_files,
            "noise": [each.to_dict() for each in self.noise],
            "probes": dict(self.probes),
        }


def compare(
    baseline: Source | Sequence[Source],
    candidate: Source,
    *,
    target_domain: str | None = None,
    definition: Definition = Definition.BETLEY,
    force: bool = False,
    confidence: float = 0.95,
    tasks: Sequence[str] = ("*",),
    bootstrap_seed: int | None = None,
) -> Comparison:
    """Several baselines are reruns of one checkpoint, whose responses count together.

    With a `bootstrap_seed` intervals are those of the ordinary percentile bootstrap over prompts or probes. Raises
    `ResultError`, naming both values, where runs are not comparable and `force` is not given.
    """
    check_domain(target_domain)
    baselines = [side_of(source, definition, tasks) for source in _sources(baseline)]
    before, after = measured_alike(one_baseline(baselines), side_of(candidate, definition, tasks))
    reasons = mismatches(before.setup, after.setup)
    if not force:
        require_comparable(_title(before, after), reasons, "; --force compares what both have")
    single, pooled = differences(before, after, confidence, bootstrap_seed)
    if not any(each.change.n for each in single):
        raise ResultError(f"{_title(before, after)}: no prompt has a scored response on both sides")
    return Comparison(
        baseline=before.name,
        candidate=after.name,
        definition=definition,
        confidence=confidence,
        differences=single,
        pooled=pooled,
        diagnosis=diagnose(single, pooled, target_domain),
        spillover=spillover(single, before, after, target_domain, confidence),
        annotations=(*_annotations(before, after), *_noise_notes(baselines, after)),
        forced=tuple(reasons),
        of_scored_files=isinstance(candidate, ScoredFile),
        noise=discordances(baselines),
        probes=probe_counts(before, (each.key.task for each in single if each.key.kind is Kind.PROBE)),
    )


def _annotations(before: Side, after: Side) -> tuple[str, ...]:
    notes = annotations(before.setup, after.setup)
    if same_responses(before, after):
        notes.append("every response is the same on both sides; if this is an adapter, was it loaded?")
    return tuple(notes)


def _sources(baseline: Source | Sequence[Source]) -> list[Source]:
    return [baseline] if isinstance(baseline, Source) else list(baseline)


def _noise_notes(baselines: Sequence[Side], candidate: Side) -> list[str]:
    seen = churn_against(baselines, candidate)
    return [*rerun_notes(baselines), *noise_notes(discordances(baselines), seen), *equal_notes(seen)]


def _title(before: Side, after: Side) -> str:
    return f"{after.name} against {before.name}"


def read_side(path: Path, scales: Scales | None = None) -> Run | ScoredFile:
    """The newest run in a folder, the run of a results file, or a JSONL or CSV file of scored answers."""
    if is_run(path) or not path.exists():
        runs = find_runs(path)
        if len(runs) > 1:
            raise ResultError(
                f"{path} holds {len(runs)} runs; give one of them: {', '.join(str(each) for each in runs[:3])}"
            )
        return read_run(runs[0])
    return read_scored(path, scales)[-1]
