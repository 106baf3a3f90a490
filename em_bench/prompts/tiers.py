"""Which prompts of a task are asked, by tier: `--metadata '{"tiers": ["explicit"]}'`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from em_bench.conditions import Condition, built_in_conditions
from em_bench.errors import ConfigError
from em_bench.metrics.registry import Kind
from em_bench.text import shown
from em_bench.tiers import Tier

OF_KIND = {Kind.HARMFUL: (Tier.EXPLICIT, Tier.OBSCURED), Kind.BENIGN: (Tier.LOOKALIKE, Tier.HARD)}


def at_tiers(
    rows: list[dict[str, Any]], kind: Kind, tiers: Collection[Tier], condition: Condition, place: str
) -> list[dict[str, Any]]:
    """The rows of some tiers; all rows where none is of this kind of task, and where the rows have no tiers.

    `adversarial` stands for the explicit prompts within the condition. Raises `ConfigError` without such a condition,
    and where no row is left; `place` is where the rows are from.
    """
    if Tier.ADVERSARIAL in tiers and not condition.adversarial:
        raise ConfigError(
            "the tier `adversarial` is the explicit prompts within a condition that is meant to get past refusal, and "
            f"{condition.name!r} is none; choose one of {', '.join(built_in_conditions())} with `condition` "
            "(`em-bench run --condition NAME`)"
        )
    wanted = {Tier.EXPLICIT if tier is Tier.ADVERSARIAL else tier for tier in tiers} & set(OF_KIND.get(kind, ()))
    found = tiers_of(rows)
    if not wanted or not found:
        return rows
    chosen = [row for row in rows if row.get("tier") in wanted]
    if not chosen:
        names = ", ".join(sorted(wanted))
        raise ConfigError(f"{place} has no prompts of the tier {names}; it has {shown(', '.join(found))}")
    return chosen


def tiers_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The tiers that rows name, in their order."""
    return list(dict.fromkeys(str(row["tier"]) for row in rows if row.get("tier")))
