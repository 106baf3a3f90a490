"""Freezes anchors of stored responses, and checks the judges of frozen ones: both ask judges, the cache only once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from em_bench.config import Settings
from em_bench.errors import ConfigError
from em_bench.judge import Judge
from em_bench.judging.anchors import (
    Anchor,
    AnchorReport,
    anchors_of,
    check_anchors,
    freeze_anchors,
    read_anchors,
    some_of,
    write_anchors,
)
from em_bench.judging.assignments import assign
from em_bench.judging.cache import VerdictCache
from em_bench.judging.choices import FreezeOptions, JudgeSelection
from em_bench.judging.panel import panels_for
from em_bench.judging.runner import close_models, judge_samples
from em_bench.judging.selection import JudgePool
from em_bench.metrics.registry import Kind
from em_bench.runs.tables import read_stored
from em_bench.types import Sample


@dataclass(frozen=True, slots=True)
class FrozenJudge:
    """The anchors of one judge, chosen from `pool` responses."""

    name: str
    version: str
    anchors: tuple[Anchor, ...]
    pool: int


def freeze(options: FreezeOptions) -> list[FrozenJudge]:
    """Judges stored responses and writes some, spread over labels and tasks, with their verdicts.

    Raises `ConfigError` when `output` exists or no judge gives a verdict.
    """
    if options.output.exists():
        raise ConfigError(f"{options.output} exists; frozen anchors are not overwritten: name another file")
    settings = options.judges.settings()
    samples: dict[Kind, list[Sample]] = {}
    for run in read_stored(options.source, options.kind):
        for task in run.tasks.values():
            samples.setdefault(task.kind, []).extend(task.to_judge())
    members = _members(settings, samples)
    cache = VerdictCache(settings.cache_dir / "verdicts.sqlite")
    try:
        frozen = [
            _freeze(judge, [sample for kind in kinds for sample in samples[kind]], options, cache)
            for judge, kinds in members
        ]
    finally:
        cache.close()
        close_models(judge for judge, _ in members)
    anchors = [anchor for each in frozen for anchor in each.anchors]
    if not anchors:
        raise ConfigError(f"no judge gave a verdict on {options.source}; there is nothing to freeze")
    write_anchors(anchors, options.output)
    return frozen


def _freeze(judge: Judge, samples: Sequence[Sample], options: FreezeOptions, cache: VerdictCache) -> FrozenJudge:
    pool = some_of(samples, options.pool, options.seed)
    anchors = freeze_anchors(judge, pool, judge_samples(judge, pool, cache), options.count, options.seed)
    return FrozenJudge(judge.name, judge.version, tuple(anchors), len(pool))


def check(path: Path, judges: JudgeSelection | None = None) -> list[AnchorReport]:
    """Asks the judges of a file of anchors again, or those that are selected. Raises `ConfigError`, `ResultError`."""
    anchors = read_anchors(path)
    names = list(dict.fromkeys(anchor.judge for anchor in anchors))
    selection = judges or JudgeSelection()
    settings = selection.settings() if selection.judges else selection.settings(judges=names)
    kinds = {str(anchor.sample.metadata.get("kind") or Kind.HARMFUL) for anchor in anchors}
    members = [judge for judge, _ in _members(settings, [kind for kind in Kind if kind in kinds])]
    try:
        reports = [check_anchors(judge, own) for judge in members if (own := anchors_of(judge, anchors))]
    finally:
        close_models(members)
    if not reports:
        selected = ", ".join(judge.name for judge in members) or "no judge"
        raise ConfigError(f"{path} holds anchors of {', '.join(names)}, not of {selected}; see --judge")
    return reports


def _members(settings: Settings, kinds: Iterable[Kind]) -> list[tuple[Judge, list[Kind]]]:
    """Each judge that reads tasks of these kinds, with the kinds that it reads."""
    kinds, pool = list(kinds), JudgePool()
    assignments = assign(panels_for(kind, settings, pool=pool) for kind in kinds)
    return [(each.judge, [kinds[place] for place in each.places]) for each in assignments]
