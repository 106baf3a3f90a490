"""Stored tasks: what is written back of them."""

from em_bench.config import Settings
from em_bench.judging.selection import JudgePool
from em_bench.judging.stored import StoredTask
from em_bench.metrics.registry import Kind
from em_bench.runs.model import TaskFiles
from made_runs import task_of


def test_responses_that_no_judge_reads_are_kept_for_a_later_one():
    line = {"doc": {"id": "a"}, "filter": "none", "resps": [["Hello."]], "metrics": ["bypass"]}
    stored = task_of("em_rai_care", Kind.CARE, [], files=TaskFiles(lines=(line,)))
    assert StoredTask(stored, Settings(), {}, JudgePool()).lines() == [line]
