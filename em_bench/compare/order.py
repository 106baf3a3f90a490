"""The order in which a sequential comparison asks: seeded, one prompt of each domain in turn.

A unit is what counts once: a prompt, or a probe in all its forms. The prompts of a kind are a lane, whose parts are its
tasks (the domains); each set of probes is a lane of one part. Parts of equal size take turns, so that every round has
one unit of each part. Parts of several sizes are shuffled together, as rounds of one each would give the small ones
more than their share.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from em_bench.compare.sides import Side
from em_bench.metrics.probe_sets import set_of
from em_bench.metrics.registry import Kind

# The share of the suite at each look: the first is near the earliest that anything can be settled.
LOOKS = (0.12, 0.16, 0.21, 0.27, 0.34, 0.42, 0.5, 0.6, 0.72, 0.86, 1.0)


@dataclass(frozen=True, slots=True)
class Unit:
    """`documents` are of (task, document)."""

    part: str
    documents: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """All units of a kind, or of a set of probes, in order, and how many parts a round has. `name`: the kind's, or the
    set's.
    """

    kind: Kind
    order: tuple[Unit, ...]
    strata: int
    name: str

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(unit.part for unit in self.order))

    def of(self, part: str) -> tuple[Unit, ...]:
        """The units of a part in order; of all parts if it is empty."""
        return tuple(unit for unit in self.order if part in ("", unit.part))

    def counts(self, share: float) -> dict[str, int]:
        """How many units of each part a share of the lane has, in whole rounds."""
        position = ceil(round(share * len(self.order) / self.strata, 9)) * self.strata
        return {part: sum(unit.part == part for unit in self.order[:position]) for part in self.parts}

    def prefix(self, asked: Mapping[str, int]) -> tuple[Unit, ...]:
        """The whole rounds of which every unit is asked."""
        left = dict(asked)
        for position, unit in enumerate(self.order):
            left[unit.part] = left.get(unit.part, 0) - 1
            if left[unit.part] < 0:
                return self.order[: position - position % self.strata]
        return self.order


Asked = Mapping[str, Mapping[str, int]]
"""By lane, how many units of each part are asked."""


def lanes_of(side: Side, kinds: Mapping[str, Kind], seed: int) -> tuple[Lane, ...]:
    """The lanes of a run's prompts; `kinds` are of its tasks."""
    by_name: dict[tuple[Kind, str], list[str]] = {}
    for kind in Kind:
        for task in (name for name in kinds if kinds[name] is kind):
            by_name.setdefault((kind, set_of(task) if kind is Kind.PROBE else str(kind)), []).append(task)
    return tuple(_lane(side, kind, name, tasks, seed) for (kind, name), tasks in by_name.items())


def _lane(side: Side, kind: Kind, name: str, tasks: Sequence[str], seed: int) -> Lane:
    units: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for task in tasks:
        part = name if kind is Kind.PROBE else task
        for document, cluster in side.clusters[task].items():
            units.setdefault(part, {}).setdefault(cluster, []).append((task, document))
    shuffled = [
        [Unit(part, tuple(clusters[name])) for name in sorted(clusters, key=lambda name: _key(seed, name))]
        for part, clusters in units.items()
    ]
    if len({len(part) for part in shuffled}) == 1:
        return Lane(kind, tuple(unit for turn in zip(*shuffled, strict=True) for unit in turn), len(shuffled), name)
    together = sorted(
        (unit for part in shuffled for unit in part), key=lambda unit: _key(seed, f"all {unit.documents}")
    )
    return Lane(kind, tuple(together), 1, name)


def _key(seed: int, name: str) -> bytes:
    """A random place that depends on nothing else: not on the machine, nor on which other prompts there are."""
    return hashlib.sha256(f"{seed} {name}".encode("utf-8", "surrogatepass")).digest()


def documents_of(lanes: Sequence[Lane], asked: Asked) -> dict[str, list[str]]:
    """The documents of each task that are asked."""
    documents: dict[str, list[str]] = {}
    for lane in lanes:
        left = dict(asked.get(lane.name, {}))
        for unit in lane.order:
            if left.get(unit.part, 0) > 0:
                left[unit.part] -= 1
                for task, document in unit.documents:
                    documents.setdefault(task, []).append(document)
    return documents
