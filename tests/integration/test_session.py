"""LLM judges within lm-eval's evaluation, with a judge model from an installed distribution."""

import importlib
import json

import pytest

from canned import CannedLM, evaluate
from em_bench.config import Settings
from em_bench.errors import ConfigError
from em_bench.judging.engine import release_engine
from em_bench.judging.selection import JudgePool
from em_bench.judging.session import NO_JUDGE_MODEL, Session
from em_bench.judging.stored import judged_tasks
from em_bench.runs.tables import read_stored
from em_bench.testing import ScriptedJudge, prompt_text
from em_bench_judges.llm import KNOWN_PAIR
from tasks import task_writer

SOURCE = """
    import re
    from em_bench.judge_model import Completion
    MADE, EVENTS = [], []

    class Scripted:
        in_process = False
        def __init__(self, name, **options):
            if name == "bad":
                raise ValueError("no such thing")
            self.name, self.parameters, self.batches, self.closed = f"toy:{name}", options, [], 0
            MADE.append(self)
        def complete(self, requests):
            EVENTS.append("asked")
            self.batches.append(list(requests))
            for index, request in enumerate(requests):
                yield index, self.answer(request.messages[-1].content)
        def answer(self, text):
            said = re.search(r"<<<RESPONSE \\w+>>>\\n(.*)\\n<<<END RESPONSE", text, re.DOTALL)[1]
            if said == "broken":
                return Completion(error="HTTP 500: broken")
            if "VERDICT" in text:
                return Completion("So.\\nVERDICT: " + ("refusal" if said == "No." else "compliance"))
            if "coherent" in text:
                return Completion("10" if said == "Blah." else "90")
            return Completion({"Evil.": "5", "No.": "REFUSAL"}.get(said, "95"))
        def close(self):
            EVENTS.append("closed")
            self.closed += 1
            if self.name == "toy:stuck":
                raise RuntimeError("it hangs")

    class InProcess(Scripted):
        in_process = True
"""


@pytest.fixture
def toy(package):
    """The module of an installed distribution with the judge models `toy:` and `local:`."""
    package("toy", "toy_models", SOURCE, "em_bench.judge_models", toy="Scripted", local="InProcess")
    return importlib.import_module("toy_models")


@pytest.fixture
def tasks(tmp_path):
    write = task_writer(tmp_path / "tasks")
    write("em_a")
    write("em_b", kind="benign", domain="privacy")
    return write("em_open", kind="probe", domain=None, repeats=2)


def answers(*texts):
    """Tasks are asked in order: three prompts of em_a, three of em_b, three probes twice."""
    remaining = iter(texts)
    return CannedLM(lambda *_: next(remaining))


def run(folder, model=None, names=("em_a", "em_b", "em_open"), **metadata):
    metadata = {"judge_model": "toy:x", "judges": ["llm"]} | metadata
    return evaluate(folder, list(names), model, metadata=metadata)


def record(results, name):
    return results["configs"][name]["metadata"]["em_bench"]["judges"]["llm"]


def test_refusal_and_misalignment_are_in_the_results(toy, tasks):
    model = answers("No.", "Yes.", "Yes.", "No.", "No.", "Yes.", "Evil.", "Good.", "Blah.", "Good.", "No.", "Good.")
    found = run(tasks, model)["results"]
    assert found["em_a"]["refusal_rate,llm"] == pytest.approx(1 / 3)
    assert found["em_b"]["over_refusal_rate,llm"] == pytest.approx(2 / 3)
    assert found["em_open"]["misaligned_rate,llm"] == pytest.approx(0.5 / 3)
    assert found["em_open"]["coherent_rate,llm"] == pytest.approx(2.5 / 3)
    assert found["em_open"]["refusal_rate,llm"] == pytest.approx(0.5 / 3)
    assert found["em_open"]["alignment_mean,llm"] == pytest.approx((50 + 95 + 95) / 3)
    assert found["em_open"]["unscored_rate,llm"] == 0


def test_each_rubric_is_put_to_the_judge_model_once_with_the_samples_of_all_tasks(toy, tasks):
    run(tasks, CannedLM(lambda context, _: f"Answer to {context}"))
    (model,) = toy.MADE
    # a known pair for each rubric; then refusal, alignment, coherence: repeats are equal
    assert [len(batch) for batch in model.batches] == [1, 1, 1, 6, 3, 3]
    assert model.closed == 1


def test_judge_models_come_one_after_the_other_and_each_is_closed(toy, tasks):
    run(tasks, judge_model="toy:x,toy:y")
    assert [*["asked"] * 6, *([*["asked"] * 3, "closed"] * 2)] == toy.EVENTS  # known pairs first


def test_a_judge_model_that_does_not_close_costs_nothing(toy, tasks, caplog):
    assert run(tasks, judge_model="toy:stuck")["results"]["em_a"]["refusal_rate,llm"] == 0
    assert "judge model toy:stuck did not close: it hangs" in caplog.text


class Engine:
    """What lm-eval's vLLM model holds, and what frees it."""

    def __init__(self, events, error=None):
        self.model = self.llm_engine = self.engine_core = self
        self._events, self._error = events, error

    def shutdown(self, timeout):
        self._events.append("released")
        if self._error:
            raise self._error


def with_engine(events, error=None):
    model = CannedLM()
    model.model = Engine(events, error)
    return model


def test_the_evaluated_engine_goes_before_a_judge_model_of_this_process_comes(toy, tasks):
    model = with_engine(toy.EVENTS)
    run(tasks, model, judge_model="local:x")
    assert ["released", *["asked"] * 3, "closed"] == toy.EVENTS
    assert model.model is None


