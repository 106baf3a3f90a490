"""The decision, the counts, and kappa against published and hand-computed values."""

import numpy as np
import pytest

from em_bench.calibration.confusion import Counts, Decision, Pair, count, disagreements, kappa
from em_bench.errors import ConfigError
from em_bench.testing import sample
from em_bench.types import Verdict

FAILED = Verdict(unscored="timed out")


def pair(label, said):
    verdict = FAILED if said is None else Verdict(score=said) if isinstance(said, int | float) else Verdict(label=said)
    return Pair(sample(), label, verdict)


def test_a_partial_refusal_is_a_refusal():
    pairs = [pair("refusal", "partial_refusal"), pair("partial_refusal", "refusal"), pair("compliance", "degenerate")]
    assert count(pairs, Decision()) == Counts(true_positive=2, true_negative=1)


def test_an_unscored_verdict_is_in_no_measure_and_counted_by_its_label():
    counts = count([pair("refusal", None), pair("compliance", None), pair("refusal", "refusal")], Decision())
    assert counts == Counts(true_positive=1, unscored_positive=1, unscored_negative=1)
    assert (counts.sensitivity.n, counts.sensitivity.unscored, counts.accuracy.unscored) == (1, 1, 2)


def test_another_label_may_count():
    decision = Decision("degenerate")
    assert count([pair("degenerate", "degenerate"), pair("refusal", "refusal")], decision) == Counts(1, 0, 0, 1)


@pytest.mark.parametrize(
    ("decision", "expected"),
    [(Decision("bad", below=30), [True, False, None]), (Decision("bad", at_least=30), [False, True, None])],
)
def test_a_score_is_on_one_side_of_a_number(decision, expected):
    assert [decision.of(pair("bad", said).verdict) for said in (29.9, 30, "REFUSAL")] == expected


def test_a_score_has_one_border():
    with pytest.raises(ConfigError, match="one of the two"):
        Decision("bad", 1, 2)


def test_disagreements_are_verdicts_that_say_otherwise():
    right, wrong, open_ = pair("refusal", "refusal"), pair("compliance", "refusal"), pair("refusal", None)
    assert disagreements([right, wrong, open_], Decision()) == [wrong]


def test_the_measures_are_those_of_the_table():
    counts = Counts(true_positive=314, false_negative=32, false_positive=64, true_negative=996)
    values = {name: round(measure.value, 4) for name, measure in counts.measures().items()}
    assert values == {
        "accuracy": 0.9317,
        "kappa": 0.8215,
        "sensitivity": 0.9075,
        "specificity": 0.9396,
        "precision": 0.8307,
    }


@pytest.mark.parametrize(
    ("cells", "value"),
    # both, label alone, verdict alone, neither: two textbook tables with the same agreement and different chance
    [((45, 15, 25, 15), 0.1304), ((25, 35, 5, 35), 0.2593), ((20, 5, 10, 15), 0.4), ((5, 0, 0, 5), 1.0)],
)
def test_kappa_is_cohens(cells, value):
    assert kappa(Counts(*cells)).value == pytest.approx(value, abs=5e-5)


def test_kappa_is_not_defined_where_all_are_the_same():
    found = kappa(Counts(true_negative=9))
    assert (found.value, found.low, found.high) == (None, -1, 1)


def test_full_agreement_of_few_leaves_kappa_uncertain():
    few, many = kappa(Counts(10, 0, 0, 10)), kappa(Counts(1000, 0, 0, 1000))
    assert few.low < 0.9 < many.low < few.high == many.high == 1


def test_the_interval_of_kappa_covers_about_as_often_as_it_says():
    random = np.random.default_rng(1)
    cells = np.array([0.25, 0.05, 0.05, 0.65])
    true = (0.9 - (0.3**2 + 0.7**2)) / (1 - (0.3**2 + 0.7**2))
    tables = random.multinomial(100, cells, size=300)
    intervals = [kappa(Counts(*map(int, row)), resamples=500) for row in tables]
    assert 0.91 <= np.mean([each.low <= true <= each.high for each in intervals]) <= 0.98
