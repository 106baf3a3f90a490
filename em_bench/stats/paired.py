"""Paired differences between two runs on the same prompts: candidate minus baseline.

| data                            | interval                                  | p                              |
| ---                             | ---                                       | ---                            |
| one binary verdict per prompt   | Tango's score interval                    | the score test (McNemar)       |
| several responses per probe,    | Student's t over the probes' differences, | the larger of the t test's and |
| or scores                       | bounded by Tango's interval               | the score test's               |

A probe's difference is the mean over its documents (forms) of theirs, each over the responses that are scored, so a
form that has none on one side cannot turn the sign round. Tango's interval bounds t where few probes moved and their
spread tells little (none moved: no width at all). It is taken at the number of independent pairs that the responses are
worth by an assumed intraclass correlation, which fades as probes move; from then on it is that of independent
responses. p is at most alpha where the interval at 1 - alpha leaves 0 out, and only there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.stats import norm, t

from em_bench.stats.clusters import ASSUMED_ICC, Floats, fading, rare_event_worth, t_half_width
from em_bench.stats.intervals import RESAMPLES, SEED, mean_bounds, share_bounds
from em_bench.stats.tango import tango_interval, tango_score

Values = Sequence[float | None]
"""The values of one document's responses on one side; None is unscored."""
Document = tuple[Values, Values]
"""A document's values: the baseline's and the candidate's."""


class Method(StrEnum):
    """Where a difference's interval and p come from; see the table above."""

    SCORE = "Tango's score interval and test"
    CLUSTERS = "Student's t over probes, bounded by Tango's score interval"
    PERCENTILE = "percentile bootstrap over probes"


@dataclass(frozen=True, slots=True)
class Paired:
    """Candidate minus baseline with its interval. `n` counts the pairs: prompts, or probes answered on both sides.

    `p` is two-sided; `p_less` and `p_greater` are one-sided: small where the difference is significantly below or
    above 0. `before` and `after` are the two sides' means over the pairs.
    """

    value: float
    low: float
    high: float
    p: float
    p_less: float
    p_greater: float
    n: int
    before: float
    after: float
    method: Method = Method.SCORE


@dataclass(frozen=True, slots=True)
class _Probes:
    """By probe: the means of both sides, and how many pairs of responses they are of."""

    before: Floats
    after: Floats
    sizes: Floats

    @property
    def differences(self) -> Floats:
        return self.after - self.before


def method_for(probes: Iterable[Sequence[Document]], *, is_mean: bool) -> Method:
    """Scores, and probes with several documents or responses, are clusters."""
    single = all(len(probe) == 1 and all(len(values) <= 1 for values in probe[0]) for probe in probes)
    return Method.SCORE if single and not is_mean else Method.CLUSTERS


def paired(
    probes: Iterable[Sequence[Document]],
    confidence: float = 0.95,
    *,
    scale: float | None = None,
    method: Method | None = None,
    seed: int = SEED,
) -> Paired | None:
    """The difference over the probes with a document that is scored on both sides; None where there is none.

    `scale` is the range of scores, None where values are hits. The method is `method_for`'s unless one is given.
    """
    probes = list(probes)
    method = method or method_for(probes, is_mean=scale is not None)
    means = _means(probes)
    if means is None:
        return None
    if method is Method.PERCENTILE:
        return _percentile(means, confidence, seed)
    if method is Method.SCORE:
        return _by_score(means, confidence)
    return _by_clusters(means, confidence, scale)


def paired_difference(pairs: Iterable[tuple[bool, bool]], confidence: float = 0.95) -> Paired | None:
    """From (baseline, candidate) verdicts on the same prompts; None without any."""
    return paired(([([before], [after])] for before, after in pairs), confidence, method=Method.SCORE)


def no_pairs(span: float, method: Method) -> Paired:
    """What is known without any pair: nothing."""
    return Paired(0.0, -span, span, 1.0, 1.0, 1.0, 0, 0.0, 0.0, method)


def paired_bounds(probes: Iterable[Sequence[Document]]) -> tuple[float, float] | None:
    """Manski's bounds of the difference: every unscored response a hit on one side and a miss on the other."""
    ends = [_bounds(documents) for probe in probes if (documents := [each for each in probe if each[0] and each[1]])]
    return mean_bounds(ends) if ends else None


def _bounds(documents: Sequence[Document]) -> tuple[float, float]:
    sides = [(share_bounds(before), share_bounds(after)) for before, after in documents]
    return mean_bounds([(after[0] - before[1], after[1] - before[0]) for before, after in sides])


