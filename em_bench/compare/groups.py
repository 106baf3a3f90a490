"""Groups of runs against each other: several training runs of one recipe against those of another.

Each document has its mean in each run, and counts where every run has a scored response to it; a probe is the mean of
its documents. There are two differences of the groups' means: over prompts it holds for these checkpoints; over prompts
and training runs it holds for the recipes of the groups that have several runs (see `em_bench.stats.crossed`).
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from em_bench.compare.comparability import mismatches, require_comparable
from em_bench.compare.differences import whole_of
from em_bench.compare.sides import Key, Side, side_of
from em_bench.errors import ResultError
from em_bench.metrics.registry import Definition, Kind, MetricKey
from em_bench.runs.model import Run
from em_bench.stats.clusters import Floats
from em_bench.stats.crossed import Crossed, crossed
from em_bench.stats.multiplicity import holm
from em_bench.stats.paired import Method, Paired, paired
from em_bench.text import shown

log = logging.getLogger(__name__)

Cells = Mapping[tuple[str, str], float]
"""By task and document, a run's mean over its scored responses."""


@dataclass(frozen=True, slots=True)
class GroupDifference:
    """One metric: the candidates' mean minus the baselines'. `baselines` and `candidates` name their checkpoints.

    `over_prompts` is of these checkpoints; `over_runs` is of their recipes too, None where neither group has two runs.
    `p_adjusted` is by Holm over the tasks of the same kind, judge and metric: of `over_runs` if there is one.
    """

    key: Key
    over_prompts: Paired
    over_runs: Crossed | None
    baselines: tuple[str, ...]
    candidates: tuple[str, ...]
    p_adjusted: float
    is_mean: bool = False

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return self.key.to_dict() | {
            "baselines": list(self.baselines),
            "candidates": list(self.candidates),
            "over_prompts": asdict(self.over_prompts),
            "over_runs": self.over_runs and asdict(self.over_runs),
            "p_adjusted": self.p_adjusted,
            "is_mean": self.is_mean,
        }


@dataclass(frozen=True, slots=True)
class Design:
    """By checkpoint of both groups, the cells of each rate; and the `clusters` that the documents of all are of."""

    before: Mapping[str, Mapping[Key, Cells]]
    after: Mapping[str, Mapping[Key, Cells]]
    clusters: Mapping[str, Mapping[str, str]]
    spans: Mapping[Key, float | None]


def compare_groups(
    baselines: Sequence[Run], candidates: Sequence[Run], definition: Definition = Definition.BETLEY
) -> list[GroupDifference]:
    """Task by task, and over all tasks of a kind or of a set of probes. Raises `ResultError` where runs are not
    comparable, or two are of the same checkpoint.
    """
    _require_training_runs([*baselines, *candidates])
    first = side_of(baselines[0], definition)
    cells: dict[str, Mapping[Key, Cells]] = {}
    for run in (*baselines, *candidates):
        side = side_of(run, definition)
        require_comparable(f"{run.path} against {baselines[0].path}", mismatches(first.setup, side.setup))
        cells[run.checkpoint.name] = cells_of(side)
    warn_of_missing(cells)
    names = [[run.checkpoint.name for run in runs] for runs in (baselines, candidates)]
    before, after = ({name: cells[name] for name in of_group} for of_group in names)
    return list(group_differences(Design(before, after, first.clusters, spans_of(first))))


def warn_of_missing(cells: Mapping[str, Mapping[Key, Cells]]) -> None:
    """Names the rates that most runs have, and that are left out for a run without, as where a judge scored nothing."""
    counts = Counter(key for rates in cells.values() for key in rates)
    usual = {key for key, count in counts.items() if 2 * count >= len(cells)}
    for name, rates in cells.items():
        if missing := sorted({f"{key.metric} by {key.judge}" for key in usual - rates.keys()}):
            log.warning("em-bench: %s has no %s, left out for all runs", shown(name), shown(", ".join(missing)))


def _require_training_runs(runs: Sequence[Run]) -> None:
    """Raises `ResultError` where two are of one checkpoint: reruns tell nothing of another training run."""
    paths: dict[str, Run] = {}
    for run in runs:
        other = paths.setdefault(run.checkpoint.name, run)
        if other is not run:
            raise ResultError(
                f"{other.path} and {run.path} are both of {run.checkpoint.name}, and reruns are no training runs; "
                "name other checkpoints that are called the same apart, as NAME=PATH"
            )


