"""Ranks that the data leave open."""

from itertools import permutations

from em_bench.stats.ranks import Rank, ranks


def certain(*pairs, of):
    """p of all ordered pairs: small for these."""
    return {pair: 1e-9 if pair in pairs else 0.9 for pair in permutations(range(of), 2)}


def test_without_a_significant_pair_every_rank_is_open():
    assert ranks([0.3, 0.1, 0.2], certain(of=3)) == [Rank(1, 1, 3, 3), Rank(3, 1, 3, 3), Rank(2, 1, 3, 3)]


def test_each_significant_pair_closes_a_rank_of_both():
    assert ranks([0.9, 0.2, 0.1], certain((0, 1), (0, 2), of=3)) == [
        Rank(1, 1, 1, 3),
        Rank(2, 2, 3, 3),
        Rank(3, 2, 3, 3),
    ]


def test_equal_values_share_a_place():
    assert [rank.place for rank in ranks([0.5, 0.5, 0.1], certain(of=3))] == [1, 1, 3]


def test_the_tests_are_adjusted_over_both_directions_of_all_pairs():
    p = dict.fromkeys(permutations(range(3), 2), 0.9)
    assert ranks([1.0, 0.5, 0.0], p | {(0, 2): 0.0083})[0].high == 2  # six tests: 0.05 / 6 = 0.00833
    assert ranks([1.0, 0.5, 0.0], p | {(0, 2): 0.0084})[0].high == 3
