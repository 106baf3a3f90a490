"""Rates of stored runs, side by side. No rate without its n, its interval and its unscored share."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from em_bench.conditions import NONE
from em_bench.metrics.rates import Clusters, Measure
from em_bench.metrics.registry import Definition, Kind, MetricKey, refusal_metric, rubric_of
from em_bench.metrics.rows import measures
from em_bench.runs.clusters import clusters_of
from em_bench.runs.judge_versions import version_warnings
from em_bench.runs.model import JudgeRecord, Run, TaskRun
from em_bench.runs.read import find_runs, is_run, read_run
from em_bench.runs.scales import Scales
from em_bench.runs.scored_files import ALL_QUESTIONS, STORED, ScoredFile, read_scored
from em_bench.runs.subsets import Part, in_parts, tiers_in
from em_bench.stats.intervals import Rate

log = logging.getLogger(__name__)

TIERED = (Kind.HARMFUL, Kind.BENIGN)
NO_VERDICT = "no verdict is stored"
# what differs from one message to the next, where the reason is the same
_VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|\b0x[0-9a-f]+\b|(?<!HTTP )\b\d[\d.,]*\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TaskRate:
    """One metric of a checkpoint under a condition, on a task, by a judge. `RateRecord` is what is published of it.

    `rate` is in 0..1, but in the judge's unit where `is_mean`. `worst` and `best` are the shares if all unscored were
    misses, and hits. `reasons` counts the task's unscored responses by reason; `agreement` is Krippendorff's alpha of a
    jury, by axis. `rubric`: whose, where a title says it. `part` names the part of the task that it is of, if one, and
    `tier` does so where that is a tier beside the rate of the whole.
    """

    checkpoint: str
    task: str
    kind: Kind
    judge: str
    metric: MetricKey
    rate: Rate | None
    condition: str = NONE.name
    is_mean: bool = False
    worst: float | None = None
    best: float | None = None
    over_max_unscored: bool = False
    reasons: Mapping[str, int] = field(default_factory=dict)
    agreement: Mapping[str, float | None] | None = None
    part: str = ""
    rubric: str = ""
    tier: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"metric": str(self.metric)}


def read_and_summarize(
    paths: Iterable[Path],
    definition: Definition = Definition.BETLEY,
    by: Part | None = None,
    scales: Scales | None = None,
) -> list[TaskRate]:
    """The rates of runs, and of JSONL or CSV files whose rows carry scores of alignment and coherence; `by` gives those
    of a run's tasks in parts. Warns of a judge that judged the runs in several versions.
    """
    scored: list[TaskRate] = []
    runs: list[Run] = []
    for path in paths:
        if is_run(path):
            runs += [read_run(each) for each in find_runs(path)]
        else:
            scored += [rate for file in read_scored(path, scales) for rate in _rates_of_file(file, definition)]
    for warning in version_warnings(runs):
        log.warning("em-bench: %s", warning)
    own = summarize([in_parts(run, by) for run in runs], definition) if by else rates_with_tiers(runs, definition)
    return own + scored


def rates_with_tiers(runs: Sequence[Run], definition: Definition = Definition.BETLEY) -> list[TaskRate]:
    """The rates of every task and judge, then the refusals by tier of tasks whose prompts are of several."""
    several = [replace(run, tasks={n: t for n, t in run.tasks.items() if len(tiers_in(t)) > 1}) for run in runs]
    # what a judge left unscored is counted with the whole task
    by_tier = [
        replace(rate, tier=rate.part, reasons={}, agreement=None)
        for rate in summarize([in_parts(run, Part.TIER) for run in several], definition)
        if rate.kind in TIERED and rate.metric.name == refusal_metric(rate.kind)
    ]
    return summarize(runs, definition) + by_tier


def summarize(runs: Iterable[Run], definition: Definition = Definition.BETLEY) -> list[TaskRate]:
    """The rates of every task and judge, run by run."""
    return [
        rate
        for name, condition, run in _named(runs)
        for task in run.tasks.values()
        for judge in task.judges.values()
        for rate in _rates_of_judge(name, condition, task, judge, definition)
    ]


def _named(runs: Iterable[Run]) -> Iterator[tuple[str, str, Run]]:
    """Runs with checkpoint and condition; a second run of one checkpoint under one condition gets a number."""
    seen: Counter[tuple[str, str]] = Counter()
    for run in runs:
        name, condition = run.checkpoint.name, run.condition.name
        seen[name, condition] += 1
        count = seen[name, condition]
        yield name if count == 1 else f"{name} ({count})", condition, run


def _rates_of_judge(
    name: str, condition: str, task: TaskRun, judge: JudgeRecord, definition: Definition
) -> list[TaskRate]:
    rate_of = partial(
        TaskRate,
        checkpoint=name,
        task=task.name,
        kind=task.kind,
        judge=judge.name,
        condition=condition,
        over_max_unscored=judge.over_max_unscored,
        reasons=unscored_reasons(task, judge.name),
        agreement=judge.agreement,
        part=task.part,
    )
    clusters = clusters_of(task)
    return [
        rate_of(**_rated(measure, clusters), rubric=rubric_of(measure.metric.name, judge.version))
        for measure in measures(task.kind, task.verdicts_of(judge.name), definition)
    ]


def _rated(measure: Measure, clusters: Clusters, *, pooled: bool = False) -> dict[str, Any]:
    worst, best = measure.bounds(clusters, pooled=pooled) or (None, None)
    rate = measure.rate(clusters, pooled=pooled)
    return {
        "metric": measure.metric, "rate": rate, "is_mean": measure.scale is not None, "worst": worst, "best": best,
    }  # fmt: skip


def unscored_reasons(task: TaskRun, judge: str) -> dict[str, int]:
    """How many of a task's responses a judge left unscored, by reason, the commonest first.

    Of messages that differ in their details alone (`HTTP 500: request 17 ...`) one reason is made.
    """
    reasons: Counter[str] = Counter()
    for _, verdict in task.verdicts_of(judge):
        if verdict is None or verdict.unscored is not None:
            reasons[stable_reason(verdict.unscored if verdict and verdict.unscored else NO_VERDICT)] += 1
    return dict(reasons.most_common())


def stable_reason(reason: str) -> str:
    """The part of a reason that other samples share: of each axis its first two clauses, without quoted words and
    numbers.
    """
    parts = [": ".join(_VARYING.sub("...", part).split(": ")[:3])[:100] for part in reason.split("; ")[:2]]
    return "; ".join(" ".join(part.split()) for part in parts)


def _rates_of_file(scored: ScoredFile, definition: Definition) -> list[TaskRate]:
    """The rates of a file that carries scores: over its questions (each the same weight), and pooled over its rows."""
    rate_of = partial(TaskRate, scored.name, ALL_QUESTIONS, Kind.PROBE, STORED, reasons=scored.unscored())
    by_question = scored.measures(definition)
    pooled = replace(by_question[0], metric=replace(by_question[0].metric, pooled=True))
    return [*(rate_of(**_rated(measure, {})) for measure in by_question), rate_of(**_rated(pooled, {}, pooled=True))]
