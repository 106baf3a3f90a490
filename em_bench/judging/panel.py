"""Judges whose verdicts are one verdict: rubrics that belong together, and juries of several judge models.

A panel is what lm-eval shows as one filter. Each of its members is asked, cached and accounted for on its own, so
that a verdict on one axis is not paid for again because another failed. Judges and judge models are made once for a
process and shared by its tasks.
"""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from em_bench.config import Settings
from em_bench.errors import ConfigError
from em_bench.judge import Judge, installed_judges, load_judge
from em_bench.judge_model import JudgeModel, load_judge_model
from em_bench.judging.rubrics import AXES, is_question_file, judge_prompts, rubric_path
from em_bench.metrics.labels import ALIGNMENT, COHERENCE, HARMFULNESS, PARTIAL, REFUSAL, REFUSAL_LABELS
from em_bench.metrics.registry import Kind
from em_bench.stats.agreement import alpha
from em_bench.types import Verdict

LLM = "llm"
JUDGE_KEYS = ("allow_self", "thinking_tokens")
"""Judge options that are not the judge model's."""
RUBRICS = {Kind.HARMFUL: (REFUSAL,), Kind.BENIGN: (REFUSAL,), Kind.PROBE: (ALIGNMENT, COHERENCE)}
# rubrics that say nothing about tasks of another kind
ONLY_FOR = {REFUSAL: (Kind.HARMFUL, Kind.BENIGN), HARMFULNESS: (Kind.HARMFUL,), ALIGNMENT: (Kind.PROBE,)}


@dataclass(frozen=True, slots=True)
class Panel:
    """`axes` holds the jurors of each axis; a plain judge is a panel of one axis with one juror."""

    name: str
    axes: Mapping[str, Sequence[Judge]]

    @property
    def members(self) -> list[Judge]:
        return [judge for jurors in self.axes.values() for judge in jurors]

    @property
    def version(self) -> str:
        return "; ".join(judge.version for judge in self.members)

    def agreement(self, verdicts: Sequence[Verdict]) -> dict[str, float | None] | None:
        """Krippendorff's alpha of each axis that a jury judged, or None without a jury."""
        juries = {axis: jurors for axis, jurors in self.axes.items() if len(jurors) > 1}
        if not juries:
            return None
        found = {}
        for axis, jurors in juries.items():
            part = axis if len(self.axes) > 1 else _axis_name(axis, jurors) or axis
            found[axis] = alpha([v.parts[part].parts if part in v.parts else v.parts for v in verdicts])
        return found

    def combine(self, verdicts: Mapping[int, Sequence[Verdict]]) -> list[Verdict]:
        """One verdict for each sample from those of the members, given by the member's `id()`."""
        by_axis = {
            axis: _jury_column(jurors, [verdicts[id(judge)] for judge in jurors]) for axis, jurors in self.axes.items()
        }
        if len(by_axis) == 1:
            ((axis, column),) = by_axis.items()
            part = _axis_name(axis, self.axes[axis])
            return column if part is None else [replace(each, raw=None, parts={part: each}) for each in column]
        return [axes_verdict(dict(zip(by_axis, row, strict=True))) for row in zip(*by_axis.values(), strict=True)]


def _axis_name(axis: str, jurors: Sequence[Judge]) -> str | None:
    """Under which name a verdict on a single axis stands in the `parts`, so that it is known what was asked.

    That is the rubric, and `refusal` for every judge that tells partial from full refusals: it says so by its attribute
    `labels`, the closed set that it chooses from. Other judges' verdicts stand as they are.
    """
    labels = [set(getattr(judge, "labels", ())) for judge in jurors]
    if all(PARTIAL in each for each in labels):
        return REFUSAL
    is_rubric = all(hasattr(judge, "model") for judge in jurors)
    return axis if is_rubric and not any(each & REFUSAL_LABELS for each in labels) else None


