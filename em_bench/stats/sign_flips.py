"""The sign-flip test of paired differences."""

import numpy as np
from numpy.typing import NDArray

from em_bench.stats.intervals import CELLS, RESAMPLES, Floats


def sign_flips(differences: Floats, random: np.random.Generator) -> tuple[float, float, float]:
    """p two-sided, less and greater: under no change each difference is as likely with either sign.

    Exact for few probes, else sampled as often as a bootstrap (as scipy's permutation_test, several times faster).
    """
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0, 1.0, 1.0
    exact = 2 ** len(moved) <= RESAMPLES
    sums = _all_sums(moved) if exact else _sampled_sums(moved, random)
    near = 1e-6 * float(np.abs(moved).sum())
    observed = float(moved.sum())
    # the observed signs count as one of the draws
    less, greater = (
        (float(np.count_nonzero(extreme)) + (not exact)) / (len(sums) + (not exact))
        for extreme in (sums <= observed + near, sums >= observed - near)
    )
    return min(1.0, 2 * min(less, greater)), less, greater


def _all_sums(moved: Floats) -> Floats:
    sums = np.zeros(1)
    for value in moved:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def _sampled_sums(moved: Floats, random: np.random.Generator) -> Floats:
    step = max(1, CELLS // len(moved))
    sizes = [min(step, RESAMPLES - start) for start in range(0, RESAMPLES, step)]
    positive = [_signs(size, len(moved), random) @ moved.astype(np.float32) for size in sizes]
    return np.asarray(2 * np.concatenate(positive) - moved.sum(), dtype=float)


def _signs(rows: int, columns: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Zeros and ones with equal probability, eight from a byte."""
    packed = np.frombuffer(random.bytes(rows * -(-columns // 8)), np.uint8).reshape(rows, -1)
    return np.unpackbits(packed, axis=1)[:, :columns].astype(np.float32)
