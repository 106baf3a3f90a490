"""A difference between two groups of runs on the same prompts, where runs and prompts are both samples.

A run is a training run: a checkpoint made by one recipe with a seed of its own. With Y the value of a run (its recipe's
group g) at a prompt, the model is the two-way one with both crossed: Y = mean of g + prompt + prompt x group + run +
rest. The variance of the difference of the groups' means is the sum of

- the variance over prompts of the prompt's difference, divided by the prompts;
- for each group with several runs, the variance of its runs' means, divided by the runs.

The rest is in both, so the sum is too large rather than too small (Owen 2007, *Ann. Appl. Stat.* 1:386, on the same of
his pigeonhole bootstrap). The interval is Student's with Satterthwaite's degrees of freedom. A group of one run has no
variance between runs: what is said of it holds for this checkpoint, and not for its recipe.
"""

from dataclasses import dataclass

from scipy.stats import t

from em_bench.stats.clusters import Floats


@dataclass(frozen=True, slots=True)
class Crossed:
    """Candidates minus baselines. `run_share` is the share of the variance that is between runs."""

    value: float
    low: float
    high: float
    p: float
    p_less: float
    p_greater: float
    freedom: float
    run_share: float


def crossed(before: Floats, after: Floats, confidence: float = 0.95) -> Crossed | None:
    """From (runs, prompts) of each group, without gaps. None where there is one prompt, or neither has two runs."""
    if before.shape[1] < 2 or max(len(before), len(after)) < 2:
        return None
    differences = after.mean(axis=0) - before.mean(axis=0)
    parts = [(float(differences.var(ddof=1)) / len(differences), len(differences) - 1)]
    parts += [
        (float(runs.mean(axis=1).var(ddof=1)) / len(runs), len(runs) - 1) for runs in (before, after) if len(runs) > 1
    ]
    value, variance = float(differences.mean()), sum(part for part, _ in parts)
    if not variance:
        return None
    freedom = variance**2 / sum(part**2 / own for part, own in parts)
    error = variance**0.5
    half = float(t.isf((1 - confidence) / 2, freedom)) * error
    p_less, p_greater = float(t.cdf(value / error, freedom)), float(t.sf(value / error, freedom))
    p = min(1.0, 2 * min(p_less, p_greater))
    return Crossed(value, value - half, value + half, p, p_less, p_greater, freedom, 1 - parts[0][0] / variance)
