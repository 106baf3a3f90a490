"""The cells and rows of the index: rates as a page shows them."""

from collections.abc import Mapping
from dataclasses import dataclass

from em_bench.runs.result import RunResult
from em_bench.types import DOMAINS
from em_bench_leaderboard.differences import Difference
from em_bench_leaderboard.store import Entry

EM, OVER, COHERENT, UNSCORED, REFUSAL = "em", "over_refusal", "coherent", "unscored", "refusal"
COLUMNS = (EM, *DOMAINS, OVER, COHERENT, UNSCORED)
PROBE_SETS = {
    "em_agentic": "em_probes_agentic",
    "em_first_plot": "em_published_first_plot",
    "em_preregistered": "em_published_preregistered",
}
"""Columns of an EM rate of their own, and the sets of probes that they are of. They are shown where a run has them."""
AXES = (EM, REFUSAL, OVER, COHERENT)
"""What a rank takes into account."""
LOWER_IS_BETTER = frozenset({EM, OVER})


@dataclass(frozen=True, slots=True)
class Cell:
    """A rate as a page shows it, in 0..1. `value` None: judged, but nothing was scored."""

    value: float | None
    low: float
    high: float
    n: int
    unscored: int
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One judge's view of one run. A column that is missing from `cells` was not measured.

    `weakest` is the quality (of `AXES`) that its rank goes by first. `probes` names the task that its EM rate is of,
    with its number of probes; empty without one.
    """

    entry: Entry
    judge: str
    cells: Mapping[str, Cell]
    definition: str | None
    rank: int | None = None
    weakest: str | None = None
    probes: str = ""

    @property
    def result(self) -> RunResult:
        return self.entry.result

    @property
    def condition(self) -> str:
        return self.entry.result.condition_name
