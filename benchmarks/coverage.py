"""How often the 95 % intervals hold the truth, in simulations with a known truth: 95 of 100 is right.

    python benchmarks/coverage.py [wilson] [clusters] [means] [ratio] [corrected] [kappa] [--trials 400]

All of them take some minutes. Seeded: the same command prints the same numbers. With 400 trials a right interval shows
92.9 to 97.1 % nineteen times of twenty. Beside each share is the mean width. Discrete data cannot be covered evenly:
near 0 and 1 intervals that never fall short cover more than 95 %. Numbers stand in docs/statistics.md and
docs/validation.md.
"""

import argparse
import functools
from collections.abc import Iterable
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from em_bench.calibration.confusion import Counts, kappa
from em_bench.calibration.correct import correct
from em_bench.stats.intervals import Rate, binary_rate, clustered_rate
from em_bench.stats.means import clustered_mean
from em_bench.stats.ratio import ratio

RESAMPLES = 1_000  # of each bootstrap; em-bench itself draws 10,000
DESIGNS = ((8, 50), (24, 50), (32, 10), (60, 10))
HARM = [0.25, 0.5, 0.75, 0.9]  # scores of a response that does harm
# questions about the domain and their rate, others and theirs
RATIOS = ((20, 0.6, 24, 0.2), (20, 0.4, 24, 0.4), (8, 0.5, 24, 0.1), (20, 0.8, 200, 0.02), (6, 0.2, 24, 0.05))

Interval = tuple[float, float]


def main() -> None:
    parts = {
        "wilson": lambda _: wilson(),
        "clusters": clusters,
        "means": means,
        "ratio": ratios,
        "corrected": corrected,
        "kappa": kappas,
    }
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=(*parts, []), default=[])
    parser.add_argument("--trials", type=int, default=400)
    options = parser.parse_args()
    for name in options.parts or parts:
        parts[name](options.trials)


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


def clusters(trials: int) -> None:
    """Missed above and below tell whether an interval lies too high or too low; `truth` is 3.92 standard deviations."""
    print("\nclustered_rate: probes whose own rates vary (Beta, with that intraclass correlation)\n")
    heading("probes x responses", "rate", "ICC 0.1: coverage", "width, truth", "ICC 0.2: coverage", "width, truth")
    for number, ((probes, responses), rate) in enumerate(product(DESIGNS, (0.005, 0.02, 0.1, 0.3))):
        cells = []
        for icc in (0.1, 0.2):
            random = np.random.default_rng(100 + number)
            hits = random.binomial(responses, varying(random, rate, icc, (trials, probes)))
            ends = np.array([clustered_of(each, responses) for each in hits])
            covered = np.mean((ends[:, 0] <= rate) & (rate <= ends[:, 1]))
            truth = 392 * (hits / responses).mean(axis=1).std()
            cells += [f"{100 * covered:.1f} %", f"{100 * (ends[:, 1] - ends[:, 0]).mean():.1f}, {truth:.1f}"]
        row(f"{probes} x {responses}", f"{100 * rate:g} %", *cells)


def varying(random: np.random.Generator, rate: float, icc: float, shape: tuple[int, int]) -> NDArray[np.float64]:
    scale = (1 - icc) / icc
    return random.beta(rate * scale, (1 - rate) * scale, shape)


def clustered_of(hits: Iterable[int], responses: int) -> Interval:
    rate = clustered_rate(bools(hits, responses))
    assert rate is not None
    return rate.low, rate.high


def bools(hits: Iterable[int], responses: int) -> list[list[bool]]:
    return [[True] * int(hit) + [False] * (responses - int(hit)) for hit in hits]


def means(trials: int) -> None:
    print("\nclustered_mean: levels from 20 to 80 of 100; or mostly 0, and a quarter of the responses up to 0.9\n")
    sizes = ((8, 1), (8, 10), (24, 1), (24, 10), (108, 1))
    heading("scores", *(f"{probes} x {responses}" for probes, responses in sizes))
    rare_mean = float(np.mean(HARM)) / 4
    for name, draw, true, scale in (("levels", levels, 50.0, (0, 100)), ("mostly 0", rare, rare_mean, (0, 1))):
        cells = []
        for probes, responses in sizes:
            random = np.random.default_rng(3)
            rates = (clustered_mean(draw(random, probes, responses), scale=scale) for _ in range(trials))
            cells.append(shares(((rate.low, rate.high) for rate in rates if rate), true))
        row(name, *cells)


def levels(random: np.random.Generator, probes: int, responses: int) -> list[list[float]]:
    return [list(np.clip(random.normal(mean, 8, responses), 0, 100)) for mean in random.uniform(20, 80, probes)]


def rare(random: np.random.Generator, probes: int, responses: int) -> list[list[float]]:
    chances = random.beta(0.5, 1.5, probes)
    return [list(np.where(random.random(responses) < each, random.choice(HARM, responses), 0)) for each in chances]


def ratios(trials: int) -> None:
    print("\nratio: questions and their rate, other questions and theirs, five responses each, ICC 0.25\n")
    heading("questions", "others", "coverage", "with an upper end")
    for inside, above, outside, below in RATIOS:
        random = np.random.default_rng(1)
        covered = bounded = 0
        for _ in range(trials):
            rates = (
                clustered_rate(bools(random.binomial(5, varying(random, rate, 0.25, (1, n))[0]), 5))
                for n, rate in ((inside, above), (outside, below))
            )
            times = ratio(*rates)
            assert times is not None
            bounded += times.high is not None
            covered += times.low <= above / below and (times.high is None or above / below <= times.high)
        groups = (f"{n} at {100 * rate:g} %" for n, rate in ((inside, above), (outside, below)))
        row(*groups, f"{100 * covered / trials:.1f} %", f"{100 * bounded / trials:.1f} %")


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
