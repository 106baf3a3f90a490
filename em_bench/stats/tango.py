"""Tango's score interval of a paired difference of shares (1998, *Statistics in Medicine* 17:891)."""

import math

from scipy.optimize import brentq
from scipy.stats import norm


def tango_interval(gained: float, lost: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval of (gained - lost) / n. The counts may be fractions: sums of shares."""
    critical = norm.isf((1 - confidence) / 2)
    value = (gained - lost) / n

    def above(delta: float) -> float:
        return float(tango_score(gained, lost, n, delta) + critical)

    def below(delta: float) -> float:
        return float(tango_score(gained, lost, n, delta) - critical)

    edge = 1 - 1e-9
    low = brentq(below, -edge, value) if value > -edge and below(-edge) > 0 else -1.0
    high = brentq(above, value, edge) if value < edge and above(edge) < 0 else 1.0
    return float(low), float(high)


def tango_score(gained: float, lost: float, n: float, delta: float) -> float:
    """The score statistic of the hypothesis that the difference is `delta`; standard normal under it."""
    # the maximum likelihood share of losses under the hypothesis: the larger root of a q^2 + b q + c
    a, b, c = 2 * n, -(gained + lost) + (2 * n - gained + lost) * delta, -lost * delta * (1 - delta)
    share = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = n * (2 * share + delta * (1 - delta))
    distance = gained - lost - n * delta
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)
