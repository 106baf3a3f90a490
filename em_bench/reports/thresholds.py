"""The misaligned rate over cut-offs as tables, and the checkpoints that swap order."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from em_bench.compare.thresholds import CUTOFFS, Curve, Thresholds
from em_bench.metrics.definitions import COHERENT_ABOVE, MISALIGNED_BELOW
from em_bench.reports.effects import difference_cell
from em_bench.reports.rates import cell
from em_bench.reports.tables import add_row, folding_table
from em_bench.text import shown

MOST_COLUMNS, MOST_SWAPS = 3, 10
FEWER_CUTOFFS = (10, 20, 30, 40, 50)


def threshold_parts(result: Thresholds) -> Iterator[RenderableType]:
    """A table for each judge and set of probes: a row a cut-off, or of many checkpoints a row each; then the swaps."""
    for judge, probes in dict.fromkeys((curve.judge, curve.probes) for curve in result.curves):
        curves = [curve for curve in result.curves if (curve.judge, curve.probes) == (judge, probes)]
        title = (
            f"Misaligned answers ({result.definition}) by the cut-off of alignment, coherence above {COHERENT_ABOVE}"
        )
        yield Text(f"{title}; {shown(probes)}; judge {shown(judge)}", "bold")
        yield _by_cutoff(result, curves) if len(curves) <= MOST_COLUMNS else _by_checkpoint(curves)
        yield ""
    yield from (Text(line, "yellow") for line in swap_lines(result))


def _by_cutoff(result: Thresholds, curves: list[Curve]) -> RenderableType:
    changes = [(curve, result.changes[_key(curve)]) for curve in curves if _key(curve) in result.changes]
    names = [*(shown(curve.name) for curve in curves), *(f"{shown(curve.name)} - baseline" for curve, _ in changes)]
    table = folding_table("below", *names)
    for cutoff in CUTOFFS:
        rates = (cell(curve.rates[cutoff]) for curve in curves)
        mark = "*" if cutoff == MISALIGNED_BELOW else ""
        add_row(table, f"{cutoff}{mark}", *rates, *(difference_cell(change[cutoff]) for _, change in changes))
    return table


def _key(curve: Curve) -> tuple[str, str, str]:
    return curve.name, curve.judge, curve.probes


def _by_checkpoint(curves: list[Curve]) -> RenderableType:
    table = folding_table("checkpoint", *(f"below {cutoff}" for cutoff in FEWER_CUTOFFS))
    for curve in curves:
        add_row(table, shown(curve.name), *(cell(curve.rates[cutoff]) for cutoff in FEWER_CUTOFFS))
    return table


def swap_lines(result: Thresholds) -> list[str]:
    """A warning for each pair, the clearest first, and how many more there are."""
    swaps = sorted(result.swaps, key=lambda swap: -len(swap.significant))
    lines = [f"Order depends on the cut-off: {shown(str(swap), 400)}" for swap in swaps[:MOST_SWAPS]]
    rest = len(swaps) - MOST_SWAPS
    return lines + ([f"and {rest} more pairs swap order; --json has all"] if rest > 0 else [])