def cells_of(side: Side) -> dict[Key, Cells]:
    """A run's cells of each rate."""
    return {
        key: {
            (key.task, document): float(np.mean(scored))
            for document, values in column.values.items()
            if (scored := [float(value) for value in values if value is not None])
        }
        for key, column in side.columns.items()
    }


def spans_of(side: Side) -> dict[Key, float | None]:
    """The length of the scale of scores; None for rates."""
    scales = ((key, column.scale) for key, column in side.columns.items())
    return {key: scale[1] - scale[0] if scale else None for key, scale in scales}


def group_differences(
    design: Design, reach: float = 1.0, bootstrap_seed: int | None = None
) -> Iterator[GroupDifference]:
    """Of every rate that all runs have. `reach` is the largest value of a cell, in units of the scale."""
    runs = [*design.before.values(), *design.after.values()]
    families: dict[tuple[Kind, str, MetricKey], list[Key]] = {}
    for key in runs[0]:
        if all(key in run for run in runs):
            families.setdefault((key.kind, key.judge, key.metric), []).append(key)
    for keys in families.values():
        tasks = [each for key in keys if (each := _difference(design, key, [key], reach, bootstrap_seed))]
        adjusted = holm([each.p_adjusted for each in tasks])
        yield from (replace(each, p_adjusted=p) for each, p in zip(tasks, adjusted, strict=True))
        yield from _wholes(design, keys, reach, bootstrap_seed)


def _wholes(design: Design, keys: Sequence[Key], reach: float, bootstrap_seed: int | None) -> Iterator[GroupDifference]:
    """Over all tasks of a kind, or of a set of probes, where it has several; p by Holm over the sets."""
    of_whole: dict[str, list[Key]] = {}
    for key in keys:
        of_whole.setdefault(whole_of(key), []).append(key)
    names = {name: replace(own[0], task=name, domain="") for name, own in of_whole.items() if len(own) > 1}
    wholes = [
        each for name, key in names.items() if (each := _difference(design, key, of_whole[name], reach, bootstrap_seed))
    ]
    adjusted = holm([each.p_adjusted for each in wholes])
    yield from (replace(each, p_adjusted=p) for each, p in zip(wholes, adjusted, strict=True))


def _difference(
    design: Design, name: Key, keys: Sequence[Key], reach: float, bootstrap_seed: int | None
) -> GroupDifference | None:
    """None where no document is scored in every run."""
    before, after = ([_merged(run, keys) for run in runs.values()] for runs in (design.before, design.after))
    clusters = _clusters(design, [*before, *after])
    if not clusters:
        return None
    spans = [span for key in keys if (span := design.spans[key]) is not None]
    first, second = (np.array([_means(run, clusters) for run in runs]) for runs in (before, after))
    over_prompts = _over_prompts(
        first.mean(axis=0), second.mean(axis=0), reach * max(spans, default=1.0), bootstrap_seed
    )
    over_runs = _within(crossed(first, second), reach * max(spans, default=1.0))
    p = over_runs.p if over_runs else over_prompts.p
    names = tuple(design.before), tuple(design.after)
    return GroupDifference(name, over_prompts, over_runs, *names, p, bool(spans))


def _within(change: Crossed | None, limit: float) -> Crossed | None:
    """No difference is beyond the scale, and so no interval is."""
    return change and replace(change, low=max(change.low, -limit), high=min(change.high, limit))


def _over_prompts(before: Floats, after: Floats, scale: float, bootstrap_seed: int | None) -> Paired:
    pairs = [[([float(first)], [float(second)])] for first, second in zip(before, after, strict=True)]
    if bootstrap_seed is None:
        change = paired(pairs, scale=scale, method=Method.CLUSTERS)
    else:
        change = paired(pairs, scale=scale, method=Method.PERCENTILE, seed=bootstrap_seed)
    assert change is not None
    return change


def _merged(run: Mapping[Key, Cells], keys: Sequence[Key]) -> dict[tuple[str, str], float]:
    return {document: value for key in keys for document, value in run[key].items()}


def _clusters(design: Design, runs: Sequence[Cells]) -> list[list[tuple[str, str]]]:
    """The documents that every run has, by prompt or probe."""
    clusters: dict[str, list[tuple[str, str]]] = {}
    for task, document in runs[0]:
        if all((task, document) in run for run in runs):
            clusters.setdefault(design.clusters[task][document], []).append((task, document))
    return list(clusters.values())


def _means(run: Cells, clusters: Sequence[Sequence[tuple[str, str]]]) -> Floats:
    return np.array([np.mean([run[document] for document in documents]) for documents in clusters])
