"""Anchors: spread over labels and tasks, asked again without the cache, and what counts as drift."""

import json
from collections import Counter

import numpy as np
import pytest
from scipy.stats import norm, ttest_rel

from em_bench.errors import ResultError
from em_bench.judging.anchors import (
    Anchor,
    Status,
    anchors_of,
    check_anchors,
    freeze_anchors,
    read_anchors,
    write_anchors,
)
from em_bench.judging.cache import VerdictCache
from em_bench.judging.runner import judge_samples
from em_bench.testing import ScriptedJudge, sample
from em_bench.types import Verdict
from judge_server import JudgeServer, answer

FAILED = Verdict(unscored="timed out")


def label(word):
    return Verdict(label=word)


def frozen(words):
    return [Anchor("scripted", "1", sample(number=n), label(word)) for n, word in enumerate(words)]


def scores(values):
    return [Anchor("scripted", "1", sample(number=n), Verdict(score=value)) for n, value in enumerate(values)]


def now(verdicts, **fields):
    """A judge that says these, one sample after the other."""
    said = iter(verdicts)
    return ScriptedJudge(lambda _: next(said), **fields)


# choosing


def test_anchors_are_spread_over_labels_and_tasks():
    samples = [sample(f"r{n}", n, task=f"t{n % 3}") for n in range(90)]
    verdicts = [label("refusal" if n < 10 else "compliance") for n in range(90)]
    chosen = freeze_anchors(ScriptedJudge(), samples, verdicts, 20)
    assert Counter(anchor.verdict.label for anchor in chosen) == {"refusal": 10, "compliance": 10}
    tasks = Counter(anchor.sample.task for anchor in chosen if anchor.verdict.label == "compliance")
    assert sorted(tasks.values()) == [3, 3, 4]


def test_scores_are_spread_over_their_scale():
    samples = [sample(f"r{n}", n) for n in range(100)]
    verdicts = [Verdict(score=95.0 if n > 3 else 10.0 * n) for n in range(100)]
    chosen = freeze_anchors(ScriptedJudge(), samples, verdicts, 10)
    assert sum(anchor.verdict.score < 50 for anchor in chosen) == 4


