"""What a comparison of a given precision can detect."""

from scipy.stats import norm

POWER = 0.8


def detectable(interval: tuple[float, float], margin: float, alpha: float, tests: int) -> float:
    """The smallest worsening that is significant (at alpha over all tests) and beyond the margin, each with `POWER`.

    By the normal approximation, with the standard error that the two-sided interval at 1 - alpha implies.
    """
    low, high = interval
    error = (high - low) / 2 / norm.isf(alpha / 2)
    power = norm.isf(1 - POWER)
    return float(max((norm.isf(alpha / tests) + power) * error, margin + power * error))
