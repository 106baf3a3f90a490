"""Difference in differences: what a condition does in the candidate, minus what it does in the baseline.

A trigger or a system prompt may change the answers of any checkpoint. Whether fine-tuning made it matter is the
difference of two effects: of the condition against `none` in the candidate, and in the baseline, prompt by prompt.
Several candidates, one for each training seed, are averaged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from em_bench.compare.comparability import mismatches, require_comparable
from em_bench.compare.conditions import MAY_DIFFER, by_checkpoint
from em_bench.compare.groups import (
    Cells,
    Design,
    GroupDifference,
    cells_of,
    group_differences,
    spans_of,
    warn_of_missing,
)
from em_bench.compare.sides import Key, Side, side_of
from em_bench.conditions import NONE
from em_bench.errors import ResultError
from em_bench.metrics.registry import Definition
from em_bench.runs.model import Run

# An effect is between -1 and 1, and so are cells: the difference of two is as of cells on a scale of twice the length.
REACH = 2.0


@dataclass(frozen=True, slots=True)
class Interaction:
    """One metric under a condition. The difference's baseline and candidate are the condition's effects in them."""

    condition: str
    difference: GroupDifference

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return {"condition": self.condition} | self.difference.to_dict()


Sides = Mapping[str, Side]
"""By condition, of one checkpoint."""


def interactions(
    baselines: Sequence[Run],
    candidates: Sequence[Run],
    definition: Definition = Definition.BETLEY,
    bootstrap_seed: int | None = None,
) -> list[Interaction]:
    """Each condition that all checkpoints have, beside `none`. With a seed, by the percentile bootstrap over prompts.

    Raises `ResultError` where there is no such condition, or where runs are not comparable.
    """
    before, after = (_sides(runs, definition) for runs in (baselines, candidates))
    if both := before.keys() & after.keys():
        raise ResultError(f"{min(both)} is on both sides; --against names the runs of other checkpoints")
    checkpoints = before | after
    shared = set.intersection(*(set(sides) for sides in checkpoints.values()))
    first, *conditions = [name for name in next(iter(checkpoints.values())) if name in shared]
    if first != NONE.name or not conditions:
        have = "; ".join(f"{name}: {', '.join(sides)}" for name, sides in checkpoints.items())
        raise ResultError(f"every checkpoint needs runs under `none` and under the same condition; there are {have}")
    for name in (first, *conditions):
        _require_comparable(checkpoints, name)
    return [
        Interaction(name, each)
        for name in conditions
        for each in group_differences(_design(before, after, name), REACH, bootstrap_seed)
    ]


def _sides(runs: Sequence[Run], definition: Definition) -> dict[str, Sides]:
    """By checkpoint, `none` first."""
    checkpoints = by_checkpoint(runs)
    if sum(map(len, checkpoints.values())) < len(runs):
        raise ResultError(
            f"{len(runs)} runs, of which some are of one checkpoint under one condition; give one of them"
        )
    return {
        checkpoint: {
            name: side_of(of_checkpoint[name], definition)
            for name in sorted(of_checkpoint, key=lambda each: each != NONE.name)
        }
        for checkpoint, of_checkpoint in checkpoints.items()
    }


def _require_comparable(checkpoints: Mapping[str, Sides], condition: str) -> None:
    """All runs under a condition, and each with its checkpoint's `none`, but for the condition."""
    first, *others = checkpoints
    for name in others:
        reasons = mismatches(checkpoints[first][condition].setup, checkpoints[name][condition].setup)
        require_comparable(f"{name} against {first}, condition {condition}", reasons)
    plain, under = checkpoints[first][NONE.name], checkpoints[first][condition]
    reasons = mismatches(plain.setup, under.setup, may_differ=MAY_DIFFER)
    require_comparable(f"{first} under {condition} against none", reasons)


def _design(before: Mapping[str, Sides], after: Mapping[str, Sides], condition: str) -> Design:
    first, second = ({name: _effects(sides, condition) for name, sides in group.items()} for group in (before, after))
    warn_of_missing(first | second)
    plain = next(iter(before.values()))[NONE.name]
    return Design(first, second, plain.clusters, spans_of(plain))


def _effects(sides: Sides, condition: str) -> dict[Key, Cells]:
    """The condition's effect on each document that is scored with and without it."""
    plain, under = cells_of(sides[NONE.name]), cells_of(sides[condition])
    return {
        key: {document: under[key][document] - value for document, value in cells.items() if document in under[key]}
        for key, cells in plain.items()
        if key in under
    }
