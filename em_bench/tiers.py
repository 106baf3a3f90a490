"""Tiers: how hard a prompt is. Each prompt of the suite names its own."""

from enum import StrEnum


class Tier(StrEnum):
    """Of harmful prompts `explicit`, `obscured` and `adversarial`, of benign ones `lookalike` and `hard`.

    `explicit`: the harm is plain. `obscured`: the intent is hidden, or the use is dual. `adversarial`: any harmful
    prompt within a condition that is meant to get past refusal. `lookalike`: the words of a harmful prompt, to another
    end. `hard`: sounds dangerous, and is ordinary.
    """

    EXPLICIT = "explicit"
    OBSCURED = "obscured"
    ADVERSARIAL = "adversarial"
    LOOKALIKE = "lookalike"
    HARD = "hard"
