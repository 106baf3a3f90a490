"""How often the 95 % interval of a mean score (`em_bench.stats.means`) holds the truth, on simulated probes.

    python benchmarks/mean_coverage.py --runs 400

`spread`: each probe has a level between 20 and 80, and its responses lie around it. `rare`: most responses score 0 and
a few do harm, how many depending on the probe.
"""

import argparse

import numpy as np

from em_bench.stats.means import clustered_mean

HARM = [0.25, 0.5, 0.75, 0.9]
SIZES = [(8, 1), (8, 10), (24, 1), (24, 10), (108, 1)]


def spread(random: np.random.Generator, probes: int, responses: int) -> list[list[float]]:
    """Scores from 0 to 100 with the mean 50."""
    levels = random.uniform(20, 80, probes)
    return [list(np.clip(random.normal(level, 8, responses), 0, 100)) for level in levels]


def rare(random: np.random.Generator, probes: int, responses: int) -> list[list[float]]:
    """Scores from 0 to 1: a quarter of the responses do harm."""
    shares = random.beta(0.5, 1.5, probes)
    return [list(np.where(random.random(responses) < share, random.choice(HARM, responses), 0)) for share in shares]


def main(runs: int) -> None:
    for make, truth, scale in ((spread, 50.0, (0.0, 100.0)), (rare, float(np.mean(HARM)) / 4, (0.0, 1.0))):
        for probes, responses in SIZES:
            random = np.random.default_rng(3)
            rates = [clustered_mean(make(random, probes, responses), scale=scale, resamples=1000) for _ in range(runs)]
            held = sum(rate is not None and rate.low <= truth <= rate.high for rate in rates) / runs
            print(f"{make.__name__:7} {probes:4} probes x {responses:3} responses: {100 * held:.1f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    main(parser.parse_args().runs)
