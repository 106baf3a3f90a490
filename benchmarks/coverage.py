"""How often the 95 % intervals hold the truth, in simulations with a known truth: 95 of 100 is right.

    PYTHONPATH=.:judges python benchmarks/coverage.py [--trials 400]

Some minutes. Seeded: the same command prints the same numbers. With 400 trials a right interval shows 92.9 to 97.1 %
nineteen times of twenty. Beside each share stands the mean width. Discrete data cannot be covered evenly: near 0 and 1
intervals that never fall short cover more than 95 %.
"""

import argparse
import functools
from collections.abc import Iterable
from itertools import product

import numpy as np
from scipy.stats import binom

from em_bench.calibration.confusion import Counts, kappa
from em_bench.calibration.correct import correct
from em_bench.stats.intervals import Rate, binary_rate, clustered_rate

RESAMPLES = 1_000  # of each bootstrap; em-bench itself draws 10,000
SHAPES = {"50 %": (2.0, 2.0), "20 %": (1.0, 4.0), "5 %": (0.3, 5.7), "90 %, alike": (90.0, 10.0)}

Interval = tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=400)
    trials = parser.parse_args().trials
    wilson()
    clustered(trials)
    corrected(trials)
    kappas(trials)


def wilson() -> None:
    rates = (0.02, 0.1, 0.3, 0.5, 0.9)
    print("\nbinary_rate (Wilson): independent responses; computed, not simulated\n")
    heading("n", *(f"rate {rate:g}" for rate in rates))
    for n in (20, 56, 108, 500):
        ends = np.array([wilson_of(hits, n) for hits in range(n + 1)])
        cells = []
        for rate in rates:
            weights = binom.pmf(np.arange(n + 1), n, rate)
            covered = weights[(ends[:, 0] <= rate) & (rate <= ends[:, 1])].sum()
            cells.append(f"{100 * covered:.1f} % ({weights @ (ends[:, 1] - ends[:, 0]):.2f})")
        row(n, *cells)


@functools.cache
def wilson_of(hits: int, n: int) -> Interval:
    rate = judged_rate(hits, n)
    return rate.low, rate.high


@functools.cache
def judged_rate(hits: int, n: int) -> Rate:
    rate = binary_rate([True] * hits + [False] * (n - hits))
    assert rate is not None
    return rate


def clustered(trials: int) -> None:
    print("\nclustered_rate: probes whose own rates vary (Beta), responses within each\n")
    heading("probes x responses", *(f"rate {name}" for name in SHAPES))
    for number, (probes, responses) in enumerate(product((8, 16, 24, 32), (1, 10, 100))):
        random = np.random.default_rng(100 + number)
        cells = []
        for a, b in SHAPES.values():
            hits = random.binomial(responses, random.beta(a, b, size=(trials, probes)))
            cells.append(shares((clustered_of(each, responses) for each in hits), a / (a + b)))
        row(f"{probes} x {responses}", *cells)


def clustered_of(hits: Iterable[int], responses: int) -> Interval:
    clusters = [[True] * int(hit) + [False] * (responses - int(hit)) for hit in hits]
    rate = clustered_rate(clusters, resamples=RESAMPLES)
    assert rate is not None
    return rate.low, rate.high


def corrected(trials: int) -> None:
    rates = (0.0, 0.02, 0.1, 0.5, 0.9)
    print(
        "\ncorrect (Rogan-Gladen): n responses judged; the judge measured on so many labelled positives and negatives\n"
    )
    heading("sensitivity, specificity", "labels", "n", *(f"true rate {rate:g}" for rate in rates), "as judged, 0.1")
    judges = ((0.95, 0.95), (0.91, 0.94), (0.7, 0.9), (0.99, 0.99), (0.6, 0.6))
    sizes = ((30, 30, 100), (100, 300, 108), (200, 200, 1000))
    for number, ((sensitivity, specificity), (positives, negatives, n)) in enumerate(product(judges, sizes)):
        random = np.random.default_rng(200 + number)
        cells = []
        for rate in (*rates, 0.1):
            judged = rate * sensitivity + (1 - rate) * (1 - specificity)
            hits = random.binomial(n, judged, trials)
            right = random.binomial(positives, sensitivity, trials)
            kept = random.binomial(negatives, specificity, trials)
            if len(cells) == len(rates):
                intervals = (wilson_of(int(hit), n) for hit in hits)
            else:
                drawn = zip(hits, right, kept, strict=True)
                intervals = (corrected_of(int(h), n, int(r), positives, int(k), negatives) for h, r, k in drawn)
            cells.append(shares(intervals, rate))
        row(f"{sensitivity}, {specificity}", f"{positives} + {negatives}", n, *cells)


def corrected_of(hits: int, n: int, right: int, positives: int, kept: int, negatives: int) -> Interval:
    rate, _ = correct(judged_rate(hits, n), Counts(right, positives - right, negatives - kept, kept))
    return rate.low, rate.high


def kappas(trials: int) -> None:
    print("\nkappa: both positive, label alone, verdict alone, neither\n")
    heading("cells", "kappa", "n = 30", "n = 100", "n = 500")
    for number, cells in enumerate(((0.25, 0.05, 0.05, 0.65), (0.22, 0.02, 0.05, 0.71), (0.05, 0.01, 0.01, 0.93))):
        random = np.random.default_rng(300 + number)
        both, label, verdict, neither = cells
        chance = (both + label) * (both + verdict) + (neither + label) * (neither + verdict)
        true = (both + neither - chance) / (1 - chance)
        found = [shares(map(kappa_of, random.multinomial(n, cells, trials)), true) for n in (30, 100, 500)]
        row(", ".join(map(str, cells)), f"{true:.3f}", *found)


def kappa_of(cells: Iterable[int]) -> Interval:
    found = kappa(Counts(*map(int, cells)), resamples=RESAMPLES)
    return found.low, found.high


def shares(intervals: Iterable[Interval], true: float) -> str:
    """How many hold the truth, and how wide they are."""
    ends = np.array(list(intervals))
    covered = np.mean((ends[:, 0] <= true + 1e-12) & (true - 1e-12 <= ends[:, 1]))
    return f"{100 * covered:.1f} % ({(ends[:, 1] - ends[:, 0]).mean():.2f})"


def heading(*cells: object) -> None:
    row(*cells)
    row(*("---" for _ in cells))


def row(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


if __name__ == "__main__":
    main()
