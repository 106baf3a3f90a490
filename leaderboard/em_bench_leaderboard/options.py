"""What may be chosen about publishing and reporting: light to import."""

from dataclasses import dataclass
from pathlib import Path

RESULTS = Path("leaderboard/results")
"""The store, relative to a checkout of em-bench."""


@dataclass(frozen=True, slots=True)
class AddOptions:
    """How runs are published in `store`.

    `name` is what the checkpoint is called there, `owner/model`. `baseline` is the parent's run: its id in the store,
    or its path. `demonstration` marks a run as no statement about real models.
    """

    store: Path = RESULTS
    name: str | None = None
    baseline: str | None = None
    base_family: str | None = None
    method: str | None = None
    publish_samples: bool = False
    demonstration: bool = False


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """`baseline` is the run to compare with; `samples` puts the responses into the HTML file."""

    baseline: Path | None = None
    samples: bool = False


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """`format` is model-index, eval-results, csv or every-eval-ever.

    `name` is what the checkpoint is called there, `judge` limits the export to that judge's rates, and `dataset` is
    the benchmark data set on the Hub, for eval-results.
    """

    format: str
    name: str | None = None
    judge: str | None = None
    dataset: str | None = None
