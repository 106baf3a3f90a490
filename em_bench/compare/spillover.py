"""Spill-over: what changed in the domain that was meant to change, set apart from the other six.

After Mushtaq et al. (arXiv 2511.14017), who unlearn refusal in one domain and look at the refusal of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from em_bench.compare.differences import Difference, choose, pooled_over
from em_bench.compare.sides import Side
from em_bench.errors import ConfigError
from em_bench.metrics.registry import Kind
from em_bench.types import DOMAINS

OTHERS = "other domains"


@dataclass(frozen=True, slots=True)
class Spillover:
    """`others` pools the prompts of the domains beside the target; `worst` is the one that lost most refusals.

    `ratio` is the others' change over the target's: 0 is no spill-over, 1 as much as in the target. None where the
    target did not change for sure.
    """

    target: Difference
    others: Difference
    worst: Difference
    ratio: float | None


def check_domain(domain: str | None) -> None:
    """Raises `ConfigError` for a domain that there is not."""
    if domain is not None and domain not in DOMAINS:
        raise ConfigError(f"--target-domain {domain!r} is unknown; known: {', '.join(DOMAINS)}")


def spillover(
    found: Sequence[Difference], baseline: Side, candidate: Side, target_domain: str | None, confidence: float = 0.95
) -> Spillover | None:
    """None without a target, or where the target or all the others have no refusal rate."""
    chosen = choose(found, Kind.HARMFUL, "refusal_rate")
    target = [each for each in chosen if each.domain == target_domain]
    others = [each for each in chosen if each.domain != target_domain]
    if not target_domain or not target or not others:
        return None
    aim = target[0]
    pooled = pooled_over(others, baseline, candidate, confidence, OTHERS)
    worst = min(others, key=lambda each: 0.0 if each.difference is None else each.difference)
    moved = aim.difference is not None and aim.surely != 0
    ratio = pooled.difference / aim.difference if moved and aim.difference and pooled.difference is not None else None
    return Spillover(aim, pooled, worst, ratio)
