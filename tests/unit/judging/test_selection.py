"""The pool: judges and judge models are made once, and a judge that was found ready is not asked again."""

import pytest

from em_bench.errors import PrerequisiteError
from em_bench.judging.selection import JudgePool
from em_bench.testing import ScriptedJudge, ScriptedJudgeModel, installed


class CheckedJudge(ScriptedJudge):
    """Notes how it is checked; fails as long as `fault` is set."""

    def __init__(self, fault=None, **options):
        super().__init__(**options)
        self.fault, self.checks = fault, []

    def check_ready(self, ask):
        self.checks.append(ask)
        if self.fault:
            raise PrerequisiteError(self.fault)


@pytest.fixture
def made():
    """The judge models that were made, of the kind `toy`."""
    models = []

    def make(name, **options):
        models.append(ScriptedJudgeModel.named(name, **options))
        return models[-1]

    with installed(ScriptedJudge(name="mine"), judge_models={"toy": make}):
        yield models


def test_a_judge_is_made_once_in_a_pool_and_anew_in_another(made):
    pool = JudgePool()
    first, again = (pool.rubric_judge("refusal", "toy:x", {}, None) for _ in range(2))
    assert first is again
    assert JudgePool().rubric_judge("refusal", "toy:x", {}, None) is not first
    assert len(made) == 2


def test_rubrics_share_a_judge_model_with_the_same_options(made):
    pool = JudgePool()
    judges = [pool.rubric_judge(rubric, "toy:x", {"seed": 1}, None) for rubric in ("alignment", "coherence")]
    assert judges[0].model is judges[1].model
    assert pool.rubric_judge("refusal", "toy:x", {"seed": 2}, None).model is not judges[0].model


def test_a_judge_that_is_ready_is_not_asked_again():
    judge, pool = CheckedJudge(), JudgePool()
    pool.check([judge], ask=[judge])
    pool.check([judge], ask=[judge])
    assert judge.checks == [False, True, False]


def test_a_judge_that_failed_is_asked_again():
    judge, pool = CheckedJudge(fault="no key"), JudgePool()
    with pytest.raises(PrerequisiteError, match="no key"):
        pool.check([], ask=[judge])
    judge.fault = None
    pool.check([], ask=[judge])
    assert judge.checks == [True, True]


def test_everything_missing_is_reported_at_once():
    judges = [CheckedJudge(fault="no key"), CheckedJudge(fault="no package"), CheckedJudge(fault="no key")]
    with pytest.raises(PrerequisiteError, match=r"^no key; no package$"):
        JudgePool().check(judges, ask=[])
