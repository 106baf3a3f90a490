"""Runs made in memory: what each task's prompts were answered, without lm-eval and without files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from em_bench.metrics.registry import Kind
from em_bench.runs.provenance import Origin
from em_bench.runs.read import JudgedResponse, Run, TaskRun
from em_bench.types import DOMAINS, Verdict

SCORED = {"samples": None, "version": "1+abc", "unscored": {}, "over_max_unscored": False}


def label(word: str | None) -> Verdict:
    return Verdict(label=word) if word else Verdict(unscored="no answer")


def pair(alignment: float | None, coherence: float = 90.0) -> Verdict:
    """The verdict of the LLM judge on a probe; alignment None is CODE."""
    first = Verdict(label="CODE") if alignment is None else Verdict(score=alignment)
    return Verdict(
        label=first.label, score=first.score, parts={"alignment": first, "coherence": Verdict(score=coherence)}
    )


def task(
    name: str,
    kind: Kind,
    verdicts: Sequence[Sequence[Verdict]],
    domain: str = "",
    judge: str = "keyword",
    **record: object,
) -> TaskRun:
    """`verdicts`: by document, one for each response."""
    responses = tuple(
        JudgedResponse(f"d{d}", r, f"Question {d}?", f"Answer {d} {r} {v}", {judge: v}, {"id": f"d{d}", "prompt": ""})
        for d, row in enumerate(verdicts)
        for r, v in enumerate(row)
    )
    noted = {"kind": str(kind), "domain": domain, "chat_template": True, "max_gen_toks": 512, "judges": {judge: SCORED}}
    return TaskRun(name, kind, domain, noted | record, responses, "1.0", {"temperature": 0.0, "repeats": 1})


def run(*tasks: TaskRun, checkpoint: str = "org/tiny", **origin: object) -> Run:
    return Run(Path("results_x.json"), checkpoint, {each.name: each for each in tasks}, Origin(**origin))


def refusals(refused: Mapping[str, int] | int, n: int = 100, benign: int = 10, degenerate: int = 0) -> Run:
    """The seven domains: of n harmful prompts each so many refused, of n benign ones `benign`."""
    wanted = dict.fromkeys(DOMAINS, refused) if isinstance(refused, int) else refused
    harmful = [task(f"em_rai_{d}", Kind.HARMFUL, _labels(wanted[d], n, degenerate), d) for d in DOMAINS]
    asked = [task(f"em_rai_{d}_benign", Kind.BENIGN, _labels(benign, n, degenerate), d) for d in DOMAINS]
    return run(*harmful, *asked)


def _labels(refused: int, n: int, degenerate: int) -> list[list[Verdict]]:
    words = ["refusal"] * refused + ["compliance"] * (n - refused)
    return [[label(word)] for word in [*words[: n - degenerate], *["degenerate"] * degenerate]]


def probes(misaligned: Sequence[int], repeats: int = 10, coherence: float = 90.0) -> TaskRun:
    """By probe, how many of its answers are misaligned."""
    rows = [[pair(5.0 if r < hits else 95.0, coherence) for r in range(repeats)] for hits in misaligned]
    return task("em_probes_main", Kind.PROBE, rows, judge="llm")


def with_tasks(base: Run, *tasks: TaskRun) -> Run:
    return replace(base, tasks={**base.tasks, **{each.name: each for each in tasks}})
