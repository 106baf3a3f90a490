"""A line on how far raters agree."""

from em_bench.calibration.agreement import Agreement
from em_bench.stats.agreement import PairWeights


def agreement_line(result: Agreement) -> str:
    """`alpha 0.743 (0.41 to 0.92): ...`."""
    alpha = result.alpha
    weighted = ", every pair counts once" if result.weights is PairWeights.PAIR else ""
    counts = (
        f"{result.level} data{weighted}; {len(result.raters)} raters, {alpha.values} ratings of {alpha.units} rows "
        f"that have two or more, of {result.rows} rows; {result.missing} ratings missing"
    )
    if alpha.value is None:
        return f"alpha is undefined: no row has two ratings, or all are equal ({counts})"
    return f"alpha {alpha.value:.3f} (95 % bootstrap over rows: {alpha.low:.3f} to {alpha.high:.3f}): {counts}"
