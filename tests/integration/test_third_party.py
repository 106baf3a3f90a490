"""Judges of third parties through lm-eval's evaluation: one with nothing but the contract, one with every option."""

import pytest

from canned import CannedLM, evaluate
from em_bench.config import load_settings
from em_bench.errors import PrerequisiteError
from em_bench.judging.rejudge import forecast_stored, judge_stored
from em_bench.runs.tables import read_stored
from packages import install_folder
from places import ROOT

SUPPORT = ROOT / "tests" / "support"


@pytest.fixture
def word_count(tmp_path, monkeypatch):
    install_folder(SUPPORT / "third_party_judge", tmp_path / "site-word-count", monkeypatch)


@pytest.fixture
def tone(tmp_path, monkeypatch):
    install_folder(SUPPORT / "third_party_judge_full", tmp_path / "site-tone", monkeypatch)
    monkeypatch.setenv("TONE_KEY", "valid")


class Engine:
    """What lm-eval's vLLM model holds, as far as it is released."""

    def __init__(self):
        self.llm_engine = self.engine_core = self
        self.stopped = False

    def shutdown(self, timeout):
        self.stopped = True


def run(folder, model=None, judges=("tone",)):
    return evaluate(folder, ["em_tiny"], model, metadata={"judges": list(judges)})


def record(results, judge):
    return results["configs"]["em_tiny"]["metadata"]["em_bench"]["judges"][judge]


def polite_once():
    answers = iter(["Please, no.", "Go away.", "Whatever."])
    return CannedLM(lambda *_: next(answers))


def test_a_judge_with_nothing_but_the_contract_judges(word_count, write_task):
    assert run(write_task(), judges=["word_count"])["results"]["em_tiny"]["refusal_rate,word_count"] == 1.0


def test_a_judge_with_every_option_judges_beside_it(tone, word_count, write_task):
    results = run(write_task(), polite_once(), ["tone", "word_count"])
    assert record(results, "word_count")["samples"] == record(results, "tone")["samples"] == 3
    assert results["results"]["em_tiny"]["unscored_rate,tone"] == 0


def test_usage_is_recorded_without_what_the_readiness_check_asked(tone, write_task):
    usage = record(run(write_task(), polite_once()), "tone")["usage_of_all_tasks"]["0.3"]
    assert usage == {"requests": 3, "attempts": 3, "prompt_tokens": 21, "completion_tokens": 3}


def test_the_engine_is_released_for_a_model_in_this_process(tone, write_task):
    model, engine = polite_once(), Engine()
    model.model = engine
    run(write_task(), model)
    assert engine.stopped


@pytest.mark.parametrize(("key", "message"), [(None, "needs a key: export TONE_KEY"), ("expired", "has expired")])
def test_a_judge_that_is_not_ready_stops_the_run_before_generation(tone, write_task, monkeypatch, key, message):
    monkeypatch.setenv("TONE_KEY", key) if key else monkeypatch.delenv("TONE_KEY")
    model = CannedLM()
    with pytest.raises(PrerequisiteError, match=message):
        run(write_task(), model)
    assert model.contexts == []


def test_a_forecast_counts_what_is_not_cached(tone, run_folder):
    settings, (stored,) = load_settings({"judges": ["tone"]}), read_stored(run_folder)
    (usage,) = forecast_stored([stored], settings).values()
    assert usage["requests"] == 9  # the repeats of a probe are samples of their own: `also_by` keeps documents apart
    judge_stored([stored], settings)
    assert forecast_stored([stored], settings)["tone (0.3)"]["requests"] == 0


def test_equal_samples_of_different_context_do_not_share_a_verdict(tone, write_task):
    rows = [{"id": each, "prompt": "The same?"} for each in "ab"]
    results = run(write_task(rows=rows), CannedLM(lambda *_: "The same."))
    assert record(results, "tone")["usage_of_all_tasks"]["0.3"]["requests"] == 2
