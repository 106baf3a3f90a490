"""Is the gate's `finds` what it says: how often a worsening of that size is called a regression.

    python benchmarks/finds.py --times 500

Verdicts: one of n prompts, with a churn each way. `finds` is read off data in which nothing changed, as a gate would,
and its power is exact at the true churn. Probes: with several responses each, rates that differ by probe (intraclass
correlation 0.2), and a worsening that is the same everywhere; the power is that of the gate's own tests on new data.
"""

import argparse
from types import SimpleNamespace

import numpy as np

from em_bench.compare.detect import smallest_found
from em_bench.stats.paired import Paired, paired, paired_difference
from em_bench.stats.power import Rule, decisions

ALPHA, TESTS, ALIKE = 0.05, 9, 0.2


def main(times: int) -> None:
    print("| data | finds | power |\n|---|---|---|")
    for n, margin in ((108, 0.10), (756, 0.05)):
        for churn in (0.0, 0.005, 0.02, 0.05):
            name = f"{n} prompts, churn {100 * churn:g} %, margin {100 * margin:g}"
            print(f"| {name} | {verdicts(n, churn, margin, times)} |")
    for probes, responses in ((32, 10), (24, 50), (60, 10)):
        for rate in (0.02, 0.10):
            name = f"{probes} x {responses} probes at {100 * rate:g} %, margin 5"
            print(f"| {name} | {of_probes(probes, responses, rate, times)} |", flush=True)


def rule(margin: float) -> Rule:
    return Rule(margin, ALPHA, ALPHA / TESTS)


def finds(change: Paired | None, margin: float, responses: int = 1) -> float:
    assert change is not None
    difference = SimpleNamespace(
        change=change, method=change.method, baseline=SimpleNamespace(n=responses * change.n), is_mean=False
    )
    return smallest_found(difference, 1, rule(margin), 1 - 2 * ALPHA) or 1.0


def verdicts(n: int, churn: float, margin: float, times: int) -> str:
    random = np.random.default_rng(3)
    sizes = []
    for _ in range(min(times, 150)):
        rose, fell, same = random.multinomial(n, [churn, churn, 1 - 2 * churn])
        pairs = [(False, True)] * rose + [(True, False)] * fell + [(False, False)] * same
        sizes.append(finds(paired_difference(pairs, 1 - 2 * ALPHA), margin))
    powers = [decisions(n, churn, churn + size, rule(margin)).regresses for size in sizes]
    return f"{100 * np.mean(sizes):.1f} | {100 * np.mean(powers):.1f} %"


def of_probes(probes: int, responses: int, rate: float, times: int) -> str:
    random = np.random.default_rng(3)
    size = float(np.mean([finds(change(random, probes, responses, rate, 0.0), 0.05, responses) for _ in range(40)]))
    found = [change(random, probes, responses, rate, size) for _ in range(times)]
    called = [each is not None and each.p_greater <= ALPHA / TESTS and each.value > 0.05 for each in found]
    return f"{100 * size:.1f} | {100 * np.mean(called):.1f} %"


def change(random: np.random.Generator, probes: int, responses: int, rate: float, worse: float) -> Paired | None:
    k = (1 - ALIKE) / ALIKE
    before = random.beta(rate * k, (1 - rate) * k, (probes, 1))
    after = before + (1 - before) * worse / (1 - rate)
    sides = [(random.random((probes, responses)) < rates).astype(float) for rates in (before, after)]
    return paired(([(list(a), list(b))] for a, b in zip(*sides, strict=True)), 1 - 2 * ALPHA)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=500)
    main(parser.parse_args().times)
