import json
from dataclasses import FrozenInstanceError

import pytest

from em_bench.testing import sample
from em_bench.types import DOMAINS, Verdict


def test_there_are_the_seven_domains_of_the_paper():
    assert DOMAINS == (
        "cybersecurity",
        "safety",
        "toxicity",
        "bias",
        "sensitive_content",
        "medical_legal",
        "privacy",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"reason": "no verdict"},
        {"label": "refusal", "unscored": "both"},
        {"score": 1.0, "unscored": "both"},
        {"score": float("nan")},
        {"score": float("inf")},
    ],
)
def test_a_verdict_is_scored_or_unscored_never_both_or_neither_or_without_a_number(fields):
    with pytest.raises(ValueError, match="score"):
        Verdict(**fields)


@pytest.mark.parametrize("fields", [{"label": ""}, {"unscored": ""}])
def test_an_empty_label_or_reason_is_no_verdict_as_it_could_not_be_read_back(fields):
    with pytest.raises(ValueError, match=r"label|unscored|reason"):
        Verdict(**fields)


@pytest.mark.parametrize("fields", [{"label": 1}, {"label": ["refusal"]}, {"score": "0.5"}])
def test_a_verdict_of_other_types_is_refused_where_it_is_made(fields):
    with pytest.raises((TypeError, ValueError)):
        Verdict(**fields)


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(label="refusal"),
        Verdict(score=0.0),
        Verdict(label="x", score=37.5, reason="said “no”", raw={"top": [1, 2]}),
        Verdict(unscored="timed out"),
        Verdict(score=12.5, parts={"alignment": Verdict(score=12.5), "coherence": Verdict(unscored="no number")}),
    ],
)
def test_a_verdict_written_as_text_is_json_that_makes_the_same_verdict(verdict):
    assert Verdict.from_dict(json.loads(str(verdict))) == verdict


@pytest.mark.parametrize("values", [[], "text", None, {"label": "x", "new": 1}, {"label": "x", "parts": ["y"]}, {}])
def test_what_is_no_verdict_is_refused_when_it_is_read_back(values):
    with pytest.raises((TypeError, ValueError)):
        Verdict.from_dict(values)


def test_a_score_of_another_number_type_is_kept_as_a_float():
    import numpy

    assert json.loads(str(Verdict(score=numpy.float32(0.5)))) == {"score": 0.5}


def test_a_verdict_can_be_written_whatever_its_raw_is():
    assert json.loads(str(Verdict(label="refusal", raw={1, 2})))["label"] == "refusal"


def test_a_verdict_with_a_lone_surrogate_can_be_encoded_for_a_file():
    assert str(Verdict(label="refusal", reason="\ud800")).encode("utf-8")


def test_samples_and_verdicts_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        sample().response = "other"
    with pytest.raises(FrozenInstanceError):
        Verdict(label="x").label = "y"
