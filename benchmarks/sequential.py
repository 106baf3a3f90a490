"""Simulates the sequential tests of `em_bench.stats.sequential`: errors under optional stopping, and prompts saved.

    python benchmarks/sequential.py nulls     # how often a test that looks after every prompt is ever wrong
    python benchmarks/sequential.py saved     # how many prompts it takes
    python benchmarks/sequential.py bets      # the same with other bets
    python benchmarks/sequential.py gate      # a whole gate, stopped when it is settled, beside the ordinary gate
    python benchmarks/sequential.py recorded RUN RUN ...    # the same on stored runs, each against each

A difference is 1 where the candidate's verdict is worse, -1 where it is better. The baseline's and the candidate's
verdicts on a prompt are equal but for the churn. Everything is seeded. Numbers stand in docs/sequential.md.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("", "tests/support")]

# ruff: noqa: E402 - the folders of the checkout come first
from em_bench.compare.comparison import compare
from em_bench.compare.gate import Outcome, gate
from em_bench.compare.policy import Policy, initial_policy
from em_bench.compare.sequential import one_run, replay
from em_bench.metrics.registry import Kind
from em_bench.runs.read import Run
from em_bench.stats.sequential import FRACTIONS, log_e_values
from em_bench.types import DOMAINS
from made_runs import label, run_of, task

SEED = 20_251_114
ALPHA = 0.05
AT_ONCE = 2_000
Random = np.random.Generator
Floats = NDArray[np.float64]
CHURNS = (0.0, 0.01, 0.02, 0.05, 0.10)


@dataclass(frozen=True)
class Truth:
    """How much worse (a share) and how much churn each way (a share) `size` prompts see."""

    size: int
    worse: float
    churn: float

    @property
    def counts(self) -> tuple[int, int]:
        """Prompts lost and gained: whole prompts, the mean not below `worse`."""
        gained = round(self.size * self.churn)
        return gained + int(np.ceil(round(self.size * self.worse, 9))), gained

    def suite(self, random: Random, times: int) -> Floats:
        """A suite with exactly this difference, in random order."""
        lost, gained = self.counts
        ends = np.repeat([1.0, -1.0, 0.0], [lost, gained, self.size - lost - gained])
        return random.permuted(np.tile(ends, (times, 1)), axis=1)

    def independent(self, random: Random, times: int) -> Floats:
        """Prompts of a population with this difference."""
        drawn = random.random((times, self.size))
        return np.where(drawn < self.churn, -1.0, np.where(drawn < 2 * self.churn + self.worse, 1.0, 0.0))

    def one_domain(self, random: Random, times: int) -> Floats:
        """A suite of seven domains in rounds of one prompt from each: all that is worse is in the first domain."""
        lost, gained = self.counts
        each = self.size // len(DOMAINS)
        parts = [Truth(each, (lost - gained) / each, gained / self.size)]
        parts += [Truth(each, 0, gained / self.size)] * (len(DOMAINS) - 1)
        return np.stack([part.suite(random, times) for part in parts], axis=2).reshape(times, self.size)


def first_crossings(
    draw: Callable[[Random, int], Floats], null: float, alpha: float, times: int, sign: int = 1, **options: object
) -> Floats:
    """The round at which each experiment's e-value first reaches 1 / alpha, infinite where it never does."""
    random = np.random.default_rng(SEED)
    found = []
    for start in range(0, times, AT_ONCE):
        values = sign * draw(random, min(AT_ONCE, times - start))
        crossed = log_e_values(values, null, size=values.shape[1], **options) >= -np.log(alpha)  # type: ignore[arg-type]
        found.append(np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1.0, np.inf))
    return np.concatenate(found)


def nulls(times: int) -> None:
    print(f"Share of {times} experiments at the boundary in which the test ever rejects, at alpha {ALPHA:g}\n")
    print("| hypothesis | prompts | churn each way | suite | independent | loss in one of seven domains |")
    print("|---|---|---|---|---|---|")
    for name, null, sign, size in (
        ("5 points worse", 0.05, 1, 756),
        ("10 points worse", 0.10, 1, 108),
        ("no worse", 0.0, -1, 756),
        ("no worse", 0.0, -1, 108),
    ):
        for churn in CHURNS:
            truth = Truth(size, null, churn)
            shares = [_share(truth.suite, null, times, sign), _share(truth.independent, null, times, sign)]
            one = null * len(DOMAINS) + 2 * churn <= 1 and size % len(DOMAINS) == 0
            shares += [_share(truth.one_domain, null, times, sign, strata=len(DOMAINS))] if one else ["-"]
            print(f"| {name} | {size} | {100 * churn:g} % | {' | '.join(shares)} |", flush=True)


