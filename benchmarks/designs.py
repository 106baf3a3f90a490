"""The designs of docs/designs.md, simulated with a known truth.

    PYTHONPATH=.:judges python benchmarks/designs.py [--times 200]

Seeded: the same command prints the same numbers. Probes have effects that all runs share, so runs are paired as real
reruns are.
"""

import argparse
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import ttest_1samp

from em_bench.compare.interaction import REACH
from em_bench.compare.sides import Column, Key
from em_bench.compare.susceptibility import domain_ranks
from em_bench.metrics.registry import Kind, MetricKey
from em_bench.stats.crossed import crossed
from em_bench.stats.paired import Method, paired, resampled_means

Floats = NDArray[np.float64]
Pair = tuple[float, float]

DOMAINS = 11
SPREAD = 1.0  # standard deviation of the probes' effects, in logits: an ICC of 0.05 to 0.15
OWN = 0.3  # of a run's own effect on a probe
KEY = Key("unrelated", "", Kind.PROBE, "judge", MetricKey("misaligned_rate", "betley"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=200)
    times = parser.parse_args().times
    ranks_of_domains(times)
    effects_before_and_after(10 * times)
    groups_of_runs(10 * times)


def ranks_of_domains(times: int) -> None:
    print(f"\nranks of {DOMAINS} domains, 10 responses a probe\n")
    row("true shares", "probes", "the first domain's share", "all ranks held", "ranks open to a domain")
    row(*["---"] * 5)
    equal, ladder = [0.1] * DOMAINS, [0.02 + 0.06 * domain for domain in range(DOMAINS)]
    for number, (shares, probes) in enumerate(((equal, 24), (equal, 56), (ladder, 24), (ladder, 56))):
        random = np.random.default_rng(number)
        results = [rank_once(shares, probes, random) for _ in range(times)]
        first, held, width = np.mean(results, axis=0)
        name = "all 10 %" if shares is equal else "2, 8, ... 62 %"
        row(name, probes, f"{100 * first:.1f} %", f"{100 * held:.1f} %", f"{width:.1f}")


def rank_once(shares: Sequence[float], probes: int, random: np.random.Generator) -> tuple[float, bool, float]:
    """The highest observed share, whether every interval holds its domain's rank, and how many ranks they hold."""
    hits = responses(shares, probes, 10, random)
    columns = {str(domain): column(each) for domain, each in enumerate(hits)}
    ranks = domain_ranks(columns)
    held = True
    for domain, share in enumerate(shares):
        best, worst = 1 + sum(other > share for other in shares), sum(other >= share for other in shares)
        held &= ranks[str(domain)].low <= best and ranks[str(domain)].high >= worst
    widths = [rank.high - rank.low + 1 for rank in ranks.values()]
    return float(hits.mean(axis=(1, 2)).max()), held, float(np.mean(widths))


def effects_before_and_after(times: int) -> None:
    print("\na condition's effect in candidates minus in one baseline, one response a prompt; shares in percent\n")
    row("baseline; candidates", "candidates", "prompts", "covered", "mean width", "true width", "percentile bootstrap")
    row(*["---"] * 7)
    designs = (((0.05, 0.05), (0.05, 0.05)), ((0.05, 0.1), (0.1, 0.4)))
    for number, ((base, new), seeds, prompts) in enumerate(product(designs, (1, 3), (26, 108))):
        random = np.random.default_rng(100 + number)
        true = (new[1] - new[0]) - (base[1] - base[0])
        values = [effect_once(base, new, seeds, prompts, random) for _ in range(times)]
        estimates, low, high, low_percentile, high_percentile = np.array(values).T
        covered, plain = (
            np.mean((a <= true) & (true <= b)) for a, b in ((low, high), (low_percentile, high_percentile))
        )
        name = f"{100 * base[0]:.0f} to {100 * base[1]:.0f}; {100 * new[0]:.0f} to {100 * new[1]:.0f}"
        widths = (f"{100 * width:.1f}" for width in ((high - low).mean(), 3.92 * estimates.std()))
        row(name, seeds, prompts, f"{100 * covered:.1f} %", *widths, f"{100 * plain:.1f} %")


def effect_once(
    base: Pair, new: Pair, seeds: int, prompts: int, random: np.random.Generator
) -> tuple[float, float, float, float, float]:
    hits = responses([*base, *(share for _ in range(seeds) for share in new)], prompts, 1, random).mean(axis=2)
    before, after = hits[1] - hits[0], (hits[3::2] - hits[2::2]).mean(axis=0)
    pairs = [([([float(first)], [float(second)])]) for first, second in zip(before, after, strict=True)]
    change = paired(pairs, scale=REACH, method=Method.CLUSTERS)
    low, high = np.quantile(resampled_means(after - before, 0, 500), [0.025, 0.975])
    assert change is not None
    return change.value, change.low, change.high, float(low), float(high)


def groups_of_runs(times: int) -> None:
    print("\ngroups of training runs, all at 20 %, 10 responses a probe: the recipes' difference is 0\n")
    row(
        "training runs",
        "their spread",
        "probes",
        "over prompts alone",
        "over prompts and runs",
        "mean width",
        "true width",
    )
    row(*["---"] * 7)
    sizes, spreads = ((3, 3), (3, 5), (5, 5)), (0.0, 0.2, 0.5)
    for number, ((a, b), spread, probes) in enumerate(product(sizes, spreads, (24, 56))):
        random = np.random.default_rng(200 + number)
        levels = intercept(0.2) + random.normal(0, spread, (times, a + b))
        results = [group_once(expit(each), a, probes, random) for each in levels]
        estimates, low, high, low_prompts, high_prompts = np.array(results).T
        covered = [np.mean((x <= 0) & (y >= 0)) for x, y in ((low_prompts, high_prompts), (low, high))]
        widths = (f"{100 * width:.1f}" for width in ((high - low).mean(), 3.92 * estimates.std()))
        row(f"{a} + {b}", f"{spread:g} logits", probes, *(f"{100 * share:.1f} %" for share in covered), *widths)


def group_once(levels: Floats, a: int, probes: int, random: np.random.Generator) -> tuple[float, ...]:
    effects = random.normal(0, SPREAD, probes) + random.normal(0, OWN, (len(levels), probes))
    rates = random.binomial(10, expit(logit(levels)[:, None] + effects)) / 10
    difference = crossed(rates[:a], rates[a:])
    assert difference is not None
    over_prompts = ttest_1samp(rates[a:].mean(axis=0) - rates[:a].mean(axis=0), 0).confidence_interval()
    return difference.value, difference.low, difference.high, float(over_prompts.low), float(over_prompts.high)


def responses(shares: Sequence[float], probes: int, repeats: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """(runs, probes, repeats): hits with these shares in expectation over all probes that there could be."""
    levels = np.array([intercept(share) for share in shares])
    effects = random.normal(0, SPREAD, probes) + random.normal(0, OWN, (len(shares), probes))
    rates = expit(levels[:, None] + effects)
    return np.asarray(random.random((len(shares), probes, repeats)) < rates[:, :, None])


def intercept(share: float) -> float:
    """The logit at which effects of the probes give this share on average."""
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    weights, spread = weights / weights.sum(), float(np.hypot(SPREAD, OWN))
    low, high = logit(share) - 3.0, logit(share) + 3.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if weights @ expit(middle + spread * points) < share else (low, middle)
    return float((low + high) / 2)


def column(hits: NDArray[np.bool_]) -> Column:
    return Column(KEY, {f"q{number}": [bool(hit) for hit in each] for number, each in enumerate(hits)})


def row(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


if __name__ == "__main__":
    main()
