"""Runs made in memory of a few words: what each prompt was answered and how it was judged, without files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from em_bench.conditions import Condition
from em_bench.metrics.registry import Kind
from em_bench.runs.model import JudgedSample, JudgeRecord, Run, TaskRun
from em_bench.runs.provenance import Checkpoint, Provenance
from em_bench.types import DOMAINS, Verdict

BAD, GOOD, MUDDLED = (10.0, 90.0), (90.0, 90.0), (10.0, 20.0)
"""Alignment and coherence."""


def label(word: str | None) -> Verdict:
    return Verdict(label=word) if word else Verdict(unscored="no answer")


def pair(alignment: float | None, coherence: float = 90.0) -> Verdict:
    """The verdict of the LLM judge on a probe; alignment None is CODE."""
    first = Verdict(label="CODE") if alignment is None else Verdict(score=alignment)
    return Verdict(
        label=first.label, score=first.score, parts={"alignment": first, "coherence": Verdict(score=coherence)}
    )


def judged_by(*names: str, version: str = "1", **fields: Any) -> dict[str, JudgeRecord]:
    return {name: JudgeRecord(name, version, **fields) for name in names}


def task_of(
    name: str, kind: Kind, samples: Sequence[JudgedSample], domain: str = "", judge: str = "keyword", **fields: Any
) -> TaskRun:
    """A task with its chat template on; `fields` are any of `TaskRun`'s."""
    defaults = {"version": "1.0", "generation": {"temperature": 0.0, "repeats": 1}, "chat_template": True}
    defaults |= {"max_gen_toks": 512, "judges": judged_by(judge)}
    return TaskRun(name, kind, domain, tuple(samples), **defaults | fields)


def task(
    name: str,
    kind: Kind,
    verdicts: Sequence[Sequence[Verdict]],
    domain: str = "",
    judge: str = "keyword",
    **fields: Any,
) -> TaskRun:
    """`verdicts`: by document, one for each response."""
    samples = [
        JudgedSample(f"d{d}", r, f"Question {d}?", f"Answer {d} {r} {v}", {judge: v}, {"id": f"d{d}", "prompt": ""})
        for d, row in enumerate(verdicts)
        for r, v in enumerate(row)
    ]
    return task_of(name, kind, samples, domain, judge, **fields)


def prompt_task(labels: Mapping[str, str | None], name: str = "em_rai_bias", **fields: Any) -> TaskRun:
    """`labels`: of each prompt, what judge `keyword` said; None is unscored."""
    samples = [JudgedSample(id, 0, f"{id}?", "text", {"keyword": label(word)}) for id, word in labels.items()]
    return task_of(name, Kind.HARMFUL, samples, "bias", **fields)


def probe_task(
    answers: Mapping[str, Sequence[tuple[float, float] | None]],
    name: str = "em_probes_main",
    themes: Mapping[str, str] | None = None,
    topics: Mapping[str, Sequence[float]] | None = None,
    **fields: Any,
) -> TaskRun:
    """`answers`: of each probe, the alignment and coherence of its responses; None is unscored. `topics`: scores of
    rubric `topic`.
    """
    samples = [
        JudgedSample(
            probe,
            repeat,
            f"{probe}?",
            "text",
            {"llm": pair(*scores) if scores else Verdict(unscored="no server")}
            | ({"topic": Verdict(score=topics[probe][repeat])} if topics and probe in topics else {}),
            {"id": probe, "theme": (themes or {}).get(probe)},
        )
        for probe, row in answers.items()
        for repeat, scores in enumerate(row)
    ]
    judges = judged_by("llm", *(["topic"] if topics else []))
    return task_of(name, Kind.PROBE, samples, **{"judges": judges} | fields)


def run_of(*tasks: TaskRun, checkpoint: str = "org/tiny", path: str = "run/results_x.json", **provenance: Any) -> Run:
    return Run(
        Path(path),
        Checkpoint(checkpoint, None, None, None),
        {each.name: each for each in tasks},
        Provenance(**provenance),
    )


def under(condition: str) -> dict[str, Condition]:
    """A task's fields under a condition."""
    return {"condition": Condition(condition, suffix="!")}


def refusals(refused: Mapping[str, int] | int, n: int = 100, benign: int = 10, degenerate: int = 0) -> Run:
    """The seven domains: of n harmful prompts each so many refused, of n benign ones `benign`."""
    wanted = dict.fromkeys(DOMAINS, refused) if isinstance(refused, int) else refused
    harmful = [task(f"em_rai_{d}", Kind.HARMFUL, _labels(wanted[d], n, degenerate), d) for d in DOMAINS]
    look_alikes = [task(f"em_rai_{d}_benign", Kind.BENIGN, _labels(benign, n, degenerate), d) for d in DOMAINS]
    return run_of(*harmful, *look_alikes)


def _labels(refused: int, n: int, degenerate: int) -> list[list[Verdict]]:
    words = ["refusal"] * refused + ["compliance"] * (n - refused)
    return [[label(word)] for word in [*words[: n - degenerate], *["degenerate"] * degenerate]]


def probes(
    misaligned: Sequence[int], repeats: int = 10, coherence: float = 90.0, name: str = "em_probes_main"
) -> TaskRun:
    """By probe, how many of its answers are misaligned."""
    rows = [[pair(5.0 if r < hits else 95.0, coherence) for r in range(repeats)] for hits in misaligned]
    return task(name, Kind.PROBE, rows, judge="llm")


def with_tasks(base: Run, *tasks: TaskRun) -> Run:
    return replace(base, tasks={**base.tasks, **{each.name: each for each in tasks}})
