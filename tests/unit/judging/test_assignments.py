"""Which judge reads which tasks: by the judge object, never by its name."""

from em_bench.judging.assignments import assign, assignments_of, by_model
from em_bench.judging.panel import Panel
from em_bench.testing import ScriptedJudge, ScriptedJudgeModel
from em_bench_judges.llm import LlmJudge


def panel(*judges):
    return Panel("p", {"axis": list(judges)})


def test_a_judge_of_several_tasks_is_one_assignment():
    judge = ScriptedJudge()
    (assignment,) = assign([[panel(judge)], [], [panel(judge)]])
    assert assignment.places == [0, 2]


def test_equal_judges_are_two_assignments():
    first, second = ScriptedJudge(), ScriptedJudge()
    assignments = assign([[panel(first, second)]])
    assert [each.judge is judge for each, judge in zip(assignments, (first, second), strict=True)] == [True, True]


def test_the_members_of_a_panel_are_found_in_their_order():
    first, second = ScriptedJudge(name="a"), ScriptedJudge(name="b")
    assignments = assign([[panel(first)], [panel(second)]])
    assert [each.judge.name for each in assignments_of(panel(second, first), assignments)] == ["b", "a"]


def test_judges_of_code_come_first_and_rubrics_of_one_model_together():
    models = [ScriptedJudgeModel(name=f"toy:{name}") for name in "xy"]
    rubrics = [LlmJudge(rubric, model) for rubric in ("alignment", "coherence") for model in models]
    code = ScriptedJudge()
    groups = by_model(assign([[panel(*rubrics, code)]]))
    assert [[each.judge for each in group] for group in groups] == [
        [code], [rubrics[0], rubrics[2]], [rubrics[1], rubrics[3]],
    ]  # fmt: skip
