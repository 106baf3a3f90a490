"""Which prompts are asked by tier."""

import pytest

from em_bench.conditions import NONE, Condition
from em_bench.errors import ConfigError
from em_bench.metrics.registry import Kind
from em_bench.prompts.tiers import at_tiers, tiers_of
from em_bench.tiers import Tier

WRAPPED = Condition("persona", prefix="!", adversarial=True)


def rows(*tiers):
    return [{"id": str(number), "prompt": "?", "tier": tier} for number, tier in enumerate(tiers)]


HARMFUL, BENIGN = rows("explicit", "obscured", "explicit"), rows("lookalike", "hard")


def chosen(made, kind, *tiers, condition=NONE):
    return [row["id"] for row in at_tiers(made, kind, tiers, condition, "prompt file x")]


def test_rows_of_the_tiers_are_asked():
    assert chosen(HARMFUL, Kind.HARMFUL, Tier.EXPLICIT) == ["0", "2"]
    assert chosen(BENIGN, Kind.BENIGN, Tier.HARD, Tier.OBSCURED) == ["1"]


def test_without_a_tier_of_the_kind_all_rows_are_asked():
    assert chosen(BENIGN, Kind.BENIGN, Tier.OBSCURED) == ["0", "1"]
    assert chosen(HARMFUL, Kind.HARMFUL) == ["0", "1", "2"]
    assert chosen(rows(None), Kind.PROBE, Tier.HARD) == ["0"]


def test_rows_without_tiers_are_asked_whatever_the_tiers():
    assert chosen([{"id": "a", "prompt": "?"}], Kind.HARMFUL, Tier.EXPLICIT) == ["a"]


def test_adversarial_is_the_explicit_rows_within_such_a_condition():
    assert chosen(HARMFUL, Kind.HARMFUL, Tier.ADVERSARIAL, condition=WRAPPED) == ["0", "2"]


def test_adversarial_without_such_a_condition_names_the_wrappers():
    with pytest.raises(ConfigError, match="'none' is none; choose one of persona, prefill, past_tense"):
        chosen(HARMFUL, Kind.HARMFUL, Tier.ADVERSARIAL)


def test_a_file_without_a_tier_that_is_asked_for_is_refused():
    with pytest.raises(ConfigError, match="prompt file x has no prompts of the tier obscured; it has explicit"):
        chosen(rows("explicit"), Kind.HARMFUL, Tier.OBSCURED)


def test_tiers_of_rows_come_in_their_order():
    assert tiers_of([*HARMFUL, {"id": "x"}]) == ["explicit", "obscured"]
