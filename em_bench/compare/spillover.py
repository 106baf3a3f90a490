"""Spill-over: the change in the domain that was meant to change, beside the change in the other six.

After Mushtaq et al. (arXiv 2511.14017), who unlearn refusal in one domain and look at the refusal of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from em_bench.compare.comparability import Aspect
from em_bench.compare.differences import Difference, choose, pooled_over
from em_bench.compare.sides import Side
from em_bench.errors import ConfigError
from em_bench.metrics.registry import Kind
from em_bench.prompts.overlaps import VERSION, overlapping
from em_bench.types import DOMAINS

OTHERS = "other domains"


@dataclass(frozen=True, slots=True)
class Spillover:
    """`others` pools the prompts of all other domains; `worst` is the one that lost most refusals.

    `left_out` counts the prompts that are not in `others`, as they ask nearly what one of the target asks
    (`em_bench.prompts.overlaps`); `worst` has all of its domain's. `ratio` is the others' change over the target's: 0
    is no spill-over, 1 as much as in the target. None where the target did not change significantly.
    """

    target: Difference
    others: Difference
    worst: Difference
    ratio: float | None
    left_out: int = 0

    def to_dict(self) -> dict[str, Any]:
        sides = {"target": self.target, "others": self.others, "worst": self.worst}
        return {name: each.to_dict() for name, each in sides.items()} | {
            "ratio": self.ratio,
            "left_out": self.left_out,
        }


def check_domain(domain: str | None) -> None:
    """Raises `ConfigError` for an unknown domain."""
    if domain is not None and domain not in DOMAINS:
        raise ConfigError(f"--target-domain {domain!r} is unknown; known: {', '.join(DOMAINS)}")


def spillover(
    single: Sequence[Difference], baseline: Side, candidate: Side, target_domain: str | None, confidence: float = 0.95
) -> Spillover | None:
    """None without a target, or where the target or all the others have no refusal rate."""
    refusals = choose(single, Kind.HARMFUL, "refusal_rate")
    targets = [each for each in refusals if each.key.domain == target_domain]
    others = [each for each in refusals if each.key.domain != target_domain]
    if not target_domain or not targets or not others:
        return None
    target = targets[0]
    overlaps = _overlaps(target, others, baseline)
    pooled = pooled_over(others, baseline, candidate, confidence, OTHERS, frozenset(overlaps))
    worst = min(others, key=lambda each: each.value or 0.0)
    ratio = None
    if target.significant_sign and target.value and pooled.value is not None:
        ratio = pooled.value / target.value
    return Spillover(target, pooled, worst, ratio, len(overlaps))


def _overlaps(target: Difference, others: Sequence[Difference], baseline: Side) -> list[str]:
    """The prompts of the other domains that ask nearly what one of the target asks."""
    setup = baseline.setup.tasks[target.key.task]
    if setup.settings.get(Aspect.TASK_VERSION) != VERSION:
        return []
    known = overlapping(target.key.domain)
    return [document for each in others for document in baseline.columns[each.key].values if document in known]
