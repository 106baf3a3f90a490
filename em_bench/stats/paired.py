"""Differences between two checkpoints that answered the same prompts: candidate minus baseline, paired.

| data                         | interval                                              | p (two-sided)               |
| ---                          | ---                                                   | ---                         |
| one binary verdict a prompt  | Tango's score interval (1998, *Stat. Med.* 17:891)    | exact McNemar               |
| several responses a probe    | bootstrap over probes, then the responses within them | sign flips of the probes'   |
|                              |                                                       | differences                 |

Tango's interval rests on the prompts that changed and on how many there are: where none of 10 changed it says that up
to 28 % could have. Bootstrap percentiles are Hesterberg's expanded ones (2015, *The American Statistician* 69:371),
as plain ones are too narrow for few probes. Where fewer than `FEW` probes differ a bootstrap knows too little (of none
it has no width at all), and Tango's interval bounds it, with as many prompts as the responses are worth (see `ALIKE`).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from em_bench.stats.intervals import CELLS, FEW, RESAMPLES, SEED, Floats, expanded_tail, resampled_means

POOL = 100_000
# How alike responses to one probe are taken to be where the data cannot tell: the intraclass correlation of misaligned
# answers in published fine-tunes is 0.14 to 0.24 (docs/compare.md). At 1 a probe would be worth one response.
ALIKE = 0.25


@dataclass(frozen=True, slots=True)
class Paired:
    """Candidate minus baseline with its interval. `n` counts the pairs: prompts, or probes answered on both sides.

    `p` is two-sided; `below` and `above` are one-sided, small where the difference is surely below or above 0.
    """

    value: float
    low: float
    high: float
    p: float
    below: float
    above: float
    n: int


def paired_difference(pairs: Iterable[tuple[bool, bool]], confidence: float = 0.95) -> Paired | None:
    """Of (baseline, candidate) verdicts on the same prompts; None without any."""
    pairs = list(pairs)
    gained = sum(after and not before for before, after in pairs)
    lost = sum(before and not after for before, after in pairs)
    if not pairs:
        return None
    low, high = tango_interval(gained, lost, len(pairs), confidence)
    p, below, above = (_mcnemar(gained, lost, side) for side in ("two-sided", "less", "greater"))
    return Paired((gained - lost) / len(pairs), low, high, p, below, above, len(pairs))


def _mcnemar(gained: int, lost: int, side: str) -> float:
    return float(binomtest(gained, gained + lost, alternative=side).pvalue) if gained + lost else 1.0


def tango_interval(gained: float, lost: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval of (gained - lost) / n. The counts may be fractions, as sums of shares are."""
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
    """The score statistic of the hypothesis that the difference is `delta`: standard normal if it is."""
    # the likeliest share of lost ones if the difference were delta: the larger root of a q^2 + b q + c
    a, b, c = 2 * n, -(gained + lost) + (2 * n - gained + lost) * delta, -lost * delta * (1 - delta)
    share = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = n * (2 * share + delta * (1 - delta))
    distance = gained - lost - n * delta
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def paired_probe_difference(
    pairs: Iterable[tuple[Sequence[float], Sequence[float]]],
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    *,
    scale: float = 1.0,
) -> Paired | None:
    """Of (baseline's values, candidate's values) probe by probe; None without a probe that has values on both sides.

    Values are 0 or 1, or scores, where `scale` is how far apart two can be. A probe counts as much as any other.
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
        share = _worth(both) / n
        bound = [scale * end for end in tango_interval(share * gained, share * lost, share * n, confidence)]
        low, high = min(low, bound[0]), max(high, bound[1])
    return Paired(value, low, high, *_sign_flips(differences, random), n)


def _worth(both: Sequence[tuple[Floats, Floats]]) -> float:
    """How many independent pairs the responses are worth: Kish's effective sample size, with `ALIKE`."""
    sizes = np.array([min(len(a), len(b)) for a, b in both], dtype=float)
    return float((sizes / (1 + (sizes - 1) * ALIKE)).sum())


def _pool(both: Sequence[tuple[Floats, Floats]], random: np.random.Generator) -> Floats:
    """What a resample draws of: differences of single probes, their responses drawn again, as many for each probe."""
    each = max(50, POOL // len(both))
    by_size: dict[tuple[int, int], list[int]] = {}
    for index, (a, b) in enumerate(both):
        by_size.setdefault((len(a), len(b)), []).append(index)
    drawn = [
        _redrawn(np.stack([both[i][1] for i in chosen]), each, random)
        - _redrawn(np.stack([both[i][0] for i in chosen]), each, random)
        for chosen in by_size.values()
    ]
    return np.concatenate(drawn).ravel()


def _redrawn(values: Floats, each: int, random: np.random.Generator) -> Floats:
    """(probes, responses) to (probes, each): means of as many responses, drawn from a probe's own."""
    probes, size = values.shape
    if np.isin(values, (0, 1)).all():
        return np.asarray(random.binomial(size, values.mean(axis=1)[:, None], (probes, each)) / size)
    total: Floats = np.zeros((probes, each))
    rows = np.arange(probes)[:, None]
    for _ in range(size):
        total += values[rows, random.integers(size, size=(probes, each), dtype=np.int32)]
    total /= size
    return total


def _sign_flips(differences: Floats, random: np.random.Generator) -> tuple[float, float, float]:
    """p, two-sided, below and above: were there no change, each difference would have either sign as likely.

    All signs where there are few probes, else as many draws as a bootstrap has (scipy's permutation_test does the same,
    several times slower).
    """
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0, 1.0, 1.0
    exact = 2 ** len(moved) <= RESAMPLES
    sums = _all_sums(moved) if exact else _drawn_sums(moved, random)
    near = 1e-6 * float(np.abs(moved).sum())
    seen = float(moved.sum())
    # the signs as they are count as one of the draws
    below, above = (
        (float(np.count_nonzero(extreme)) + (not exact)) / (len(sums) + (not exact))
        for extreme in (sums <= seen + near, sums >= seen - near)
    )
    return min(1.0, 2 * min(below, above)), below, above


def _all_sums(moved: Floats) -> Floats:
    sums = np.zeros(1)
    for value in moved:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def _drawn_sums(moved: Floats, random: np.random.Generator) -> Floats:
    step = max(1, CELLS // len(moved))
    sizes = [min(step, RESAMPLES - start) for start in range(0, RESAMPLES, step)]
    kept = [_signs(size, len(moved), random) @ moved.astype(np.float32) for size in sizes]
    return np.asarray(2 * np.concatenate(kept) - moved.sum(), dtype=float)


def _signs(rows: int, columns: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Zeros and ones, each as likely, eight from a byte."""
    drawn = np.frombuffer(random.bytes(rows * -(-columns // 8)), np.uint8).reshape(rows, -1)
    return np.unpackbits(drawn, axis=1)[:, :columns].astype(np.float32)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values (1979): all at most alpha with a false one among them at most alpha of the time."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
