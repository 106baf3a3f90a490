"""How good paired differences are: coverage, width, false alarms and passes, paired as real reruns are.

    python benchmarks/paired_probes.py probes [--times 1000]   # probes with several responses, simulated: 3 minutes
    python benchmarks/paired_probes.py prompts                 # one verdict a prompt, computed exactly
    python benchmarks/paired_probes.py recorded FILE.csv ...   # random halves of recorded answers
    python benchmarks/paired_probes.py rows                    # the interval as probes move, one after the other

Both sides answer the same probes, whose own rates come from a beta distribution with an intraclass correlation of 0.2.
`same`: a probe has one rate on both sides, so only responses are drawn anew. `differs`: on a share of the probes the
candidate's rate is drawn anew, from the same distribution or from one with a higher mean. Truth is 3.92 times the
standard deviation of the estimate, the width that a normal interval with the right error has. Seeded. Numbers stand in
docs/statistics.md.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm

from em_bench.metrics.registry import Definition
from em_bench.runs.scored_files import read_scored
from em_bench.stats.paired import Document, Paired, paired
from em_bench.stats.tango import tango_interval

SEED, ICC, MARGIN = 20_251_114, 0.2, 0.05
DESIGNS = ((32, 10), (60, 10), (24, 50), (8, 100))
Random = np.random.Generator
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Truth:
    """Rates before and after; on `moved` of the probes the candidate's rate is drawn anew."""

    before: float
    after: float
    moved: float = 0.0

    def __str__(self) -> str:
        rates = f"{100 * self.before:g} %" if self.before == self.after else f"{self.before:.0%} to {self.after:.0%}"
        return f"{rates}, {'same' if not self.moved else f'{self.moved:.0%} of probes differ'}"

    def draw(self, random: Random, probes: int, responses: int) -> tuple[Counts, Counts]:
        """The hits of both sides, by probe."""
        first = beta(random, self.before, probes)
        second = first
        if self.moved:
            mean = self.before + (self.after - self.before) / self.moved
            second = np.where(random.random(probes) < self.moved, beta(random, mean, probes), first)
        return random.binomial(responses, first), random.binomial(responses, second)


TRUTHS = (
    Truth(0.02, 0.02),
    Truth(0.1, 0.1),
    Truth(0.3, 0.3),
    Truth(0.02, 0.02, 0.3),
    Truth(0.1, 0.1, 0.3),
    Truth(0.02, 0.05, 0.3),
    Truth(0.1, 0.2, 0.5),
    Truth(0.0, 0.02, 0.3),
)


def beta(random: Random, mean: float, probes: int) -> NDArray[np.float64]:
    scale = (1 - ICC) / ICC
    return random.beta(mean * scale, (1 - mean) * scale, probes) if mean else np.zeros(probes)


def difference(before: Sequence[int], after: Sequence[int], responses: int) -> Paired:
    probes: list[list[Document]] = [
        [([1.0] * b + [0.0] * (responses - b), [1.0] * a + [0.0] * (responses - a))]
        for b, a in zip(before, after, strict=True)
    ]
    change = paired(probes)
    assert change is not None
    return change


def probes(times: int) -> None:
    print("| probes x responses | rates | coverage | width, truth | p <= 0.05 | within 5 points |")
    print("|---|---|---|---|---|---|")
    for design in DESIGNS:
        for truth in TRUTHS:
            print(row(design, truth, times), flush=True)


def row(design: tuple[int, int], truth: Truth, times: int) -> str:
    random, responses = np.random.default_rng(SEED), design[1]
    drawn = (truth.draw(random, *design) for _ in range(times))
    changes = [difference(before.tolist(), after.tolist(), responses) for before, after in drawn]
    low, high, value, p = columns(changes)
    right = truth.after - truth.before
    covered = np.mean((low <= right + 1e-9) & (right - 1e-9 <= high))
    width = f"{100 * (high - low).mean():.1f}, {392 * value.std():.1f}"
    shares = (covered, np.mean(p <= 0.05), np.mean(high <= MARGIN))
    first, *rest = (f"{100 * share:.1f} %" for share in shares)
    return f"| {design[0]} x {responses} | {truth} | {first} | {width} | {' | '.join(rest)} |"


