"""What a paired comparison can find, exactly: every table of gained and lost verdicts with its probability.

Among n prompts `gained` turned for the better and `lost` for the worse; the rest kept their verdict, so the three are a
trinomial. The tests are those of the gate: Tango's score test of the margin for a pass, the score test of no change and
the estimate for a regression.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom, chi2, norm, t

from em_bench.stats.clusters import Floats
from em_bench.stats.tango import tango_interval

POWER = 0.8
NEGLIGIBLE = 1e-9


@dataclass(frozen=True, slots=True)
class Decisions:
    """How often a check passes and regresses; the rest is inconclusive."""

    passes: float
    regresses: float


@dataclass(frozen=True, slots=True)
class Rule:
    """The check: margin, the one-sided level of a pass, and that of a regression (after Holm's first step)."""

    margin: float
    pass_level: float
    regress_level: float


def decisions(n: int, gained: float, lost: float, rule: Rule) -> Decisions:
    """Of a check over n prompts, each with one binary verdict, with these chances of a change each way."""
    gains, losses, chances = _tables(n, min(max(gained, 0.0), 1.0), min(max(lost, 0.0), 1.0))
    return Decisions(
        float(chances[passes(gains, losses, n, rule)].sum()), float(chances[regresses(gains, losses, n, rule)].sum())
    )


def passes(
    gains: Floats, losses: Floats, n: Floats | int, rule: Rule
) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """Where the worse end of Tango's interval is within the margin."""
    return np.asarray(tango_scores(gains, losses, n, -rule.margin) >= norm.isf(rule.pass_level))


def regresses(
    gains: Floats, losses: Floats, n: Floats | int, rule: Rule
) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """Where there is significantly more loss than gain, and by more than the margin."""
    moved = gains + losses
    score = np.divide(losses - gains, np.sqrt(moved), out=np.zeros_like(moved, dtype=float), where=moved > 0)
    significant = score >= norm.isf(rule.regress_level)
    return np.asarray(significant & (losses - gains > rule.margin * n + 1e-9) & ~passes(gains, losses, n, rule))


def tango_scores(gained: Floats, lost: Floats, n: Floats | int, delta: float) -> Floats:
    """`tango_score` of many tables at once."""
    b, c = -(gained + lost) + (2 * n - gained + lost) * delta, -lost * delta * (1 - delta)
    share = (np.sqrt(np.maximum(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * share + delta * (1 - delta))
    distance = gained - lost - n * delta
    sure = np.where(distance == 0, 0.0, np.copysign(np.inf, distance))
    scores: Floats = np.where(variance > 0, distance / np.sqrt(np.where(variance > 0, variance, 1.0)), sure)
    return scores


def _tables(n: int, gained: float, lost: float) -> tuple[Floats, Floats, Floats]:
    """Gains, losses and the chance of every table that is not negligible."""
    losses = np.arange(int(binom.ppf(NEGLIGIBLE, n, lost)), int(binom.isf(NEGLIGIBLE, n, lost)) + 1, dtype=float)
    share = min(1.0, gained / (1 - lost)) if lost < 1 else 0.0
    gains = np.arange(0, int(binom.isf(NEGLIGIBLE, n, share)) + 1, dtype=float)
    both = np.meshgrid(gains, losses)
    chances: Floats = binom.pmf(both[1], n, lost) * binom.pmf(both[0], n - both[1], share)
    return both[0], both[1], np.asarray(chances)


@lru_cache(maxsize=4096)
def detectable(n: int, churn: float, rule: Rule, power: float = POWER) -> float | None:
    """The smallest true worsening that is called a regression with `power`; None if there is none below 1.

    `churn` is the share of verdicts that change each way without any change of the checkpoint.
    """

    def excess(worse: float) -> float:
        return decisions(n, churn, churn + worse, rule).regresses - power

    highest = 1 - 2 * churn
    if highest <= 0 or excess(highest) < 0:
        return None
    return float(brentq(excess, 0.0, highest, xtol=1e-4))


def churn_of(value: float, low: float, high: float, n: int, confidence: float) -> float:
    """The share of verdicts that changed for the better, from Tango's interval of candidate worse by `value`.

    The interval's width gives back how many changed. Where they differ by chance at most, both ways count equally.
    """

    def width_excess(moved: float) -> float:
        ends = tango_interval(n * (moved + value) / 2, n * (moved - value) / 2, n, confidence)
        return ends[1] - ends[0] - (high - low)

    lowest, highest = abs(value), 1.0
    if width_excess(lowest) >= 0:
        moved = lowest
    elif width_excess(highest) <= 0:
        moved = highest
    else:
        moved = float(brentq(width_excess, lowest, highest, xtol=1e-6))
    is_chance = value <= norm.isf(0.05) * math.sqrt(moved / n)
    return moved / 2 if is_chance else (moved - value) / 2


def detectable_by_t(
    error: float, n: int, rule: Rule, *, responses: float = 1.0, rate: float | None = None, span: float = 1.0
) -> float:
    """The same over n probes with scores or several responses, whose mean difference has this standard error.

    A worsening is taken to be the same on every probe. For a share of hits (`rate`, of the baseline) it makes the
    candidate's responses vary more, or less; for scores it does not.
    """
    freedom = max(1, n - 1)
    critical = t.isf(rule.regress_level, freedom)
    # what the test takes the spread for, as multiples of it: evenly spaced quantiles
    estimated = np.sqrt(chi2.ppf((np.arange(100) + 0.5) / 100, freedom) / freedom)

    def excess(worse: float) -> float:
        changed = min(1.0, (rate or 0.0) + worse)
        extra = 0.0 if rate is None else (changed * (1 - changed) - rate * (1 - rate)) / (n * responses)
        spread = math.sqrt(max(error**2 + extra, 0.0)) or 1e-9
        needed = np.maximum(rule.margin, critical * spread * estimated)
        return float(norm.sf((needed - worse) / spread).mean()) - POWER

    return float(brentq(excess, 0.0, span, xtol=1e-4)) if excess(span) > 0 else span
