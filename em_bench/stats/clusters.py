"""How many independent responses the clustered ones are worth.

A cluster is a probe with its responses, or a prompt with several. Responses of one cluster are alike, by their
intraclass correlation (ICC). Where next to nothing happened the data do not tell it, and `ASSUMED_ICC` stands in; as
clusters show something, it fades.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma
from scipy.stats import norm, t

Floats = NDArray[np.float64]

# In published fine-tunes the ICC of misaligned answers to one question is 0.14 to 0.24 (docs/statistics.md).
ASSUMED_ICC = 0.2
# So many clusters that something was seen in weigh as much as the assumption.
ASSUMED_CLUSTERS = 4
TINY = 1e-12  # what rounding leaves of equal means


def rare_event_worth(sizes: Floats, icc: float) -> Floats:
    """What each cluster is worth where events are rare: the independent responses that miss them as often.

    With shares from a beta distribution of mean p -> 0, none of k responses is a hit with probability 1 - p h, where
    h = sum of s / (s + j) for j in 0..k-1, and s = (1 - icc) / icc. It is k at icc 0, and 1 at icc 1.
    """
    if icc <= 0:
        return sizes
    s = (1 - icc) / icc
    return np.asarray(s * (digamma(s + sizes) - digamma(s)))


def worth(sizes: Floats, weights: Floats, icc: float) -> float:
    """The independent responses that give the weighted mean of the clusters' shares the same variance (Kish)."""
    return float(1 / (weights**2 * (icc + (1 - icc) / sizes)).sum())


def estimated_icc(shares: Floats, sizes: Floats) -> float:
    """The method-of-moments estimate in 0..1, from the variance of the clusters' shares; 0 where it is undefined."""
    value, single = float(shares.mean()), float((1 / sizes).mean())
    variance = value * (1 - value)
    if len(shares) < 2 or variance <= 0 or single >= 1:
        return 0.0
    return min(1.0, max(0.0, (float(shares.var(ddof=1)) / variance - single) / (1 - single)))


def effective_responses(shares: Floats, sizes: Floats, weights: Floats, tail: float) -> float:
    """The independent responses that clusters with these shares of hits are worth, for an interval with this tail.

    The assumed ICC and the estimated one are averaged, weighted by `ASSUMED_CLUSTERS` and by the clusters that have a
    hit, or a miss if those are fewer. For the part of the variance that is between clusters, t takes the place of z.
    """
    informative = int(min(np.count_nonzero(shares > 0), np.count_nonzero(shares < 1)))
    assumed = ASSUMED_CLUSTERS / (ASSUMED_CLUSTERS + informative)
    icc = assumed * ASSUMED_ICC + (1 - assumed) * estimated_icc(shares, sizes)
    rare = worth(rare_event_worth(sizes, ASSUMED_ICC), weights, 0.0)
    responses = 1 / (assumed / rare + (1 - assumed) / worth(sizes, weights, icc))
    between = 1 - responses / worth(sizes, weights, 0.0)
    correction = (norm.isf(tail) / t.isf(tail, len(sizes) - 1)) ** 2
    return responses * (between * float(correction) + 1 - between)


def fading(moves: Floats) -> float:
    """How much of the assumption is left, 1..0, where clusters moved so: none once `ASSUMED_CLUSTERS` did both ways.

    Moves one way tell less of their spread than as many that are balanced: those in excess count half.
    """
    up, down = int(np.count_nonzero(moves > TINY)), int(np.count_nonzero(moves < -TINY))
    evidence = 2 * min(up, down) + abs(up - down) / 2
    return max(0.0, 1 - evidence / ASSUMED_CLUSTERS)


def t_half_width(values: Floats, tail: float, weights: Floats | None = None) -> float:
    """Half the width of Student's interval of a mean, of clusters weighted alike if not otherwise; infinite for one."""
    n = len(values)
    if n < 2:
        return math.inf
    weights = np.full(n, 1 / n) if weights is None else weights
    deviations = weights * (values - float(weights @ values))
    return float(t.isf(tail, n - 1)) * math.sqrt(n / (n - 1) * float(deviations @ deviations))
