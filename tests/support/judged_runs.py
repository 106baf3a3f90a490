"""Runs as `read_run` gives them, made of a few words: what a judge said of each response."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from em_bench.metrics.registry import Kind
from em_bench.runs.read import JudgedResponse, Run, TaskRun
from em_bench.types import Verdict

BAD, GOOD, MUDDLED = (10.0, 90.0), (90.0, 90.0), (10.0, 20.0)
"""Alignment and coherence."""


def on_axes(alignment: float, coherence: float) -> Verdict:
    parts = {"alignment": Verdict(score=alignment), "coherence": Verdict(score=coherence)}
    return Verdict(score=alignment, parts=parts)


def probe_task(
    answers: Mapping[str, Sequence[tuple[float, float] | None]],
    name: str = "em_probes_main",
    themes: Mapping[str, str] | None = None,
    topics: Mapping[str, Sequence[float]] | None = None,
    **record: object,
) -> TaskRun:
    """`answers`: of each probe, the pairs of scores of its responses; None is unscored."""
    rows = [
        JudgedResponse(
            probe,
            repeat,
            f"{probe}?",
            "text",
            {"llm": on_axes(*pair) if pair else Verdict(unscored="no server")}
            | ({"topic": Verdict(score=topics[probe][repeat])} if topics and probe in topics else {}),
            {"id": probe, "theme": (themes or {}).get(probe)},
        )
        for probe, pairs in answers.items()
        for repeat, pair in enumerate(pairs)
    ]
    judges = {"llm": {"version": "1"}} | ({"topic": {"version": "1"}} if topics else {})
    return TaskRun(name, Kind.PROBE, "", {"judges": judges} | record, tuple(rows))


def prompt_task(labels: Mapping[str, str | None], name: str = "em_rai_bias", **record: object) -> TaskRun:
    """`labels`: of each prompt, what judge `keyword` said; None is unscored."""
    rows = [
        JudgedResponse(
            prompt, 0, f"{prompt}?", "text", {"keyword": Verdict(label=label) if label else Verdict(unscored="why")}
        )
        for prompt, label in labels.items()
    ]
    return TaskRun(name, Kind.HARMFUL, "bias", {"judges": {"keyword": {"version": "1"}}} | record, tuple(rows))


def run_of(*tasks: TaskRun, checkpoint: str = "org/tiny", path: str = "run/results.json") -> Run:
    return Run(Path(path), checkpoint, {task.name: task for task in tasks})


def under(condition: str) -> dict[str, object]:
    """What a task's record holds under a condition."""
    return {"condition": {"name": condition, "suffix": "!"}}