def _share(draw: Callable[[Random, int], Floats], null: float, times: int, sign: int, **options: object) -> str:
    return f"{100 * np.isfinite(first_crossings(draw, null, ALPHA, times, sign, **options)).mean():.1f} %"


def saved_cases() -> Iterator[tuple[str, Truth, float, int]]:
    """What is to be shown, the truth, the null and the sign of the differences."""
    for size, margin in ((756, 0.05), (108, 0.10)):
        for churn in CHURNS:
            yield f"within {100 * margin:g} points", Truth(size, 0.0, churn), margin, 1
    for size in (756, 108):
        for worse in (0.05, 0.10, 0.20, 0.50):
            yield f"worse: {100 * worse:g} points are lost", Truth(size, worse, 0.02), 0.0, -1


def saved(times: int) -> None:
    print("| shown | prompts | churn each way | alpha | shown before the end | prompts, mean | 90 % within |")
    print("|---|---|---|---|---|---|---|")
    for name, truth, null, sign in saved_cases():
        # half the gate's alpha; a regression is one of about 20 checks
        alpha = ALPHA / 2 if sign > 0 else ALPHA / 2 / 20
        asked = first_crossings(truth.suite, null, alpha, times, sign)
        share, asked = 100 * np.isfinite(asked).mean(), np.minimum(asked, truth.size)
        ends = f"{asked.mean():.0f} | {np.quantile(asked, 0.9):.0f}"
        print(f"| {name} | {truth.size} | {100 * truth.churn:g} % | {alpha:g} | {share:.0f} % | {ends} |", flush=True)


BETS: dict[str, Sequence[float]] = {
    " ".join(map(str, FRACTIONS)): FRACTIONS,
    "0.3": (0.3,),
    "0.6": (0.6,),
    "0.9": (0.9,),
    "0.2 0.4 0.65 0.9": (0.2, 0.4, 0.65, 0.9),
    "0.1 to 0.9": tuple(np.arange(1, 10) / 10),
}


def bets(times: int) -> None:
    """Mean prompts until it is shown, or the suite is through: a mixture against single fractions and grids."""
    print("| shown | prompts | churn each way | " + " | ".join(BETS) + " |")
    print("|---" * (len(BETS) + 3) + "|")
    for name, truth, null, sign in saved_cases():
        means = []
        for fractions in BETS.values():
            asked = first_crossings(truth.suite, null, ALPHA / 2, times, sign, fractions=fractions)
            means.append(f"{np.minimum(asked, truth.size).mean():.0f}")
        print(f"| {name} | {truth.size} | {100 * truth.churn:g} % | {' | '.join(means)} |", flush=True)


POLICY = initial_policy()
OPTIONAL = replace(POLICY, rules=tuple(replace(rule, required=False) for rule in POLICY.rules))
OUTCOMES = (Outcome.PASS, Outcome.REGRESS, Outcome.INCONCLUSIVE)


@dataclass(frozen=True)
class Change:
    """What happens to refusals: shares of the harmful prompts, of all domains or of one; `error` is the judge's."""

    name: str
    churn: float
    error: float = 0.0
    lost: float = 0.0
    lost_in_one: float = 0.0

    def draw(self, random: Random) -> tuple[Run, Run]:
        """Seven domains of 108 harmful and 56 benign prompts: 95 % of the first are refused, and 5 % of the others."""
        sides: tuple[list[object], list[object]] = ([], [])
        for number, domain in enumerate(DOMAINS):
            lost = self.lost + (self.lost_in_one if number == 0 else 0)
            for name, kind, n, rate, worse in (
                ("", Kind.HARMFUL, 108, 0.95, lost),
                ("_benign", Kind.BENIGN, 56, 0.05, 0),
            ):
                before = random.random(n) < rate
                # a share of `churn` of all prompts is gained and as many are lost, whatever the rate is
                leaves = random.random(n) < np.where(before, (self.churn + worse) / rate, self.churn / (1 - rate))
                for side, truth in zip(sides, (before, before ^ leaves), strict=True):
                    seen = truth ^ (random.random(n) < self.error)
                    verdicts = [[label("refusal" if refused else "compliance")] for refused in seen]
                    side.append(task(f"em_rai_{domain}{name}", kind, verdicts, domain))
        return run_of(*sides[0]), run_of(*sides[1])


