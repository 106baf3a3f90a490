"""What `em-bench run` ends with: rates or the effects of conditions, whether misalignment is narrow, and the files."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from em_bench.compare.conditions import condition_of_run, effects
from em_bench.compare.narrow import finetune_domain, narrow
from em_bench.conditions import NONE
from em_bench.errors import ResultError
from em_bench.reports.effects import effect_parts, narrow_parts
from em_bench.reports.rates import rate_parts
from em_bench.runs.model import Run
from em_bench.runs.rates import rates_with_tiers


def outcome_parts(runs: Sequence[Run]) -> Iterator[RenderableType]:
    conditions = {condition_of_run(run) for run in runs}
    if NONE.name in conditions and len(conditions) > 1:
        yield from effect_parts(effects(runs))
    else:
        yield from rate_parts(rates_with_tiers(runs))
    yield from _narrow(runs)
    yield from (f"written: {run.path}" for run in runs)


def _narrow(runs: Sequence[Run]) -> Iterator[RenderableType]:
    """As far as the runs can say it."""
    if finetune_domain(runs[0]) is None:
        return
    try:
        rows = [row for run in runs for row in narrow(run)]
    except ResultError as error:  # without a judge model there is nothing to say yet
        yield f"narrow or general: {error}"
        return
    yield from narrow_parts(rows)
