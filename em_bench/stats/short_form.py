"""A few items in place of many: which to take, and how well they give the rate over all of them.

Each stratum has its share of the places, and fills them with its items of the highest item-rest correlation r, which
are those that say most of the whole: for normal variables -log(1 - r^2) / 2. A straight line, fitted on the takers,
turns the share on the short form into the rate over all items. What is chosen and fitted on a set of takers fits them
too well, so the same is done without each taker in turn, and with items drawn at random.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from em_bench.stats.clusters import TINY, Floats
from em_bench.stats.discrimination import item_rest

DRAWS = 50
SEED = 20_251_114
Choose = Callable[[Floats], list[int]]


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a short form gives the full rates: the mean and the largest error, in 0..1, and the share of pairs of
    takers, one by its predicted and the other by its full rate, that come in the right order.
    """

    mean_error: float
    max_error: float
    ordered: float | None


@dataclass(frozen=True, slots=True)
class ShortForm:
    """`chosen` are places of items. `in_sample`: on the takers that it was made on; `left_out`: each taker by a form
    made without it; `at_random`: the same of random items, as a yardstick.
    """

    chosen: tuple[int, ...]
    slope: float
    intercept: float
    in_sample: Fit
    left_out: Fit
    at_random: Fit


def short_form(values: Floats, strata: Sequence[str], size: int) -> ShortForm:
    """Of `size` items, or all if there are fewer. `values`: items x takers, in 0..1; NaN is unscored, and an item with
    one is not chosen.
    """
    full = np.nanmean(values, axis=0)
    complete = np.flatnonzero(~np.isnan(values).any(axis=1))
    whole, names = values[complete], [strata[place] for place in complete]
    quotas = _quotas(names, min(size, len(names)))
    chosen = _most_informative(whole, names, quotas)
    line = _line(whole[chosen].mean(axis=0), full)
    random = np.random.default_rng(SEED)
    draws = [_random(names, quotas, random) for _ in range(DRAWS)]
    return ShortForm(
        tuple(int(complete[place]) for place in chosen),
        *line,
        in_sample=_fit(_on_line(line, whole[chosen].mean(axis=0)), full),
        left_out=_fit(_left_out(whole, full, lambda rows: _most_informative(rows, names, quotas)), full),
        at_random=_mean([_fit(_left_out(whole, full, lambda _, draw=draw: draw), full) for draw in draws]),  # type: ignore[misc]
    )


def _quotas(strata: Sequence[str], size: int) -> dict[str, int]:
    """Each stratum's places, in proportion to its items; the largest remainders are rounded up."""
    counts = Counter(strata)
    exact = {name: size * count / len(strata) for name, count in counts.items()}
    quotas = {name: int(places) for name, places in exact.items()}
    for name in sorted(exact, key=lambda each: quotas[each] - exact[each])[: size - sum(quotas.values())]:
        quotas[name] += 1
    return quotas


def _most_informative(values: Floats, strata: Sequence[str], quotas: dict[str, int]) -> list[int]:
    """Items without a correlation come last; of equal ones the first."""
    order = np.argsort(-np.nan_to_num(item_rest(values)[0], nan=-2.0), kind="stable")
    left, chosen = dict(quotas), []
    for place in order:
        if left[strata[place]]:
            left[strata[place]] -= 1
            chosen.append(int(place))
    return chosen


def _random(strata: Sequence[str], quotas: dict[str, int], random: np.random.Generator) -> list[int]:
    places = np.array(strata)
    draws = (random.choice(np.flatnonzero(places == name), count, replace=False) for name, count in quotas.items())
    return [int(place) for draw in draws for place in draw]


def _line(short: Floats, full: Floats) -> tuple[float, float]:
    """Slope and intercept, by least squares; flat where the short form is the same for all."""
    centred = short - short.mean()
    spread = float((centred**2).sum())
    slope = float((centred * (full - full.mean())).sum()) / spread if spread > TINY else 0.0
    return slope, float(full.mean() - slope * short.mean())


def _on_line(line: tuple[float, float], short: Floats) -> Floats:
    return np.clip(line[0] * short + line[1], 0.0, 1.0)


def _left_out(values: Floats, full: Floats, choose: Choose) -> Floats:
    """The rate of each taker, predicted by a form that is chosen and fitted on the others."""
    predicted = []
    for taker in range(len(full)):
        others = np.arange(len(full)) != taker
        chosen = choose(values[:, others])
        line = _line(values[chosen][:, others].mean(axis=0), full[others])
        predicted.append(float(_on_line(line, values[chosen, taker].mean())))
    return np.array(predicted)


def _fit(predicted: Floats, full: Floats) -> Fit:
    errors = np.abs(predicted - full)
    true = full[:, None] - full[None, :]
    seen = (predicted[:, None] - full[None, :])[np.abs(true) > TINY]
    right = (np.sign(seen) == np.sign(true[np.abs(true) > TINY])) + 0.5 * (seen == 0)
    return Fit(float(errors.mean()), float(errors.max()), float(right.mean()) if len(right) else None)


def _mean(fits: Sequence[Fit]) -> Fit:
    ordered = [fit.ordered for fit in fits if fit.ordered is not None]
    return Fit(
        float(np.mean([fit.mean_error for fit in fits])),
        float(np.mean([fit.max_error for fit in fits])),
        float(np.mean(ordered)) if ordered else None,
    )