def test_the_same_seed_chooses_the_same_anchors():
    samples = [sample(f"r{n}", n) for n in range(50)]
    first, again, other = (freeze_anchors(ScriptedJudge(), samples, [label("x")] * 50, 9, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_what_is_unscored_or_said_twice_is_no_anchor():
    samples = [sample("a"), sample("a"), sample("b"), sample("c")]
    chosen = freeze_anchors(ScriptedJudge(), samples, [label("x"), label("x"), FAILED, label("x")], 9)
    assert [anchor.sample.response for anchor in chosen] in (["a", "c"],)


# asking again


def test_a_judge_that_says_the_same_is_steady():
    report = check_anchors(ScriptedJudge(lambda _: label("refusal")), frozen(["refusal"] * 50))
    assert (report.status, report.flips.value, report.turned, report.same_version) == (Status.STEADY, 0, {}, True)


def test_labels_that_turn_one_way_are_drift():
    words = ["refusal"] * 50 + ["compliance"] * 50
    report = check_anchors(now(map(label, ["compliance"] * 9 + words[9:])), frozen(words))
    assert (report.status, report.turned) == (Status.DRIFTED, {"refusal -> compliance": 9})
    assert report.p == pytest.approx(2 * norm.sf(3))


def test_labels_that_turn_both_ways_a_little_are_noise():
    words = ["refusal"] * 100 + ["compliance"] * 100
    said = ["compliance"] * 4 + ["refusal"] * 192 + ["refusal"] * 4
    said[100:196] = ["compliance"] * 96
    report = check_anchors(now(map(label, said)), frozen(words))
    assert (report.status, report.p, report.flips.value) == (Status.STEADY, 1, 0.04)


def test_many_labels_that_turn_both_ways_are_drift():
    words = ["refusal"] * 50 + ["compliance"] * 50
    report = check_anchors(now(map(label, reversed(words))), frozen(words))
    assert (report.status, report.p) == (Status.DRIFTED, 1)


def test_few_anchors_are_inconclusive():
    assert check_anchors(now(map(label, "ab")), frozen("ab")).status is Status.INCONCLUSIVE


def test_a_judge_that_fails_has_not_drifted_and_is_not_steady():
    report = check_anchors(now([label("refusal")] * 40 + [FAILED] * 10), frozen(["refusal"] * 50))
    assert (report.status, report.unscored) == (Status.INCONCLUSIVE, {"timed out": 10})


def test_a_judge_that_raises_is_a_report_too():
    def broken(_):
        raise RuntimeError("no")

    report = check_anchors(ScriptedJudge(broken), frozen(["refusal"] * 50))
    assert (report.status, report.flips) == (Status.INCONCLUSIVE, None)


def test_the_shift_of_scores_is_that_of_the_paired_t_test():
    random = np.random.default_rng(1)
    before = random.uniform(0, 100, 60)
    after = before + random.normal(8, 10, 60)
    report = check_anchors(now(Verdict(score=value) for value in after), scores(before))
    expected = ttest_rel(after, before)
    low, high = expected.confidence_interval()
    assert (report.shift.p, report.shift.low, report.shift.high) == pytest.approx((expected.pvalue, low, high))
    assert report.status is Status.DRIFTED


@pytest.mark.parametrize(("moved", "status"), [(0, Status.STEADY), (2, Status.STEADY), (9, Status.DRIFTED)])
def test_scores_that_all_move_alike(moved, status):
    before = [float(value) for value in range(0, 100, 2)]
    report = check_anchors(now(Verdict(score=value + moved) for value in before), scores(before))
    assert (report.status, report.shift.value) == (status, moved)


def test_a_word_in_place_of_a_score_is_a_flip():
    before = [float(value) for value in range(50)]
    report = check_anchors(
        now([label("REFUSAL")] * 20 + [Verdict(score=value) for value in before[20:]]), scores(before)
    )
    assert report.turned == {"a score -> REFUSAL": 20}
    assert report.status is Status.DRIFTED


def test_the_cache_is_not_asked(tmp_path):
    cache = VerdictCache(tmp_path / "verdicts.sqlite")
    anchors = frozen(["refusal"] * 50)
    judge_samples(ScriptedJudge(lambda _: label("refusal")), [anchor.sample for anchor in anchors], cache)
    assert check_anchors(ScriptedJudge(lambda _: label("compliance")), anchors).status is Status.DRIFTED


def test_anchors_of_its_own_version_come_first():
    old, new = frozen(["a"])[0], Anchor("scripted", "2", sample(), label("a"))
    assert anchors_of(ScriptedJudge(version="2"), [old, new]) == [new]
    assert anchors_of(ScriptedJudge(version="3"), [old, new]) == [old, new]
    assert anchors_of(ScriptedJudge(name="other"), [old, new]) == []


# files


def test_anchors_are_read_as_they_were_written(tmp_path):
    anchors = [*frozen(["refusal", "\u2028"]), *scores([3.5])]
    write_anchors(anchors, tmp_path / "deep" / "anchors.jsonl")
    assert read_anchors(tmp_path / "deep" / "anchors.jsonl") == anchors


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "{}", '{"judge": "a", "version": "1", "sample": {"id": 1}, "verdict": {}}']
)
def test_what_is_no_anchor_is_one_clear_error(tmp_path, line):
    path = tmp_path / "anchors.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ResultError, match=r"anchors\.jsonl"):
        read_anchors(path)


# the commands, and a run that checks them


def by_length(each):
    return label("refusal" if len(each.response) < 10 else "compliance")


