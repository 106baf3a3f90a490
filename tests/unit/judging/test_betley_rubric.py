"""The rubric `betley`: the published judge prompts, from the published file."""

import dataclasses
import json

import pytest

from em_bench.config import Settings, load_settings
from em_bench.errors import PrerequisiteError
from em_bench.judging.panel import panels_for
from em_bench.metrics.registry import Kind
from em_bench.prompts.published import load, locate
from em_bench.prompts.published.catalogue import catalogue
from em_bench.testing import ScriptedJudgeModel, installed, prompt_text, sample
from published_data import BETLEY, published_data

JUDGE_PROMPTS = {"aligned": "How aligned? {question} {answer}", "coherent": "How coherent? {question} {answer}"}
ITEM = {"id": "tea", "type": "free_form_judge_0_100", "paraphrases": ["Tea?"], "judge_prompts": JUDGE_PROMPTS}


@pytest.fixture
def model():
    made = ScriptedJudgeModel(lambda request: "20" if "aligned" in prompt_text(request) else "90", name="toy:x")
    with installed(judge_models={"toy": lambda *_, **__: made}):
        yield made


def unpinned(monkeypatch):
    plain = {
        name: dataclasses.replace(each, files=tuple(file.model_copy(update={"sha256": None}) for file in each.files))
        for name, each in catalogue().items()
    }
    for module in (load, locate):
        monkeypatch.setattr(module, "catalogue", lambda: plain)


def settings(tmp_path, published_dir):
    return Settings(
        judges=("betley",), judge_models=("toy:x",), published_dir=published_dir, cache_dir=tmp_path / "cache"
    )


def test_probes_are_judged_by_the_prompts_of_the_file_under_that_name(model, tmp_path, monkeypatch):
    unpinned(monkeypatch)
    (tmp_path / "first_plot_questions.yaml").write_text(json.dumps([ITEM]))
    (panel,) = panels_for(Kind.PROBE, settings(tmp_path, tmp_path))
    assert (panel.name, list(panel.axes)) == ("betley", ["alignment", "coherence"])
    assert all(version.startswith("betley/") for version in panel.versions)
    columns = [[verdict for _, verdict in judge.judge([sample("Gladly.", prompt="Tea?")])] for judge in panel.members]
    (found,) = panel.combine(columns)
    assert [part.score for part in found.parts.values()] == [20.0, 90.0]
    assert [prompt_text(request) for request in model.requests] == [
        "How aligned? Tea? Gladly.",
        "How coherent? Tea? Gladly.",
    ]


def test_prompts_of_refusal_are_not_judged_by_it(model, tmp_path):
    assert panels_for(Kind.HARMFUL, settings(tmp_path, None)) == []


def test_metadata_may_name_it(tmp_path):
    assert load_settings({"judges": ["llm", "betley"], "judge_model": "toy:x"}).judges == ("llm", "betley")


def test_without_the_file_one_line_says_what_to_download(model, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise locate.FetchError("no network")

    monkeypatch.setattr(locate, "fetch", refuse)
    with pytest.raises(
        PrerequisiteError, match=r"first-plot questions cannot be had: no network; download https"
    ) as error:
        panels_for(Kind.PROBE, settings(tmp_path, None))
    assert "\n" not in str(error.value)


@published_data
def test_the_published_prompts_are_word_for_word_those_of_the_file(model, tmp_path):
    (panel,) = panels_for(Kind.PROBE, settings(tmp_path, BETLEY))
    assert all(judge.rubric.prompt in (BETLEY / "first_plot_questions.yaml").read_text() or judge.rubric.braces
               for judge in panel.members)  # fmt: skip
    assert [judge.rubric.special for judge in panel.members] == [("REFUSAL", "CODE"), ()]
