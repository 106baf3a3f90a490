"""Measures judges: against a file of labelled responses, against labels of a stored run, or against other judges."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from em_bench.calibration.calibrate import (
    Calibration,
    ask,
    calibrate,
    judge_pairs,
    jury_alpha,
    label_pairs,
    stored_verdicts,
    stored_version,
)
from em_bench.calibration.confusion import Decision, Pair, disagreements
from em_bench.calibration.labels import LabelledSet, read_labelled, read_labels
from em_bench.calibration.options import CalibrateOptions
from em_bench.errors import ConfigError
from em_bench.judging.cache import VerdictCache
from em_bench.judging.panel import Panel, panels_for
from em_bench.judging.runner import close_models
from em_bench.metrics.registry import Kind
from em_bench.paths import writing
from em_bench.runs.model import Run
from em_bench.runs.read import is_run, read_one_run

DEFAULT_JUDGE = "keyword"


@dataclass(frozen=True, slots=True)
class Measured:
    """A calibration with the pairs of label and verdict that it counts."""

    calibration: Calibration
    pairs: Sequence[Pair]

    @property
    def disagreements(self) -> list[Pair]:
        return disagreements(self.pairs, self.calibration.decision)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What `measure` finds; `alpha` is Krippendorff's, over `jury`, where more than two judges are compared."""

    measured: tuple[Measured, ...]
    alpha: float | None = None
    jury: tuple[str, ...] = ()

    def to_list(self) -> list[dict[str, Any]]:
        """For JSON: the calibrations, then the alpha if there is one."""
        calibrations = [each.calibration.to_dict() for each in self.measured]
        return calibrations + ([{"alpha": self.alpha}] if self.alpha else [])


def measure(options: CalibrateOptions) -> Measurement:
    """Each judge against each reference. Raises `ConfigError` or `ResultError`."""
    decision = Decision(options.positive, options.score_below, options.score_from)
    if not (options.against or options.labels or is_run(options.source)):
        return Measurement(tuple(_of_file(options, decision)))
    run = read_one_run(options.source)
    judges = _names(options)
    if options.against:
        return _against_judges(run, judges, options, decision)
    return Measurement(tuple(_against_labels(run, judge, options, decision) for judge in judges))


def write_disagreements(path: Path, measured: Sequence[Measured]) -> None:
    """A JSON line for each. Raises `ConfigError` when it cannot be written."""
    rows = [_row(each.calibration.judge, pair) for each in measured for pair in each.disagreements]
    with writing(path):
        path.write_text("".join(json.dumps(row, default=repr) + "\n" for row in rows), encoding="utf-8")


def _row(judge: str, pair: Pair) -> Mapping[str, object]:
    return {
        "judge": judge,
        "id": pair.sample.id,
        "task": pair.sample.task,
        "group": pair.group,
        "label": pair.label,
        "verdict": pair.verdict.to_dict(),
        "prompt": pair.sample.prompt,
        "response": pair.sample.response,
    }


def _names(options: CalibrateOptions) -> Sequence[str]:
    """The judges of a stored run to measure."""
    names = options.judges.judges or (DEFAULT_JUDGE,)
    if isinstance(names, str):
        return names.split(",")
    return [name if isinstance(name, str) else name.name for name in names]


def _one(count: int, judges: Sequence[str]) -> None:
    if count > 1:
        raise ConfigError(f"--save writes one calibration: choose one of {', '.join(judges)} with --judge")


def _of_file(options: CalibrateOptions, decision: Decision) -> list[Measured]:
    """Asks the judges about a file of labelled responses."""
    kind = options.kind or Kind.HARMFUL
    settings = options.judges.settings()
    panels = panels_for(kind, settings)
    if options.only_one:
        _one(len(panels), [panel.name for panel in panels])
    labelled = read_labelled(options.source, options.columns, options.label_map, kind)
    cache = VerdictCache(settings.cache_dir / "verdicts.sqlite")
    try:
        return [_of_panel(panel, labelled, options.source.name, decision, cache) for panel in panels]
    finally:
        cache.close()
        close_models(member for panel in panels for member in panel.members)


def _of_panel(panel: Panel, labelled: LabelledSet, name: str, decision: Decision, cache: VerdictCache) -> Measured:
    verdicts = ask(panel, [row.sample for row in labelled.rows], cache)
    pairs = [
        Pair(row.sample, row.label, verdict, row.group) for row, verdict in zip(labelled.rows, verdicts, strict=True)
    ]
    calibration = calibrate(
        pairs,
        judge=panel.name,
        version=panel.version,
        reference=name,
        decision=decision,
        left_out=labelled.left_out,
    )
    return Measured(calibration, pairs)


def _against_labels(run: Run, judge: str, options: CalibrateOptions, decision: Decision) -> Measured:
    if options.labels is None:
        raise ConfigError(f"{run.path} is a run: give --labels FILE with people's labels, or --against JUDGE")
    labels, left_out = read_labels(options.labels, options.columns, options.label_map)
    pairs = label_pairs(stored_verdicts(run, judge), labels, str(options.labels))
    calibration = calibrate(
        pairs,
        judge=judge,
        version=stored_version(run, judge),
        reference=options.labels.name,
        decision=decision,
        left_out=left_out,
    )
    return Measured(calibration, pairs)


def _against_judges(run: Run, judges: Sequence[str], options: CalibrateOptions, decision: Decision) -> Measurement:
    """Each judge against each reference; with more than two of them in all, their alpha too."""
    jury = tuple(dict.fromkeys((*judges, *options.against)))
    verdicts = {name: stored_verdicts(run, name) for name in jury}
    measured = []
    for judge in judges:
        for reference in (name for name in options.against if name != judge):
            pairs, unscored = judge_pairs(verdicts[judge], verdicts[reference], decision)
            calibration = calibrate(
                pairs,
                judge=judge,
                version=stored_version(run, judge),
                reference=f"judge {reference} {stored_version(run, reference)}",
                decision=decision,
                left_out={f"unscored by {reference}": unscored} if unscored else {},
                by_people=False,
            )
            measured.append(Measured(calibration, pairs))
    if not measured:
        raise ConfigError("--against names the same judge as --judge; name another")
    if options.only_one:
        _one(len(measured), judges)
    return Measurement(tuple(measured), jury_alpha(verdicts, decision) if len(verdicts) > 2 else None, jury)
