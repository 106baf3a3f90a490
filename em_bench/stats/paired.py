"""Paired differences between two runs on the same prompts: candidate minus baseline.

| data                          | interval                                            | p (two-sided)                  |
| ---                           | ---                                                 | ---                            |
| one binary verdict per prompt | Tango's score interval (1998, *Stat. Med.* 17:891)  | exact McNemar                  |
| several responses per probe,  | bootstrap over probes, then over responses within   | sign flips of the probes'      |
| or scores                     | each                                                | differences                    |

Tango's interval depends on how many prompts changed, of how many: if none of 10 changed, it allows a change of up to
28 %. Bootstrap percentiles are Hesterberg's expanded ones (2015, *The American Statistician* 69:371), because plain
ones are too narrow for few probes. Where fewer than `FEW` probes differ the bootstrap is too narrow (where none does it
has no width), and Tango's interval over the effective number of pairs bounds it (see `ASSUMED_ICC`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.stats import binomtest

from em_bench.stats.intervals import (
    FEW,
    RESAMPLES,
    SEED,
    Floats,
    expanded_tail,
    mean_bounds,
    resampled_means,
    share_bounds,
)
from em_bench.stats.sign_flips import sign_flips
from em_bench.stats.tango import tango_interval

POOL = 100_000
# The intraclass correlation of responses to one probe, assumed where the data cannot tell: in published fine-tunes that
# of misaligned answers is 0.14 to 0.24 (docs/compare.md). At 1 a probe would be worth one response.
ASSUMED_ICC = 0.25

Values = Sequence[float | None]
"""The values of one prompt's or probe's responses on one side; None is unscored."""


class Method(StrEnum):
    """How a difference is tested; see the table above."""

    SCORE = "Tango's score interval, exact McNemar"
    BOOTSTRAP = "bootstrap over probes, sign flips"


@dataclass(frozen=True, slots=True)
class Paired:
    """Candidate minus baseline with its interval. `n` counts the pairs: prompts, or probes answered on both sides.

    `p` is two-sided; `p_less` and `p_greater` are one-sided: small where the difference is significantly below or
    above 0.
    """

    value: float
    low: float
    high: float
    p: float
    p_less: float
    p_greater: float
    n: int


def method_for(pairs: Iterable[tuple[Values, Values]], *, is_mean: bool) -> Method:
    """Scores, and prompts with several responses on either side, need the bootstrap."""
    single = not is_mean and all(len(before) <= 1 and len(after) <= 1 for before, after in pairs)
    return Method.SCORE if single else Method.BOOTSTRAP


def paired_by(
    method: Method, pairs: Iterable[tuple[Values, Values]], confidence: float = 0.95, *, scale: float = 1.0
) -> Paired | None:
    """The difference over the pairs that are scored on both sides; None where there is none."""
    scored = [(_scored(before), _scored(after)) for before, after in pairs]
    both = [(before, after) for before, after in scored if before and after]
    if method is Method.SCORE:
        return paired_difference([(bool(before[0]), bool(after[0])) for before, after in both], confidence)
    return paired_probe_difference(both, confidence, scale=scale)


def _scored(values: Values) -> list[float]:
    return [float(value) for value in values if value is not None]


def paired_bounds(pairs: Iterable[tuple[Values, Values]]) -> tuple[float, float] | None:
    """Manski's bounds of the difference: every unscored response a hit on one side and a miss on the other."""
    ends = []
    for before, after in pairs:
        if before and after:
            (low_before, high_before), (low_after, high_after) = share_bounds(before), share_bounds(after)
            ends.append((low_after - high_before, high_after - low_before))
    return mean_bounds(ends) if ends else None


def paired_difference(pairs: Iterable[tuple[bool, bool]], confidence: float = 0.95) -> Paired | None:
    """From (baseline, candidate) verdicts on the same prompts; None without any."""
    pairs = list(pairs)
    gained = sum(after and not before for before, after in pairs)
    lost = sum(before and not after for before, after in pairs)
    if not pairs:
        return None
    low, high = tango_interval(gained, lost, len(pairs), confidence)
    p, p_less, p_greater = (_mcnemar(gained, lost, side) for side in ("two-sided", "less", "greater"))
    return Paired((gained - lost) / len(pairs), low, high, p, p_less, p_greater, len(pairs))


def _mcnemar(gained: int, lost: int, side: str) -> float:
    return float(binomtest(gained, gained + lost, alternative=side).pvalue) if gained + lost else 1.0


def paired_probe_difference(
    pairs: Iterable[tuple[Sequence[float], Sequence[float]]],
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    *,
    scale: float = 1.0,
) -> Paired | None:
    """From (baseline's, candidate's) values by probe; None without a probe that has values on both sides.

    Values are 0 or 1, or scores with a range of `scale`. Every probe has the same weight.
    """
    both = [(np.asarray(a, float), np.asarray(b, float)) for a, b in pairs if len(a) and len(b)]
    if not both:
        return None
    differences = np.array([b.mean() - a.mean() for a, b in both])
    value, n = float(differences.mean()), len(both)
    random = np.random.default_rng(SEED)
    means = resampled_means(_pool(both, random), n, resamples, random)
    tail = expanded_tail((1 - confidence) / 2, n)
    low, high = (float(end) for end in np.quantile(means, [tail, 1 - tail]))
    if np.count_nonzero(differences) < FEW:
        gained, lost = (float(np.maximum(sign * differences, 0).sum()) / scale for sign in (1, -1))
        share = effective_pairs(both) / n
        bound = [scale * end for end in tango_interval(share * gained, share * lost, share * n, confidence)]
        low, high = min(low, bound[0]), max(high, bound[1])
    return Paired(value, low, high, *sign_flips(differences, random), n)


def effective_pairs(both: Sequence[tuple[Floats, Floats]]) -> float:
    """Kish's effective sample size: the number of independent pairs that the responses are worth."""
    sizes = np.array([min(len(a), len(b)) for a, b in both], dtype=float)
    return float((sizes / (1 + (sizes - 1) * ASSUMED_ICC)).sum())


def _pool(both: Sequence[tuple[Floats, Floats]], random: np.random.Generator) -> Floats:
    """What a resample draws from: equally many differences of each probe, with resampled responses."""
    each = max(50, POOL // len(both))
    by_size: dict[tuple[int, int], list[int]] = {}
    for index, (a, b) in enumerate(both):
        by_size.setdefault((len(a), len(b)), []).append(index)
    resampled = [
        _resampled(np.stack([both[i][1] for i in indices]), each, random)
        - _resampled(np.stack([both[i][0] for i in indices]), each, random)
        for indices in by_size.values()
    ]
    return np.concatenate(resampled).ravel()


def _resampled(values: Floats, each: int, random: np.random.Generator) -> Floats:
    """(probes, responses) to (probes, each): means over a probe's responses, resampled with replacement."""
    probes, size = values.shape
    if np.isin(values, (0, 1)).all():
        return np.asarray(random.binomial(size, values.mean(axis=1)[:, None], (probes, each)) / size)
    total: Floats = np.zeros((probes, each))
    rows = np.arange(probes)[:, None]
    for _ in range(size):
        total += values[rows, random.integers(size, size=(probes, each), dtype=np.int32)]
    total /= size
    return total
