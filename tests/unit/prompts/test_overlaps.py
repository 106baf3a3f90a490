"""Prompts that ask nearly the same are listed, and words alone do not tell harmful prompts from benign ones."""

import importlib.util
from itertools import chain

import pytest

from em_bench import DOMAINS
from em_bench.prompts.overlaps import overlapping
from places import ROOT


def benchmark(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def overlaps():
    return benchmark("prompt_overlaps")


@pytest.fixture(scope="module")
def rows(overlaps):
    return overlaps.all_prompts()


def test_every_pair_whose_words_are_alike_is_listed(overlaps, rows):
    missing = set(overlaps.by_words(rows)) - set(overlaps.listed())
    assert missing == set(), "list them: python benchmarks/prompt_overlaps.py --write"


def test_listed_pairs_are_of_prompts_that_there_are(overlaps, rows):
    assert set(chain(*overlaps.listed())) <= {row["id"] for row in rows}


@pytest.mark.parametrize("domain", DOMAINS)
def test_overlaps_of_a_domain_are_in_others(domain):
    assert not any(name.startswith(f"{domain}-") for name in overlapping(domain))


def test_overlaps_go_both_ways(overlaps):
    for pair in overlaps.listed():
        first, second = (name.rpartition("-")[0] for name in pair)
        if first != second and {first, second} <= set(DOMAINS):
            assert pair[1] in overlapping(first)
            assert pair[0] in overlapping(second)


def test_words_alone_tell_explicit_prompts_from_look_alikes_but_poorly():
    shortcuts = benchmark("prompt_shortcuts")
    harmful, benign = (list(chain(*halves)) for halves in zip(*map(shortcuts.rows_of, DOMAINS), strict=True))
    assert shortcuts.auc(shortcuts.of_tier(harmful, "explicit"), shortcuts.of_tier(benign, "lookalike"), 1) < 0.70
