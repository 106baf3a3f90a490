"""Tests that may stop at any time: is the mean of paired differences below a bound?

A test martingale (Waudby-Smith and Ramdas 2024, *JRSS B* 86:1, "Estimating means of bounded random variables by
betting"): a bettor stakes a fraction of their wealth on each difference being below `null`. If the mean is at least
`null` the wealth does not grow on average, so it ever reaches 1 / alpha with probability alpha at most (Ville's
inequality), however often one looks and whatever makes one stop. The wealth is averaged over three fixed fractions.

The bound holds in two senses at once. Differences of a finite suite in random order are drawn without replacement: what
remains of a suite of `size` whose mean is at least `null` has a mean of at least (size * null - sum so far) / left.
Independent differences have a mean of at least `null` each time. The stake is on the lower of the two, which costs
nothing where the test rejects. Drawing without replacement alone would end in certainty about these very responses,
while the gate is about the checkpoint.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from em_bench.stats.clusters import Floats

# Chosen among grids and predictable bets by expected sample size: `benchmarks/sequential.py bets`.
FRACTIONS = (0.3, 0.6, 0.9)


def log_e_values(
    values: Sequence[float] | Floats,
    null: float,
    *,
    size: int | None = None,
    strata: int = 1,
    fractions: Sequence[float] = FRACTIONS,
) -> Floats:
    """The logarithm of the e-value after each round, against "the mean is at least `null`".

    `values` (..., n) lie in -1 to 1; a round is one value from each of `strata` equally large parts of the suite, which
    all bet alike. `size` counts the whole suite, None if it has no end. The result is (..., n / strata).
    """
    data = np.asarray(values, dtype=float)
    if not -1 < null < 1:
        raise ValueError(f"null is {null}; it must lie between -1 and 1")
    rounds = data.reshape(*data.shape[:-1], -1, strata)
    gains = (1 - rounds) / (1 - _conditional(rounds, null, size)[..., None]) - 1
    wealth = [np.log1p(fraction * gains).sum(axis=-1).cumsum(axis=-1) for fraction in fractions]
    return np.asarray(logsumexp(wealth, axis=0) - np.log(len(fractions)), dtype=float)


def _conditional(rounds: Floats, null: float, size: int | None) -> Floats:
    """The lowest mean that a round can have, given those before, if the mean of all is at least `null`."""
    if size is None:
        return np.full(rounds.shape[:-1], null)
    sums = rounds.sum(axis=-1)
    before = sums.cumsum(axis=-1) - sums
    left = size - rounds.shape[-1] * np.arange(rounds.shape[-2])
    if left.size and left[-1] < rounds.shape[-1]:
        raise ValueError(f"there are more values than the {size} of the suite")
    return np.asarray(np.minimum(null, (size * null - before) / left))


def anytime_interval(values: Sequence[float] | Floats, confidence: float = 0.95, **options: Any) -> tuple[float, float]:
    """The interval of the mean after the last value, from a confidence sequence: all its intervals together cover it.

    Takes the options of `log_e_values`. It is the bounds that neither of the two one-sided tests ever rejected.
    """
    data = np.asarray(values, dtype=float)
    needed = float(np.log(2 / (1 - confidence)))
    return -_upper_bound(-data, needed, options), _upper_bound(data, needed, options)


def _upper_bound(values: Floats, needed: float, options: dict[str, Any]) -> float:
    """The lowest bound that the mean is significantly below; 1 if there is none. Wealth rises with the bound."""

    def excess(null: float) -> float:
        return float(log_e_values(values, null, **options).max(initial=0.0)) - needed

    edge = 1 - 1e-9
    if not len(values) or excess(edge) < 0:
        return 1.0
    return float(brentq(excess, -edge, edge))


def adjusted_log_e_values(log_values: Sequence[float]) -> list[float]:
    """Adjusted for multiplicity: the probability that a true null ever reaches log(1 / alpha) is at most alpha.

    Closed testing by averages (Vovk and Wang 2021, *Annals of Statistics* 49:1736): the least average with any of the
    others. It stays valid while the values go on, as averages of e-processes are e-processes.
    """
    ordered = np.sort(np.asarray(log_values, dtype=float))
    totals = np.logaddexp.accumulate(ordered) if len(ordered) else ordered
    adjusted = []
    for value in log_values:
        lower = totals[ordered < value]  # averages with higher values are higher
        sums = np.concatenate([[value], np.logaddexp(value, lower)])
        adjusted.append(float((sums - np.log(np.arange(1, len(sums) + 1))).min()))
    return adjusted