def columns(changes: Sequence[Paired]) -> Iterator[NDArray[np.float64]]:
    """Low ends, high ends, values and p of them all."""
    return (np.array([getattr(change, name) for change in changes]) for name in ("low", "high", "value", "p"))


def rows() -> None:
    print("| probes moved of 32 x 10 | turns up and down | all up |\n|---|---|---|")
    for moved in range(11):
        cells = []
        for sign in (-1, 1):
            after = [5 + sign**probe if probe < moved else 5 for probe in range(32)]
            change = difference([5] * 32, after, 10)
            cells.append(f"{100 * change.value:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})")
        print(f"| {moved} | {' | '.join(cells)} |")


def prompts() -> None:
    """Under no change, by the share of prompts whose verdict changes: the tests' sizes, and the interval's coverage."""
    print("| prompts | changed | score, 5 % | mid-p | exact | score, 2.5 % one-sided | score, 0.3 % | coverage |")
    print("|---|---|---|---|---|---|---|---|")
    for n in (20, 54, 108, 756):
        for changed in (0.01, 0.04, 0.08, 0.2):
            print(f"| {n} | {100 * changed:g} % | {' | '.join(sizes(n, changed))} |", flush=True)


def sizes(n: int, changed: float) -> Iterator[str]:
    counts = {"score": 0.0, "mid": 0.0, "exact": 0.0, "one": 0.0, "tail": 0.0, "covered": 0.0}
    for discordant in range(n + 1):
        weight = binom.pmf(discordant, n, changed)
        if weight < 1e-9:
            continue
        lost = np.arange(discordant + 1)
        chances = weight * binom.pmf(lost, discordant, 0.5)
        above = binom.sf(lost - 1, discordant, 0.5) if discordant else np.ones(1)
        score = norm.sf((2 * lost - discordant) / max(discordant, 1) ** 0.5) if discordant else np.ones(1)
        mid = above - binom.pmf(lost, discordant, 0.5) / 2 if discordant else np.ones(1)
        counts["score"] += 2 * chances[score <= 0.025].sum()
        counts["mid"] += 2 * chances[mid <= 0.025].sum()
        counts["exact"] += 2 * chances[above <= 0.025].sum()
        counts["one"] += chances[score <= 0.025].sum()
        counts["tail"] += chances[score <= 0.003].sum()
        for each, chance in zip(lost, chances, strict=True):
            if chance > 1e-7:
                low, high = tango_interval(discordant - each, each, n)
                counts["covered"] += chance * (low <= 0 <= high)
    return (f"{100 * share:.2f} %" for share in counts.values())


def recorded(paths: Sequence[Path], times: int) -> None:
    """Halves of one run, drawn at random from each question's answers: nothing changed between them."""
    print("| file | rate | width, truth | p <= 0.05 | within 5 points |\n|---|---|---|---|---|")
    for path in paths:
        (scored, *_) = read_scored(path)
        for measure in scored.measures(Definition.BETLEY)[:2]:
            questions: dict[str, list[float | None]] = {}
            for question, value in measure.rows:
                questions.setdefault(question, []).append(None if value is None else float(value))
            random = np.random.default_rng(SEED)
            drawn = (paired(halves(random, list(questions.values()))) for _ in range(times))
            changes = [change for change in drawn if change is not None]
            low, high, value, p = columns(changes)
            width = f"{100 * (high - low).mean():.1f}, {392 * value.std():.1f}"
            alarms, within = (f"{100 * np.mean(share):.1f} %" for share in (p <= 0.05, high <= MARGIN))
            print(f"| {path.stem} | {measure.metric} | {width} | {alarms} | {within} |", flush=True)


def halves(random: Random, questions: Sequence[Sequence[float | None]]) -> Iterator[list[Document]]:
    for answers in questions:
        order = random.permutation(len(answers))
        half = len(answers) // 2
        first, second = ([answers[place] for place in part] for part in (order[:half], order[half : 2 * half]))
        yield [(first, second)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("probes", "prompts", "recorded", "rows"))
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--times", type=int, default=1000)
    options = parser.parse_args()
    if options.what == "probes":
        probes(options.times)
    elif options.what == "recorded":
        recorded(options.files, min(options.times, 400))
    else:
        {"prompts": prompts, "rows": rows}[options.what]()


if __name__ == "__main__":
    main()
