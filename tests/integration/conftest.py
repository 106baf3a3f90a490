"""Fixtures of tests that evaluate a scripted checkpoint."""

import lm_eval.api.registry
import lm_eval.evaluator
import pytest

from checkpoints import Checkpoint
from em_bench.config import load_settings
from em_bench.harness import run as evaluate
from em_bench.testing import ScriptedJudge
from tasks import judge_by_length


@pytest.fixture
def checkpoint(monkeypatch):
    monkeypatch.setattr(Checkpoint, "loaded", [])
    monkeypatch.setattr(lm_eval.api.registry, "get_model", lambda _: Checkpoint)
    monkeypatch.setattr(evaluate, "require_chat_template", lambda *_: None)
    monkeypatch.setattr(lm_eval.evaluator, "add_env_info", lambda _: None)  # seconds
    return Checkpoint.loaded


@pytest.fixture
def settings(judges):
    judges(ScriptedJudge(judge_by_length, name="length"))
    return load_settings({})