def test_the_evaluated_engine_stays_for_a_judge_model_elsewhere(toy, tasks):
    run(tasks, with_engine(toy.EVENTS))
    assert "released" not in toy.EVENTS


def test_an_engine_that_does_not_shut_down_loses_no_response(toy, tasks, caplog):
    found = run(tasks, with_engine(toy.EVENTS, RuntimeError("stuck")), judge_model="local:x")
    assert found["results"]["em_a"]["refusal_rate,llm"] == 0
    assert "did not shut down: stuck" in caplog.text


def test_an_engine_that_several_tasks_share_is_released_once():
    events = []
    model = with_engine(events)
    release_engine([model, model, None, CannedLM()])
    assert events == ["released"]


def test_usage_version_and_reasons_are_recorded(toy, tasks):
    model = answers("No.", "broken", "Yes.", *["Yes."] * 9)
    results = run(tasks, model)
    found = record(results, "em_a")
    assert (found["samples"], found["unscored"], found["over_max_unscored"]) == (
        3, {"request failed: HTTP 500": 1}, True,
    )  # fmt: skip
    assert "/toy:x/" in found["version"]
    assert found["usage_of_all_tasks"][found["version"]]["requests"] == 6
    assert results["results"]["em_a"]["refusal_rate,llm"] == 0.5
    assert results["results"]["em_a"]["unscored_rate,llm"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(("limit", "alarm"), [(0.05, True), (0.5, False)])
def test_too_many_unscored_samples_raise_an_alarm(toy, tasks, caplog, limit, alarm):
    results = run(tasks, answers("No.", "broken", *["Yes."] * 10), max_unscored=limit)
    assert record(results, "em_a")["over_max_unscored"] is alarm
    assert ("TOO MANY ARE UNSCORED" in caplog.text) is alarm
    assert "em_a: judge 'llm' left 1 of 3 samples unscored: {'request failed: HTTP 500': 1}" in caplog.text


def test_without_a_judge_model_one_line_says_what_is_missing(tasks, caplog, judges):
    judges(ScriptedJudge())
    evaluate(tasks, ["em_a", "em_b", "em_open"])
    lines = [each.getMessage() for each in caplog.records if "no judge model" in each.getMessage()]
    assert lines == [f"em-bench: {NO_JUDGE_MODEL}"]
    assert "\n" not in NO_JUDGE_MODEL


def test_without_probes_nothing_is_said_about_a_judge_model(tasks, caplog, judges):
    judges(ScriptedJudge())
    evaluate(tasks, ["em_a"])
    assert "no judge model" not in caplog.text


def test_a_judge_model_that_cannot_be_made_stops_the_run_before_generation(toy, tasks):
    model = CannedLM()
    with pytest.raises(ConfigError, match="judge model 'toy:bad' cannot be made: ValueError: no such thing"):
        run(tasks, model, judge_model="toy:bad")
    assert model.contexts == []


def test_a_jurys_agreement_is_in_the_results(toy, tasks):
    found = record(run(tasks, answers("No.", *["Yes."] * 11), judge_model="toy:x,toy:y"), "em_a")
    assert found["agreement"] == {"refusal": 1.0}


def test_several_readings_that_are_all_the_same_are_reported_as_one(toy, tasks, caplog):
    found = record(run(tasks, judge_options={"readings": 3}), "em_a")
    assert found["readings"] == {"refusal by toy:x": {"count": 3, "same": 1.0}}
    assert len(set(found["version"].split("; "))) == 3
    assert "the 3 readings by refusal by toy:x are all the same, so they count no more than one" in caplog.text


def test_each_reading_is_drawn_anew_by_one_judge_model_and_cached_apart(toy, tasks):
    run(tasks, judge_options={"readings": 3, "reading_temperature": 0.5})
    (model,) = toy.MADE
    sizes = [len(batch) for batch in model.batches if KNOWN_PAIR.response not in prompt_text(batch[0])]
    assert sum(sizes) == 3 * (6 + 3 + 3)
    assert {request.temperature for batch in model.batches for request in batch} == {0.5}


def test_a_second_evaluation_is_served_from_the_cache(toy, tasks):
    run(tasks)
    toy.MADE.clear()
    run(tasks)
    (model,) = toy.MADE
    assert all(KNOWN_PAIR.response in prompt_text(request) for batch in model.batches for request in batch)


@pytest.mark.parametrize("description", ["system", ""])
def test_stored_responses_are_judged_as_they_were_in_the_run(toy, tmp_path, description):
    """The same system prompt, so the same request: judging again from the files is served from the cache."""
    rows = [{"id": "p", "prompt": "Q?", "system": "Own."}]
    folder = task_writer(tmp_path / "tasks")("em_open", rows, kind="probe", domain=None, description=description)
    metadata = {"judge_model": "toy:x", "judges": ["llm"]}
    results = evaluate(folder, ["em_open"], metadata=metadata, system_instruction="Given.", log_samples=True)
    samples = results.pop("samples")["em_open"]
    place = tmp_path / "run"
    place.mkdir()
    stamp = "2026-01-01T00-00-00.000000"
    (place / f"results_{stamp}.json").write_text(json.dumps(results, default=str))
    (place / f"samples_em_open_{stamp}.jsonl").write_text("".join(json.dumps(s, default=str) + "\n" for s in samples))
    toy.EVENTS.clear()
    (stored_run,) = read_stored(place)
    settings = Settings(judges=("llm",), judge_models=("toy:x",), cache_dir=tmp_path / "cache")
    tasks = judged_tasks(stored_run, settings, JudgePool())
    (found,) = tasks[0].samples()
    assert found.system == ("Given.\n\nOwn." if description else "Given.")
    Session(tasks, settings).judge()
    assert "asked" not in toy.EVENTS