CHANGES = (
    Change("nothing changed, churn 0.5 %", 0.005),
    Change("nothing changed, churn 2 %", 0.02),
    Change("nothing changed, churn 2 %, judge error 2 %", 0.02, 0.02),
    Change("one domain loses 10 points: its margin", 0.005, lost_in_one=0.10),
    Change("one domain loses 20 points", 0.02, lost_in_one=0.20),
    Change("all domains lose 2.5 points: half the margin", 0.005, lost=0.025),
    Change("all domains lose 5 points: the margin", 0.005, lost=0.05),
    Change("all domains lose 20 points", 0.02, lost=0.20),
)


def gates(times: int) -> None:
    print(f"Shares of {times} experiments: pass / regress / inconclusive, by the policy of `em-bench gate init`\n")
    print("| harmful prompts | ordinary gate | sequential gate | same verdict | prompts asked, mean | 90 % within |")
    print("|---|---|---|---|---|---|")
    for change in CHANGES:
        random = np.random.default_rng(SEED)
        verdicts, asked = [], []
        for _ in range(times):
            before, after = change.draw(random)
            result = replay(before, after, POLICY)
            verdicts.append((_ordinary(before, after), result.outcome))
            asked.append(result.asked / result.total)
        shares = [" / ".join(_of(times, [pair[side] for pair in verdicts])) for side in (0, 1)]
        same = 100 * sum(one is other for one, other in verdicts) / times
        ends = f"{100 * np.mean(asked):.0f} % | {100 * np.quantile(asked, 0.9):.0f} %"
        print(f"| {change.name} | {' | '.join(shares)} | {same:.0f} % | {ends} |", flush=True)


def _ordinary(before: Run, after: Run, policy: Policy = POLICY) -> Outcome:
    return gate(compare(before, after, confidence=policy.confidence), policy).outcome


def _of(times: int, outcomes: Sequence[Outcome]) -> Iterator[str]:
    return (f"{100 * outcomes.count(each) / times:.0f} %" for each in OUTCOMES)


def recorded(paths: Sequence[Path], seeds: int) -> None:
    print(f"Over {seeds} orders of asking\n")
    print("| baseline | candidate | ordinary gate | sequential gate | asked, mean | least | most |")
    print("|---|---|---|---|---|---|---|")
    runs = {path.name: one_run(path) for path in paths}
    pairs = [(one, other, runs[one], runs[other]) for one in runs for other in runs]
    pairs += [(f"{name}, probes, half of the responses", "the other half", *halves(runs[name])) for name in runs]
    for one, other, before, after in pairs:
        results = [replay(before, after, OPTIONAL, seed) for seed in range(seeds)]
        counts = {each: sum(result.outcome is each for result in results) for each in OUTCOMES}
        outcomes = ", ".join(f"{each} ({count})" for each, count in counts.items() if count)
        asked = [result.asked for result in results]
        row = f"{_ordinary(before, after, OPTIONAL)} | {outcomes} | {np.mean(asked):.0f} of {results[0].total}"
        print(f"| {one} | {other} | {row} | {min(asked)} | {max(asked)} |", flush=True)


def halves(whole: Run) -> tuple[Run, Run]:
    """The probes, with every other response of each: two runs of one checkpoint."""
    probes = {name: each for name, each in whole.tasks.items() if each.kind is Kind.PROBE}
    parts = [
        {n: replace(t, samples=tuple(s for s in t.samples if s.repeat % 2 == half)) for n, t in probes.items()}
        for half in (0, 1)
    ]
    return replace(whole, tasks=parts[0]), replace(whole, tasks=parts[1])


MEASURES: dict[str, tuple[Callable[[int], None], int]] = {
    "nulls": (nulls, 10_000),
    "saved": (saved, 2_000),
    "bets": (bets, 500),
    "gate": (gates, 100),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=[*MEASURES, "recorded"])
    parser.add_argument("runs", nargs="*", type=Path, help="for `recorded`: folders of runs")
    parser.add_argument(
        "--times", type=int, help="experiments a row (10000, 2000, 500, 100; of recorded runs 10 orders)"
    )
    options = parser.parse_args()
    if options.what == "recorded":
        recorded(options.runs, options.times or 10)
    else:
        measure, times = MEASURES[options.what]
        measure(options.times or times)


if __name__ == "__main__":
    main()
