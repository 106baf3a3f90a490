"""Panels: the judges whose verdicts are one verdict, and which panels read the responses of a task.

A panel is what lm-eval shows as one filter: one judge, rubrics that belong together, or a jury of several judge models.
Each of its members is run, cached and accounted for on its own, so that a verdict on one axis is not paid for again
because another failed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from em_bench.config import Settings
from em_bench.errors import ConfigError
from em_bench.judge import HasLabels, Judge, installed_judges, join_versions, model_of
from em_bench.judging.options import (
    GUARD,
    LLM,
    check_options,
    guards,
    options_for,
    readings_of,
    refuse_self_judging,
)
from em_bench.judging.rubrics import AXES, BETLEY, betley_file, is_question_file, judge_prompts, rubric_path
from em_bench.judging.selection import JudgePool
from em_bench.judging.votes import axes_verdict, jury_column, parts_beside
from em_bench.metrics.labels import (
    ALIGNMENT,
    BESIDE,
    CARE,
    CARE_LABELS,
    COHERENCE,
    HARM,
    HARM_LABELS,
    HARMFULNESS,
    PARTIAL,
    REFUSAL,
    REFUSAL_LABELS,
    UNSAFE,
)
from em_bench.metrics.registry import Kind
from em_bench.stats.agreement import alpha
from em_bench.types import Verdict

RUBRICS = {Kind.HARMFUL: (REFUSAL,), Kind.BENIGN: (REFUSAL,), Kind.PROBE: (ALIGNMENT, COHERENCE), Kind.CARE: (CARE,)}
# rubrics and rules that say nothing about tasks of another kind
ONLY_FOR = {
    REFUSAL: (Kind.HARMFUL, Kind.BENIGN),
    HARMFULNESS: (Kind.HARMFUL,),
    ALIGNMENT: (Kind.PROBE,),
    CARE: (Kind.CARE,),
    "keyword": (Kind.HARMFUL, Kind.BENIGN, Kind.PROBE),
    BETLEY: (Kind.PROBE,),
}


@dataclass(frozen=True, slots=True)
class Panel:
    """`axes` holds the jurors of each axis; a plain judge is a panel of one axis with one juror."""

    name: str
    axes: Mapping[str, Sequence[Judge]]

    @property
    def members(self) -> list[Judge]:
        return [judge for jurors in self.axes.values() for judge in jurors]

    @property
    def versions(self) -> tuple[str, ...]:
        return tuple(judge.version for judge in self.members)

    @property
    def version(self) -> str:
        """The members' versions as results hold them, in one text."""
        return join_versions(self.versions)

    def agreement(self, verdicts: Sequence[Verdict]) -> dict[str, float | None] | None:
        """Krippendorff's alpha of each axis that a jury judged, or None without a jury."""
        juries = {axis: jurors for axis, jurors in self.axes.items() if len(jurors) > 1}
        if not juries:
            return None
        alphas = {}
        for axis, jurors in juries.items():
            part = axis if len(self.axes) > 1 else _axis_name(axis, jurors) or axis
            alphas[axis] = alpha([_votes(verdict.parts.get(part, verdict)) for verdict in verdicts])
        return alphas

    def combine(self, columns: Sequence[Sequence[Verdict]]) -> list[Verdict]:
        """One verdict for each sample; `columns` are the verdicts of each of the `members`, in their order."""
        remaining = iter(columns)
        by_axis = {
            axis: jury_column([_juror_name(judge) for judge in jurors], [next(remaining) for _ in jurors])
            for axis, jurors in self.axes.items()
        }
        if len(by_axis) == 1:
            ((axis, column),) = by_axis.items()
            part = _axis_name(axis, self.axes[axis])
            if part is None:
                return [replace(each, parts={**each.parts, **parts_beside(each)}) for each in column]
            return [replace(each, raw=None, parts={part: each, **parts_beside(each)}) for each in column]
        return [axes_verdict(dict(zip(by_axis, row, strict=True))) for row in zip(*by_axis.values(), strict=True)]


def _votes(verdict: Verdict) -> dict[str, Verdict]:
    return {juror: vote for juror, vote in verdict.parts.items() if juror not in BESIDE}


def _axis_name(axis: str, jurors: Sequence[Judge]) -> str | None:
    """The name that a verdict on a single axis has among the `parts`, so that they name the rubric.

    That is the rubric, `refusal` for every judge whose `labels` tell partial from full refusals, `care` for every judge
    with those of that rubric, and `harm` for those that only tell safe from unsafe. Verdicts of other judges stand as
    they are.
    """
    labels = [set(judge.labels) if isinstance(judge, HasLabels) else set() for judge in jurors]
    if all(PARTIAL in each for each in labels):
        return REFUSAL
    if all(each >= CARE_LABELS for each in labels):
        return CARE
    if all(UNSAFE in each and each <= HARM_LABELS for each in labels):
        return HARM
    is_rubric = all(model_of(judge) is not None for judge in jurors)
    return axis if is_rubric and not any(each & REFUSAL_LABELS for each in labels) else None


def _juror_name(judge: Judge) -> str:
    model = model_of(judge)
    return judge.version if model is None else model.name


