"""Krippendorff's alpha of values with gaps, against a computation of its own by the definition."""

from itertools import combinations, permutations

import numpy as np
import pytest

from em_bench.stats.agreement import Level, PairWeights, alpha_of, alpha_with_interval

DISTANCES = {Level.NOMINAL: lambda a, b: float(a != b), Level.INTERVAL: lambda a, b: (a - b) ** 2}


def by_coincidences(units, level):
    """By the matrix of coincidences, as libraries compute it: a pair of a unit with m values counts 1 / (m - 1)."""
    kinds = sorted({value for unit in units for value in unit})
    matrix = np.zeros((len(kinds), len(kinds)))
    for unit in units:
        for a, b in permutations(unit, 2):
            matrix[kinds.index(a), kinds.index(b)] += 1 / (len(unit) - 1)
    totals = matrix.sum(axis=0)
    chance = np.outer(totals, totals) - np.diag(totals)
    distance = np.array([[DISTANCES[level](a, b) for b in kinds] for a in kinds])
    return 1 - (totals.sum() - 1) * (matrix * distance).sum() / (chance * distance).sum()


def with_equal_pairs(units, level):
    """The mean distance of two values of a unit against that of any two values."""
    units = [unit for unit in units if len(unit) > 1]
    within = [DISTANCES[level](*pair) for unit in units for pair in combinations(unit, 2)]
    between = [DISTANCES[level](*pair) for pair in combinations([value for unit in units for value in unit], 2)]
    return 1 - np.mean(within) / np.mean(between)


def made(seed, *, gaps=0.25, raters=4, units=40):
    random = np.random.default_rng(seed)
    truth = random.integers(0, 5, units)
    rows = [[int(np.clip(t + random.integers(-1, 2), 0, 4)) for _ in range(raters)] for t in truth]
    return [[value for value in row if random.random() >= gaps] for row in rows]


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("seed", range(4))
def test_alpha_with_gaps_is_that_of_the_matrix_of_coincidences(seed, level):
    units = made(seed)
    assert alpha_of(units, level) == pytest.approx(by_coincidences(units, level), rel=1e-12)


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("seed", range(4))
def test_equal_weights_of_pairs_are_those_of_a_mean_over_pairs(seed, level):
    units = made(seed)
    assert alpha_of(units, level, PairWeights.PAIR) == pytest.approx(with_equal_pairs(units, level), rel=1e-12)
    assert alpha_of(units, level, PairWeights.PAIR) != pytest.approx(alpha_of(units, level), rel=1e-6)


@pytest.mark.parametrize("level", Level)
def test_without_gaps_both_weights_are_the_same(level):
    units = made(0, gaps=0)
    assert alpha_of(units, level, PairWeights.PAIR) == pytest.approx(alpha_of(units, level), rel=1e-12)


def test_the_interval_is_the_bootstrap_over_units():
    units = made(1)
    found = alpha_with_interval(units, Level.INTERVAL)
    random, kept = np.random.default_rng(5), [unit for unit in units if len(unit) > 1]
    resampled = [
        by_coincidences([kept[index] for index in random.integers(len(kept), size=len(kept))], Level.INTERVAL)
        for _ in range(1_000)
    ]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(resampled, [0.025, 0.975])), abs=0.02)
    assert (found.units, found.values) == (len(kept), sum(map(len, kept)))


@pytest.mark.parametrize("units", [[], [[1.0], [2.0]], [[1.0, 1.0], [1.0, 1.0]]])
def test_alpha_is_undefined_without_pairs_or_differences(units):
    found = alpha_with_interval(units, Level.INTERVAL)
    assert (found.value, found.low, found.high) == (None, None, None)
