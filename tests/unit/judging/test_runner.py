import logging

import pytest

from em_bench.judging.cache import VerdictCache
from em_bench.judging.runner import judge_samples, unscored_by_reason
from em_bench.testing import ScriptedJudge, sample, samples
from em_bench.types import Verdict

YES = Verdict(label="refusal")


def answering(*answers):
    """A judge that yields these, whatever it is asked; an exception among them is raised."""

    def script(_):
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            yield answer

    return ScriptedJudge(answers=script)


@pytest.fixture(params=["no cache", "cache"])
def cache(request, tmp_path):
    if request.param == "no cache":
        yield None
    else:
        opened = VerdictCache(tmp_path / "verdicts.sqlite")
        yield opened
        opened.close()


@pytest.fixture
def kept(tmp_path):
    opened = VerdictCache(tmp_path / "kept.sqlite")
    yield opened
    opened.close()


def labels(verdicts):
    return [verdict.label for verdict in verdicts]


def test_verdicts_come_in_the_order_of_the_samples_whatever_the_order_of_the_judge(cache):
    judge = answering((2, Verdict(label="c")), (0, Verdict(label="a")), (1, Verdict(label="b")))
    assert labels(judge_samples(judge, samples(3), cache)) == ["a", "b", "c"]


def test_a_judge_that_raises_at_once_leaves_all_unscored_with_its_fault(cache):
    verdicts = judge_samples(answering(RuntimeError("no server")), samples(2), cache)
    assert [verdict.unscored for verdict in verdicts] == ["the judge failed: RuntimeError: no server"] * 2


def test_a_judge_that_raises_midway_keeps_what_it_had_decided(cache):
    verdicts = judge_samples(answering((1, YES), RuntimeError("gone")), samples(3), cache)
    assert labels(verdicts) == [None, "refusal", None]
    assert unscored_by_reason(verdicts) == {"the judge failed: RuntimeError: gone": 2}


def test_a_judge_that_fails_is_warned_about(cache, caplog):
    judge_samples(answering((0, YES), RuntimeError("gone")), samples(3), cache)
    assert "failed after 1 of 3 samples: gone" in caplog.text


def test_a_judge_that_stops_early_leaves_the_rest_unscored(cache):
    verdicts = judge_samples(answering((0, YES)), samples(2), cache)
    assert verdicts == [YES, Verdict(unscored="the judge gave no verdict")]


def test_the_first_of_two_verdicts_stands(cache, caplog):
    verdicts = judge_samples(answering((0, YES), (0, Verdict(label="compliance"))), samples(1), cache)
    assert verdicts == [YES]
    assert "answered twice for sample 0" in caplog.text


@pytest.mark.parametrize("index", [3, -1, "0", None, 1.5])
def test_a_verdict_for_a_sample_that_is_not_there_is_ignored_and_the_others_count(cache, caplog, index):
    verdicts = judge_samples(answering((index, YES), (0, YES), (1, YES), (2, YES)), samples(3), cache)
    assert verdicts == [YES] * 3
    assert f"answered for sample {index!r} of 3" in caplog.text


def test_an_index_of_another_integer_type_counts(cache):
    import numpy

    assert judge_samples(answering((numpy.int64(0), YES)), samples(1), cache) == [YES]


@pytest.mark.parametrize("verdict", [None, "refusal", {"label": "refusal"}, 1.0])
def test_what_is_not_a_verdict_leaves_its_sample_unscored_and_the_others_count(cache, verdict):
    verdicts = judge_samples(answering((0, verdict), (1, YES)), samples(2), cache)
    assert verdicts[0].unscored == f"the judge gave a {type(verdict).__name__}, not a Verdict"
    assert verdicts[1] == YES


def test_an_answer_that_is_not_a_pair_is_a_failure_of_the_judge(cache):
    assert judge_samples(answering(YES), samples(1), cache)[0].unscored.startswith("the judge failed: ")


def test_a_judge_that_returns_nothing_is_a_failure_of_the_judge(cache):
    judge = ScriptedJudge()
    judge.judge = lambda _: None
    assert judge_samples(judge, samples(1), cache)[0].unscored.startswith("the judge failed: TypeError")


def test_a_judge_that_exits_ends_the_run(cache):
    with pytest.raises(SystemExit):
        judge_samples(answering(SystemExit(1)), samples(1), cache)


def test_no_samples_no_question(cache):
    judge = ScriptedJudge()
    assert judge_samples(judge, [], cache) == []
    assert judge.received == []


def test_what_is_in_the_cache_is_not_asked_again(kept):
    judge_samples(ScriptedJudge(), samples(2), kept)
    again = ScriptedJudge(lambda _: Verdict(label="compliance"))
    assert labels(judge_samples(again, samples(3), kept)) == ["refusal", "refusal", "compliance"]
    assert [asked.prompt for asked in again.received] == ["prompt 2"]


def test_a_new_version_of_a_judge_is_asked_again(kept):
    judge_samples(ScriptedJudge(), samples(1), kept)
    newer = ScriptedJudge(version="2")
    judge_samples(newer, samples(1), kept)
    assert len(newer.received) == 1


def test_a_failure_is_asked_again(kept):
    judge_samples(answering((0, YES), RuntimeError("gone")), samples(2), kept)
    again = ScriptedJudge()
    assert judge_samples(again, samples(2), kept) == [YES, YES]
    assert [asked.prompt for asked in again.received] == ["prompt 1"]


def test_an_unscored_verdict_is_never_cached(kept):
    judge_samples(ScriptedJudge(lambda _: Verdict(unscored="timed out")), samples(1), kept)
    assert judge_samples(ScriptedJudge(), samples(1), kept) == [YES]


def test_verdicts_are_in_the_cache_before_the_judge_goes_on(kept, tmp_path):
    def script(_):
        yield 0, YES
        other = VerdictCache(tmp_path / "kept.sqlite")
        seen.append(judge_samples(ScriptedJudge(lambda _: Verdict(label="asked")), samples(1), other))
        other.close()

    seen: list = []
    judge_samples(ScriptedJudge(answers=script), samples(1), kept)
    assert seen == [[YES]]


def test_a_judge_that_wants_no_cache_is_always_asked(kept):
    for _ in range(2):
        judge = ScriptedJudge(cached=False)
        judge_samples(judge, samples(1), kept)
        assert len(judge.received) == 1


def test_a_verdict_that_cannot_be_cached_leaves_the_cache_to_the_others(kept, caplog):
    strange = Verdict(label="refusal", raw={1, 2})
    judge_samples(answering((0, strange), (1, YES)), samples(2), kept)
    again = ScriptedJudge()
    judge_samples(again, [sample(number=1)], kept)
    assert again.received == []


def test_reasons_are_counted_the_commonest_first():
    verdicts = [Verdict(unscored="a"), YES, Verdict(unscored="b"), Verdict(unscored="b")]
    assert list(unscored_by_reason(verdicts).items()) == [("b", 2), ("a", 1)]


def test_a_run_that_goes_well_warns_of_nothing(cache, caplog):
    caplog.set_level(logging.WARNING)
    judge_samples(ScriptedJudge(), samples(3), cache)
    assert caplog.text == ""