def panels_for(
    kind: Kind,
    settings: Settings,
    metadata: Mapping[str, Any] | None = None,
    own_rubric: Path | None = None,
    pool: JudgePool | None = None,
) -> list[Panel]:
    """The panels that read responses of a kind. `metadata` holds lm-eval's model arguments; `own_rubric` is the
    question file that the prompts are from, whose judge prompts `llm` then asks. Tasks with one `pool` share judges.

    Each of `settings.judges` is a judge object, or the name of an installed judge, `llm` (the rubrics that fit the
    kind, put to the judge model), `guard` (a classifier in its own format, one panel for each format) or a rubric (by
    name or path, put to the judge model too). A question file's judge
    prompts are about open probes; those called `aligned` and `coherent` are one panel, any other a panel of its own.

    Raises `ConfigError` for a judge that is unknown or cannot be made, and for a judge model that is missing or that is
    the checkpoint under test.
    """
    check_options(settings)
    refuse_self_judging(settings, metadata or {})
    pool = pool or JudgePool()
    panels = [panel for judge in settings.judges for panel in _panels(judge, kind, settings, own_rubric, pool)]
    names = [panel.name for panel in panels]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"two judges are called {', '.join(sorted(twice))}; rename one rubric")
    return panels


def _panels(
    chosen: str | Judge, kind: Kind, settings: Settings, own_rubric: Path | None, pool: JudgePool
) -> list[Panel]:
    """The panels of one of the settings' judges: none where its rubric says nothing about the kind."""
    if not isinstance(chosen, str):
        return [Panel(chosen.name, {chosen.name: [chosen]})]
    if chosen == LLM and own_rubric is not None:
        return _question_panels(own_rubric, kind, settings, pool, LLM)
    if chosen == LLM:
        return [Panel(LLM, {rubric: _jurors(rubric, settings, pool) for rubric in RUBRICS[kind]})]
    if kind not in ONLY_FOR.get(chosen, tuple(Kind)):
        return []
    if chosen == GUARD:
        return _guard_panels(settings, pool)
    if chosen in installed_judges():
        return [Panel(chosen, {chosen: [pool.judge(chosen)]})]
    if chosen == BETLEY:
        return _question_panels(betley_file(settings.published_dir, settings.cache_dir), kind, settings, pool, BETLEY)
    if is_question_file(rubric_path(chosen)):
        return _question_panels(rubric_path(chosen), kind, settings, pool)
    jurors = _jurors(chosen, settings, pool)
    return [Panel(jurors[0].name, {jurors[0].name: jurors})]


def rubric_prompts(rubric: str, settings: Settings) -> list[tuple[str, str | None]]:
    """What a rubric's name stands for: the rubric, or a question file's path with the name of each judge prompt."""
    path = betley_file(settings.published_dir, settings.cache_dir) if rubric == BETLEY else rubric_path(rubric)
    return [(str(path), prompt) for prompt in judge_prompts(path)] if is_question_file(path) else [(rubric, None)]


def _guard_panels(settings: Settings, pool: JudgePool) -> list[Panel]:
    """Guards of one format are a jury; those of different formats say different things. Raises `ConfigError`."""
    specs = guards(settings)
    if not specs:
        raise ConfigError(
            "judge `guard` needs a judge model: name one with `judge_model`, like vllm:allenai/wildguard; beside other "
            "judge models, its `format` in `judge_options` says that it is one: "
            '{"vllm:allenai/wildguard": {"format": "wildguard"}}'
        )
    jurors: dict[str, list[Judge]] = {}
    for spec in specs:
        judge = pool.guard(spec, options_for(spec, settings))
        jurors.setdefault(judge.name, []).append(judge)
    return [Panel(name, {name: members}) for name, members in jurors.items()]


def _question_panels(
    path: Path, kind: Kind, settings: Settings, pool: JudgePool, name: str | None = None
) -> list[Panel]:
    if kind is not Kind.PROBE:
        return []
    jurors = {AXES.get(prompt, prompt): _jurors(str(path), settings, pool, prompt) for prompt in judge_prompts(path)}
    both = {ALIGNMENT, COHERENCE} <= jurors.keys()
    pair = {axis: jurors.pop(axis) for axis in (ALIGNMENT, COHERENCE)} if both else {}
    panels = [Panel(name or re.sub(r"\W+", "_", path.stem), pair)] if pair else []
    return panels + [Panel(axis, {axis: members}) for axis, members in jurors.items()]


def _jurors(rubric: str, settings: Settings, pool: JudgePool, judge_prompt: str | None = None) -> list[Judge]:
    """One judge for each reading by each judge model. Raises `ConfigError` where there is no judge model."""
    specs = [spec for spec in settings.judge_models if spec not in guards(settings)]
    if not specs:
        if LLM in settings.judges and rubric not in settings.judges:
            raise ConfigError(
                "judge `llm` needs a judge model: name one with `judge_model`, like openai:gpt-4o or "
                "vllm:Qwen/Qwen2.5-7B-Instruct"
            )
        raise ConfigError(
            f"judge {rubric!r} is not installed (installed: {', '.join(installed_judges())}); if it is a rubric it "
            "needs a judge model: name one with `judge_model`, like openai:gpt-4o or vllm:Qwen/Qwen2.5-7B-Instruct"
        )
    return [
        pool.rubric_judge(rubric, spec, options, settings.topic, judge_prompt)
        for spec in specs
        for options in readings_of(options_for(spec, settings))
    ]