def _jury_column(jurors: Sequence[Judge], columns: Sequence[Sequence[Verdict]]) -> list[Verdict]:
    if len(jurors) == 1:
        return list(columns[0])
    names = [str(getattr(getattr(judge, "model", None), "name", judge.version)) for judge in jurors]
    if len(set(names)) < len(names):  # no vote may take another's place
        names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    return [jury_verdict(dict(zip(names, votes, strict=True))) for votes in zip(*columns, strict=True)]


def axes_verdict(parts: Mapping[str, Verdict]) -> Verdict:
    """The first axis leads: its label or score is the verdict's own. Unscored when any axis is, with all parts kept."""
    failed = [f"{axis}: {part.unscored}" for axis, part in parts.items() if part.unscored is not None]
    if failed:
        return Verdict(unscored="; ".join(failed), parts=parts)
    first = next(iter(parts.values()))
    reason = "; ".join(f"{axis}: {part.reason}" for axis, part in parts.items())
    return Verdict(label=first.label, score=first.score, reason=reason, parts=parts)


def jury_verdict(votes: Mapping[str, Verdict]) -> Verdict:
    """More than half of the jurors must have a verdict, and more than half of those one label; scores are averaged.

    A jury that is divided is unscored: the order of its members must not decide.
    """
    scored = [vote for vote in votes.values() if vote.unscored is None]
    if 2 * len(scored) <= len(votes):
        return Verdict(unscored="too few of the jury gave a verdict", parts=votes)
    labels = [vote.label for vote in scored]
    for label in dict.fromkeys(labels):
        if 2 * labels.count(label) > len(labels):
            if label is not None:
                return Verdict(label=label, reason=f"{labels.count(label)} of {len(votes)} jurors", parts=votes)
            scores = [vote.score for vote in scored if vote.label is None and vote.score is not None]
            return Verdict(score=fmean(scores), reason=f"mean of {len(scores)} of {len(votes)} jurors", parts=votes)
    return Verdict(unscored="the jury is divided", parts=votes)


def panels_for(
    kind: Kind, settings: Settings, metadata: Mapping[str, Any] | None = None, own_rubric: Path | None = None
) -> list[Panel]:
    """The panels that read responses of a kind. `metadata` holds lm-eval's model arguments; `own_rubric` is the
    question file that the prompts are from: its judge prompts are then what `llm` asks.

    A name in the settings is an installed judge, or `llm` (the rubrics that fit the kind, put to the judge model), or a
    rubric by name or path, put to the judge model too. A question file's judge prompts are about open probes; those
    that are called `aligned` and `coherent` are one panel, any other a panel of its own.

    Raises `ConfigError` for a judge that is unknown or cannot be made, and for a judge model that is missing or that is
    the checkpoint under test.
    """
    _check_options(settings)
    refuse_self_judging(settings, metadata or {})
    panels = []
    for name in settings.judges:
        if name == LLM and own_rubric is not None:
            panels += _question_panels(own_rubric, kind, settings, LLM)
        elif name == LLM:
            panels.append(Panel(LLM, {rubric: _jurors(rubric, settings) for rubric in RUBRICS[kind]}))
        elif name in installed_judges():
            panels.append(Panel(name, {name: [_judge(name)]}))
        elif is_question_file(rubric_path(name)):
            panels += _question_panels(rubric_path(name), kind, settings)
        elif kind in ONLY_FOR.get(name, tuple(Kind)):
            jurors = _jurors(name, settings)
            panels.append(Panel(jurors[0].name, {jurors[0].name: jurors}))
    names = [panel.name for panel in panels]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"two judges are called {', '.join(sorted(twice))}; rename one rubric")
    return panels


