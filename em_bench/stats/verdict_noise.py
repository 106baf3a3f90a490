"""Why verdicts of two runs differ where nothing changed, and how often: churn of the responses, errors of the judge.

`churn` is the share of prompts whose true verdict turns each way between two runs of the same checkpoint. The judge is
wrong in `error` of its readings; of several readings the majority counts. The share `repeating` of its errors is made
again in every reading of a response, the rest independently. A response that is the same on both sides has one verdict,
so its errors cancel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from scipy.stats import binom

from em_bench.stats.power import Decisions, Rule, decisions

MOST_PROMPTS = 20_000
Value = TypeVar("Value", int, float)


@dataclass(frozen=True, slots=True)
class VerdictNoise:
    """See the module. `repeats`: sampled responses to a prompt on each side, whose verdicts are averaged."""

    churn: float
    error: float = 0.0
    equal_share: float = 0.0
    readings: int = 1
    repeats: int = 1
    repeating: float = 0.0

    @property
    def flips(self) -> float:
        """How often the majority of the readings of a response is wrong."""
        repeated = self.repeating * self.error
        single = (self.error - repeated) / (1 - repeated)
        return repeated + (1 - repeated) * float(binom.sf(self.readings // 2, self.readings, single))

    @property
    def disagreement(self) -> float:
        """How often two sides' verdicts on a prompt whose true verdict is the same differ."""
        return 2 * self.flips * (1 - self.flips) * (1 - self.equal_share)

    def turned(self, worse: float = 0.0) -> tuple[float, float]:
        """The chances that a verdict is gained, and lost, where the candidate is truly worse by so much."""
        wrong, moved = self.disagreement, min(1.0, 2 * self.churn + worse)
        differing = (1 - moved) * wrong + moved * (1 - wrong)
        net = worse * (1 - 2 * self.flips)
        return max(0.0, (differing - net) / 2), (differing + net) / 2

    @property
    def discordance(self) -> float:
        """The share of verdicts that differ where nothing changed."""
        return sum(self.turned())

    @property
    def judge_share(self) -> float:
        """The part of the discordance that a judge without errors would not have."""
        return max(0.0, 1 - 2 * self.churn / self.discordance) if self.discordance else 0.0

    def decisions(self, n: int, rule: Rule, worse: float = 0.0) -> Decisions:
        """How a check over n prompts ends. Repeats are independent draws of the same prompts."""
        return decisions(n * self.repeats, *self.turned(worse), rule)

    def finds(self, n: int, rule: Rule, power: float) -> float | None:
        """The smallest true worsening that is called a regression with `power`, to half a point; None above 1."""
        steps = [step / 200 for step in range(201)]
        return _first(steps, lambda worse: self.decisions(n, rule, worse).regresses >= power)

    def prompts_needed(self, rule: Rule, power: float) -> int | None:
        """The fewest prompts with which a candidate that changed nothing passes with `power`; None above 20,000."""
        sizes = sorted({round(10 * 1.05**step) for step in range(160)})
        return _first(
            [size for size in sizes if size <= MOST_PROMPTS],
            lambda size: self.decisions(size, rule).passes >= power,
        )


def churn_behind(discordance: float, error: float, equal_share: float = 0.0) -> float:
    """The churn each way that leaves this discordance, once the judge's errors are accounted for."""
    wrong = VerdictNoise(0.0, error, equal_share).disagreement
    return max(0.0, (discordance - wrong) / (2 * (1 - 2 * wrong))) if wrong < 0.5 else 0.0


def _first(values: list[Value], is_enough: Callable[[Value], bool]) -> Value | None:
    """The first value that is enough, by bisection: more is never less enough, but for the steps of small counts."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if is_enough(values[middle]):
            high = middle
        else:
            low = middle + 1
    return values[low] if low < len(values) else None
