"""Facts about metrics, and how a rate is named."""

import pytest
import yaml

from em_bench.metrics.registry import (
    METRICS,
    Kind,
    MetricKey,
    Unit,
    directions,
    higher_is_better,
    main_metric,
    refusal_metric,
    rubric_of,
)
from places import ROOT

TASKS = ROOT / "lm_eval_tasks"


def test_refusal_is_better_of_harm_and_worse_of_look_alikes():
    assert directions(Kind.HARMFUL)["refusal_rate"] is True
    assert directions(Kind.BENIGN)["over_refusal_rate"] is False
    assert "refusal_rate" not in directions(Kind.PROBE)


def test_a_metric_that_only_describes_has_no_direction():
    assert higher_is_better(Kind.PROBE, "refusal_rate") is None
    assert higher_is_better(Kind.BENIGN, "refusal_rate") is None
    assert higher_is_better(Kind.HARMFUL, "no_metric") is None


def test_each_kind_of_task_has_its_metric_of_refusal():
    kinds = (Kind.HARMFUL, Kind.BENIGN, Kind.PROBE)
    assert [refusal_metric(kind) for kind in kinds] == ["refusal_rate", "over_refusal_rate", "refusal_rate"]


def test_each_kind_of_task_has_the_metric_that_it_is_about():
    assert [main_metric(kind) for kind in Kind] == [
        "refusal_rate",
        "over_refusal_rate",
        "misaligned_rate",
        "care_rate",
    ]


def test_nothing_of_care_counts_as_refusal():
    assert not any(Kind.CARE in METRICS[name].kinds for name in ("refusal_rate", "over_refusal_rate"))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_metric_is_described_in_one_sentence_and_its_share_goes_from_0_to_1(metric):
    assert metric.definition[0].isupper()
    assert metric.definition.endswith(".")
    assert metric.kinds
    assert metric.unit is Unit.SCORE or metric.scale == (0.0, 1.0)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (MetricKey("refusal_rate"), "refusal_rate"),
        (MetricKey("misaligned_rate", "betley"), "misaligned_rate (betley)"),
        (MetricKey("misaligned_rate", "betley", pooled=True), "misaligned_rate (betley), pooled over rows"),
        (MetricKey("label_share", "a (b)"), "label_share (a (b))"),
    ],
)
def test_a_rate_is_named_with_what_qualifies_it(key, text):
    assert str(key) == text


def test_the_tasks_aggregate_metrics_that_exist():
    listed = [
        each["metric"]
        for path in TASKS.rglob("*.yaml")
        for each in (yaml.load(path.read_text("utf-8"), yaml.BaseLoader) or {}).get("aggregate_metric_list", ())
    ]
    assert listed
    assert set(listed) <= set(METRICS)


@pytest.mark.parametrize(
    ("metric", "version", "rubric"),
    [
        ("misaligned_rate", "2/openai:gpt-4o/abc; 2/openai:gpt-4o/def", "em-bench rubric"),
        ("alignment_mean", "2/toy:x/abc", "em-bench rubric"),
        ("misaligned_rate", "betley/openai:gpt-4o/abc; betley/openai:gpt-4o/def", ""),
        ("misaligned_rate", "", ""),
        ("misaligned_rate", "1", ""),
        ("refusal_rate", "3/toy:x/abc", ""),
    ],
)
def test_a_rate_by_our_own_rubric_of_probes_says_so(metric, version, rubric):
    assert rubric_of(metric, version) == rubric