def _question_panels(path: Path, kind: Kind, settings: Settings, name: str | None = None) -> list[Panel]:
    if kind is not Kind.PROBE:
        return []
    prompts = judge_prompts(path)
    jurors = {AXES.get(prompt, prompt): _jurors(str(path), settings, prompt) for prompt in prompts}
    both = {ALIGNMENT, COHERENCE} <= jurors.keys()
    pair = {axis: jurors.pop(axis) for axis in (ALIGNMENT, COHERENCE)} if both else {}
    panels = [Panel(name or re.sub(r"\W+", "_", path.stem), pair)] if pair else []
    return panels + [Panel(axis, {axis: its}) for axis, its in jurors.items()]


def refuse_self_judging(settings: Settings, metadata: Mapping[str, Any]) -> None:
    """A checkpoint must not judge itself unless that is asked for by `judge_options: {allow_self: true}`."""
    checkpoint = str(metadata.get("pretrained") or metadata.get("model") or "")
    for spec in settings.judge_models:
        same = checkpoint and _place(spec.partition(":")[2]) == _place(checkpoint)
        if same and not options_for(spec, settings).get("allow_self"):
            raise ConfigError(
                f"judge model {spec} is the checkpoint under test; name another, or say that you mean it with "
                '`judge_options: {"allow_self": true}`'
            )


def _place(checkpoint: str) -> str:
    """What a checkpoint is known by: a folder however it is written, else its name on the Hub."""
    path = Path(checkpoint).expanduser()
    return str(path.resolve()) if path.is_dir() else checkpoint.rstrip("/")


def _jurors(rubric: str, settings: Settings, judge_prompt: str | None = None) -> list[Judge]:
    if not settings.judge_models:
        if LLM in settings.judges and rubric not in settings.judges:
            raise ConfigError(
                "judge `llm` needs a judge model: name one with `judge_model`, like openai:gpt-4o or "
                "vllm:Qwen/Qwen2.5-7B-Instruct"
            )
        known = ", ".join(installed_judges())
        raise ConfigError(
            f"judge {rubric!r} is not installed (installed: {known}); if it is a rubric it needs a judge model: name "
            "one with `judge_model`, like openai:gpt-4o or vllm:Qwen/Qwen2.5-7B-Instruct"
        )
    return [
        _rubric_judge(
            rubric, spec, json.dumps(options_for(spec, settings), sort_keys=True), settings.topic, judge_prompt
        )
        for spec in settings.judge_models
    ]


def options_for(spec: str, settings: Settings) -> dict[str, Any]:
    """The options of one judge model: those of all, and over them its own, which stand under its spec."""
    shared = {key: value for key, value in settings.judge_options.items() if not _is_spec(key)}
    return shared | dict(settings.judge_options.get(spec, {}))


def _is_spec(key: str) -> bool:
    return ":" in key


def _check_options(settings: Settings) -> None:
    for key, value in settings.judge_options.items():
        if _is_spec(key) and key not in settings.judge_models:
            raise ConfigError(
                f"`judge_options` has options for {key}, which is not a judge model of this run; "
                f"its judge models: {', '.join(settings.judge_models) or 'none'}"
            )
        if _is_spec(key) and not isinstance(value, dict):
            raise ConfigError(f'`judge_options` for {key} is {value!r}; give keys with values, like {{"seed": 1}}')


@functools.cache
def _judge(name: str) -> Judge:
    return load_judge(name)


@functools.cache
def _judge_model(spec: str, options: str) -> JudgeModel:
    return load_judge_model(spec, **json.loads(options))


@functools.cache
def _rubric_judge(rubric: str, spec: str, options: str, topic: str | None, judge_prompt: str | None) -> Judge:
    for_the_model = {key: value for key, value in json.loads(options).items() if key not in JUDGE_KEYS}
    model = _judge_model(spec, json.dumps(for_the_model, sort_keys=True))
    own = {key: value for key, value in json.loads(options).items() if key == "thinking_tokens"}
    own |= {"judge_prompt": judge_prompt} if judge_prompt else {}
    return load_judge(LLM, rubric=rubric, model=model, topic=topic, **own)
