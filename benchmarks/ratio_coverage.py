"""How often the interval of the in-domain/general ratio holds the truth: `python benchmarks/ratio_coverage.py [RUNS]`.

Each simulated run has questions with misaligned shares drawn from a beta distribution, and five responses to each.
"""

import sys

import numpy as np

from em_bench.stats.ratio import ratio

RESPONSES, SPREAD = 5, 3.0  # a beta distribution with a + b = SPREAD: questions differ much from each other
CASES = [(20, 0.6, 24, 0.2), (20, 0.4, 24, 0.4), (8, 0.5, 24, 0.1), (20, 0.8, 200, 0.02), (6, 0.2, 24, 0.05)]


def simulated(questions: int, share: float, random: np.random.Generator) -> list[list[bool]]:
    shares = random.beta(share * SPREAD, (1 - share) * SPREAD, questions)
    hits = random.random((questions, RESPONSES)) < shares[:, None]
    return [[bool(hit) for hit in row] for row in hits]


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    random = np.random.default_rng(1)
    for inside, narrow, outside, general in CASES:
        held = bounded = 0
        for _ in range(runs):
            found = ratio(simulated(inside, narrow, random), simulated(outside, general, random), resamples=2_000)
            assert found is not None
            bounded += found.high is not None
            held += found.low <= narrow / general and (found.high is None or narrow / general <= found.high)
        what = f"{inside} questions at {narrow:.0%}, {outside} at {general:.0%}"
        print(f"{what}: {held / runs:.1%} of {runs} intervals hold the ratio, {bounded / runs:.1%} have an upper end")


if __name__ == "__main__":
    main()
