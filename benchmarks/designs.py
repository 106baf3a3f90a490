"""The designs of docs/designs.md, simulated with a known truth.

    PYTHONPATH=.:judges python benchmarks/designs.py [--times 200]

Seeded: the same command prints the same numbers. Probes have effects that all runs share, so runs are paired as real
reruns are.
"""

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from em_bench.compare.sides import Column, Key
from em_bench.compare.susceptibility import domain_ranks
from em_bench.metrics.registry import Kind, MetricKey

Floats = NDArray[np.float64]

DOMAINS = 11
SPREAD = 1.0  # standard deviation of the probes' effects, in logits: an ICC of 0.05 to 0.15
OWN = 0.3  # of a run's own effect on a probe
KEY = Key("unrelated", "", Kind.PROBE, "judge", MetricKey("misaligned_rate", "betley"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=200)
    times = parser.parse_args().times
    ranks_of_domains(times)


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