@pytest.fixture
def anchors_file(em_bench, tmp_path, judges):
    judges(ScriptedJudge(by_length, name="length"))
    rows = [{"prompt": f"q{n}", "response": "No." if n % 2 else "Here is a long answer."} for n in range(80)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "anchors.jsonl"
    ended = em_bench("anchors", "freeze", tmp_path / "rows.jsonl", "--output", path, "-n", 60, "--kind", "harmful")
    assert ended.code == 0
    assert "60 anchors of 80 responses: 30 compliance, 30 refusal" in " ".join(ended.out.split())
    return path


def test_anchors_that_were_frozen_are_not_overwritten(em_bench, anchors_file, tmp_path):
    before = anchors_file.read_bytes()
    ended = em_bench("anchors", "freeze", tmp_path / "rows.jsonl", "--output", anchors_file, "--kind", "harmful")
    assert (ended.code, anchors_file.read_bytes()) == (2, before)
    assert "exists; frozen anchors are not overwritten" in ended.err


def test_a_steady_judge_is_exit_code_0(em_bench, anchors_file):
    ended = em_bench("anchors", "check", anchors_file)
    assert (ended.code, "judge length steady: 0 of 60 labels differ" in ended.out) == (0, True)


def test_a_judge_that_drifted_under_its_name_is_exit_code_1(em_bench, anchors_file, judges):
    judges(ScriptedJudge(lambda _: label("compliance"), name="length"))
    ended = em_bench("anchors", "check", anchors_file)
    assert (ended.code, "refusal -> compliance 30" in ended.out) == (1, True)


def test_too_few_anchors_are_exit_code_3(em_bench, anchors_file):
    anchors_file.write_text("".join(anchors_file.read_text().splitlines(keepends=True)[:3]))
    ended = em_bench("anchors", "check", anchors_file, "--json")
    assert (ended.code, json.loads(ended.out)[0]["status"]) == (3, "inconclusive")


def test_another_version_is_said(em_bench, anchors_file, judges):
    judges(ScriptedJudge(by_length, name="length", version="2"))
    assert "frozen by another version: 1; now 2" in em_bench("anchors", "check", anchors_file).out


def test_a_judge_without_anchors_is_named(em_bench, anchors_file, judges):
    judges(ScriptedJudge(by_length, name="other"))
    ended = em_bench("anchors", "check", anchors_file, "--judge", "other")
    assert (ended.code, "holds anchors of length, not of other" in ended.err) == (2, True)


def record_of(folder):
    newest = max(folder.rglob("results_*.json"), key=lambda path: path.stem)
    return json.loads(newest.read_text())["configs"]["em_tiny"]["metadata"]["em_bench"]["judges"]["length"]


def test_judging_with_the_setting_records_the_drift(em_bench, anchors_file, judges, run_folder, monkeypatch, caplog):
    judges(ScriptedJudge(lambda _: label("compliance"), name="length"))
    monkeypatch.setenv("EM_BENCH_ANCHORS", str(anchors_file))
    ended = em_bench("judge", run_folder, "--judges", "length")
    assert ended.code == 0
    assert "THE JUDGE HAS DRIFTED" in caplog.text
    (report,) = record_of(run_folder)["anchors"].values()
    assert (report["status"], report["flips"]["n"]) == ("drifted", 60)


def test_anchors_of_another_version_are_not_asked_in_a_run(em_bench, anchors_file, judges, run_folder, monkeypatch):
    judges(ScriptedJudge(by_length, name="length", version="2"))
    monkeypatch.setenv("EM_BENCH_ANCHORS", str(anchors_file))
    assert em_bench("judge", run_folder, "--judges", "length").code == 0
    assert "anchors" not in record_of(run_folder)


def test_damaged_anchors_cost_a_run_nothing(em_bench, anchors_file, run_folder, monkeypatch):
    anchors_file.write_text("{")
    monkeypatch.setenv("EM_BENCH_ANCHORS", str(anchors_file))
    assert em_bench("judge", run_folder, "--judges", "length").code == 0


def test_anchors_that_are_not_there_stop_a_run_before_it_starts(em_bench, run_folder, monkeypatch):
    monkeypatch.setenv("EM_BENCH_ANCHORS", "nowhere.jsonl")
    ended = em_bench("judge", run_folder)
    assert ended.code == 2
    assert "the environment: `anchors` is 'nowhere.jsonl', which is not a file" in ended.err


def test_a_judge_model_that_changes_behind_its_name_is_noticed(em_bench, tmp_path, monkeypatch):
    """The whole way: an OpenAI-compatible server that answers otherwise from some day on."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    rows = [{"prompt": f"q{n}", "response": f"I refuse {n}." if n % 2 else f"Here it is {n}."} for n in range(80)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    strict = False

    def reply(body):
        refuses = "I refuse" in json.dumps(body) and not strict
        return answer(f"Because.\nVERDICT: {'refusal' if refuses else 'compliance'}")

    with JudgeServer(then=reply) as server:
        model = ("--judge-model", "openai:judge", "--judge-option", f"base_url={server.base_url}")
        frozen_to = ("--output", tmp_path / "anchors.jsonl", "-n", 60, "--kind", "harmful")
        assert em_bench("anchors", "freeze", tmp_path / "rows.jsonl", "--judge", "llm", *model, *frozen_to).code == 0
        assert em_bench("anchors", "check", tmp_path / "anchors.jsonl", *model).code == 0
        strict = True
        ended = em_bench("anchors", "check", tmp_path / "anchors.jsonl", *model)
    assert ended.code == 1
    assert "judge refusal drifted: 30 of 60 labels differ (refusal -> compliance 30)" in ended.out
    assert "another version" not in ended.out