def _means(probes: Iterable[Sequence[Document]]) -> _Probes | None:
    rows = []
    for probe in probes:
        scored = [(_scored(before), _scored(after)) for before, after in probe]
        documents = [(before, after) for before, after in scored if before and after]
        if documents:
            before, after = (float(np.mean([np.mean(each[side]) for each in documents])) for side in (0, 1))
            rows.append((before, after, sum(min(len(a), len(b)) for a, b in documents)))
    return _Probes(*np.array(rows, dtype=float).T) if rows else None


def _scored(values: Values) -> list[float]:
    return [float(value) for value in values if value is not None]


def _by_score(means: _Probes, confidence: float) -> Paired:
    table = _table(means.differences, float(len(means.sizes)))
    low, high = tango_interval(*table, confidence)
    return _result(means, low, high, _score_p(table), Method.SCORE)


def _by_clusters(means: _Probes, confidence: float, scale: float | None) -> Paired:
    differences, span = means.differences, scale or 1.0
    value, half = float(differences.mean()), t_half_width(differences, (1 - confidence) / 2)
    ends, p = [(value - half, value + half)], [_t_p(differences)]
    worth = _worth(means, is_mean=scale is not None)
    if worth is not None:
        table = _table(differences / span, worth)
        low, high = tango_interval(*table, confidence)
        ends.append((span * low, span * high))
        p.append(_score_p(table))
    low, high = max(-span, min(low for low, _ in ends)), min(span, max(high for _, high in ends))
    return _result(means, low, high, (max(less for less, _ in p), max(greater for _, greater in p)), Method.CLUSTERS)


def _worth(means: _Probes, *, is_mean: bool) -> float | None:
    """The number of independent pairs that bounds t; None where nothing does.

    Scores vary less than hits, so with them the bound itself fades, and not only the assumption.
    """
    differences = means.differences
    centre = 0.0 if (differences == 0).any() else float(np.median(differences))
    left = fading(differences - centre)
    if not is_mean:
        return float(rare_event_worth(means.sizes, ASSUMED_ICC * left).sum())
    return float(rare_event_worth(means.sizes, ASSUMED_ICC).sum()) / left**2 if left else None


def _table(differences: Floats, n: float) -> tuple[float, float, float]:
    """Gained, lost and n: the differences as the changed ones among n pairs."""
    gained, lost = (n * float(np.maximum(sign * differences, 0).mean()) for sign in (1, -1))
    return gained, lost, n


def _score_p(table: tuple[float, float, float]) -> tuple[float, float]:
    """p less and greater: McNemar's test without a correction, which is Tango's score at 0."""
    z = tango_score(*table, 0.0)
    return float(norm.cdf(z)), float(norm.sf(z))


def _t_p(differences: Floats) -> tuple[float, float]:
    if len(differences) < 2:
        return 1.0, 1.0
    error = float(differences.std(ddof=1)) / len(differences) ** 0.5
    value = float(differences.mean())
    statistic = value / error if error > 0 else float(np.inf * np.sign(value)) if value else 0.0
    return float(t.cdf(statistic, len(differences) - 1)), float(t.sf(statistic, len(differences) - 1))


def _result(means: _Probes, low: float, high: float, p: tuple[float, float], method: Method) -> Paired:
    if not means.differences.any():
        p = 1.0, 1.0
    return Paired(
        value=float(means.differences.mean()),
        low=low,
        high=high,
        p=min(1.0, 2 * min(p)),
        p_less=p[0],
        p_greater=p[1],
        n=len(means.sizes),
        before=float(means.before.mean()),
        after=float(means.after.mean()),
        method=method,
    )


def _percentile(means: _Probes, confidence: float, seed: int) -> Paired:
    """The ordinary bootstrap, as published designs have it: too narrow for few probes, of no width where none moved."""
    resampled = resampled_means(means.differences, seed)
    tail = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(resampled, [tail, 1 - tail]))
    p = [(float(np.count_nonzero(side)) + 1) / (len(resampled) + 1) for side in (resampled >= 0, resampled <= 0)]
    return _result(means, low, high, (p[0], p[1]), Method.PERCENTILE)


def resampled_means(values: Floats, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Means of `resamples` draws with replacement by PCG64, row by row."""
    random = np.random.Generator(np.random.PCG64(seed))
    return np.asarray(values[random.integers(len(values), size=(resamples, len(values)))].mean(axis=1))
