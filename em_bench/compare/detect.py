"""The smallest worsening that a check of the gate finds, from the data that it has."""

from scipy.stats import norm, t

from em_bench.compare.differences import Difference
from em_bench.stats.paired import Method
from em_bench.stats.power import Rule, churn_of, detectable, detectable_by_t


def smallest_found(each: Difference, sign: int, rule: Rule, confidence: float) -> float | None:
    """The worsening that is called a regression four times in five; `sign` is -1 where higher is better.

    With one verdict a prompt the power is exact, at the churn seen. With several responses, and for scores, it is that
    of a t test with the error seen. None where no worsening is found so often, or where nothing is known.
    """
    change = each.change
    if change.n < 2:
        return None
    low, high = sorted((sign * change.low, sign * change.high))
    if each.method is Method.SCORE:
        churn = churn_of(sign * change.value, low, high, change.n, confidence)
        return detectable(change.n, round(churn, 4), rule)
    half = (high - low) / 2
    error = half / t.isf((1 - confidence) / 2, change.n - 1) if confidence > 0 else half / norm.isf(0.25)
    if each.is_mean:
        return detectable_by_t(float(error), change.n, rule, span=100.0)
    before = change.before if sign > 0 else 1 - change.before
    responses = max(1.0, (each.baseline.n if each.baseline else 0) / change.n)
    return detectable_by_t(float(error), change.n, rule, responses=responses, rate=before)
