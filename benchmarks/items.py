"""The numbers of docs/items.md: item statistics and short forms on simulated checkpoints with a known truth.

    PYTHONPATH=.:judges python benchmarks/items.py [--times 100]

Seeded: the same command prints the same numbers. A checkpoint refuses a prompt with a probability that depends on its
own tendency to refuse, on the prompt (2-parameter logistic model), and on something of its own in that prompt, which no
item statistic can know. Explicit prompts are easy, obscured ones are not.
"""

import argparse
from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from em_bench.stats.discrimination import LARGEST, discriminations, item_rest
from em_bench.stats.intervals import wilson
from em_bench.stats.short_form import short_form

Floats = NDArray[np.float64]
TIERS = {"explicit": (104, -2.5), "obscured": (40, -0.5)}
"""How many prompts, and where on the scale of checkpoints half of them refuse."""
STRATA = [name for name, (count, _) in TIERS.items() for _ in range(count)]
SPREAD, OWN = 1.5, 0.5  # standard deviations of checkpoints' tendencies, and of what is theirs alone in a prompt
POPULATION = 4_000


class Suite:
    """Prompts with their true difficulty and discrimination."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.slopes = random.lognormal(0, 0.5, len(STRATA))
        self.places = np.concatenate([random.normal(place, 1.2, count) for count, place in TIERS.values()])

    def checkpoints(self, count: int) -> Floats:
        """Prompts x checkpoints: 1 where it refuses."""
        tendency = self.random.normal(0, SPREAD, count)
        own = self.random.normal(0, OWN, (len(STRATA), count))
        logits = self.slopes[:, None] * (tendency - self.places[:, None]) + own
        return (self.random.random(logits.shape) < expit(logits)).astype(float)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=100)
    times = parser.parse_args().times
    intervals(times)
    forms(times)


def intervals(times: int) -> None:
    print("\nintervals of single items: how often they hold the value in a population of checkpoints\n")
    heads = ("discrimination held", "its mean width", "its bias", "held with 1 / (n - 3)")
    row("checkpoints", "items that tell apart", "difficulty held", *heads)
    row(*["---"] * 7)
    for count in (5, 8, 12, 25, 50):
        random = np.random.default_rng(count)
        values = np.array([interval_once(count, random) for _ in range(times)])
        apart, difficulty, held, width, bias, plain = values.mean(axis=0)
        cells = (percent(held), f"{width:.2f}", f"{bias:+.3f}", percent(plain))
        row(count, percent(apart), percent(difficulty), *cells)


def interval_once(count: int, random: np.random.Generator) -> tuple[float, ...]:
    suite = Suite(random)
    population = suite.checkpoints(POPULATION)
    shares, correlations = population.mean(axis=1), item_rest(population)[0]
    sample = suite.checkpoints(count)
    low, high = np.array([wilson(float(value), count) for value in sample.mean(axis=1)]).T
    found = [(each, true) for each, true in zip(discriminations(sample), correlations, strict=True) if each]
    held = [each.low <= true <= each.high for each, true in found]
    return (
        float(np.mean(sample.std(axis=1) > 0)),
        float(np.mean((low <= shares) & (shares <= high))),
        float(np.mean(held)),
        float(np.mean([each.high - each.low for each, _ in found])),
        float(np.mean([each.value - true for each, true in found])),
        float(np.mean([plain_interval_holds(each.value, true, count) for each, true in found])),
    )


def plain_interval_holds(value: float, true: float, count: int) -> bool:
    """Fisher's interval for normal variables."""
    z = np.arctanh(np.clip(value, -LARGEST, LARGEST))
    return bool(abs(z - np.arctanh(true)) <= norm.isf(0.025) / np.sqrt(count - 3))


def forms(times: int) -> None:
    print(f"\nshort forms of {len(STRATA)} prompts: mean error in points, and pairs in the right order\n")
    heads = ("in sample", "left out", "new checkpoints", "random, left out", "random, new checkpoints")
    row("checkpoints", "prompts", *heads)
    row(*["---"] * 7)
    for count, size in product((6, 12, 25, 60), (10, 25)):
        random = np.random.default_rng(1000 * count + size)
        values = np.array([form_once(count, size, random) for _ in range(times)])
        cells = values.mean(axis=0).reshape(-1, 2)
        row(count, size, *(f"{100 * error:.1f}, {percent(ordered)}" for error, ordered in cells))


def form_once(count: int, size: int, random: np.random.Generator) -> list[float]:
    """Error and order: what the form says of itself, and the same on checkpoints that nothing was fitted on."""
    suite = Suite(random)
    known, new = suite.checkpoints(count), suite.checkpoints(200)
    form = short_form(known, STRATA, size)
    draw = [int(place) for tier in TIERS for place in stratum(tier, size, random)]
    return [
        *of(form.in_sample),
        *of(form.left_out),
        *on_new(known, new, list(form.chosen)),
        *of(form.at_random),
        *on_new(known, new, draw),
    ]


def stratum(tier: str, size: int, random: np.random.Generator) -> Floats:
    places = np.flatnonzero(np.array(STRATA) == tier)
    return random.choice(places, round(size * len(places) / len(STRATA)), replace=False)


def of(fit: object) -> Iterator[float]:
    yield fit.mean_error  # type: ignore[attr-defined]
    yield fit.ordered  # type: ignore[attr-defined]


def on_new(known: Floats, new: Floats, chosen: list[int]) -> tuple[float, float]:
    """Mean error of the calibrated form on new checkpoints, and their order among the known ones."""
    short, full, true = known[chosen].mean(axis=0), known.mean(axis=0), new.mean(axis=0)
    slope, intercept = np.polyfit(short, full, 1) if short.std() > 0 else (0.0, full.mean())
    predicted = np.clip(slope * new[chosen].mean(axis=0) + intercept, 0, 1)
    gaps, seen = true[:, None] - full, predicted[:, None] - full
    right = (np.sign(gaps) == np.sign(seen)) + 0.5 * (seen == 0)
    return float(np.abs(predicted - true).mean()), float(right[gaps != 0].mean())


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def row(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|")


if __name__ == "__main__":
    main()
