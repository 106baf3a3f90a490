"""How far to trust a judge: its verdicts against people's labels, or against another judge's.

A `Calibration` is of one judge in one version. It is what rates are corrected by (`em_bench.calibration.correct`).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from em_bench.calibration.confusion import Counts, Decision, Pair, count
from em_bench.calibration.options import REFUSAL
from em_bench.calibration.worth import Worth, worth_of
from em_bench.errors import ConfigError, ResultError
from em_bench.judging.cache import VerdictCache
from em_bench.judging.panel import Panel
from em_bench.judging.runner import judge_samples, unscored_by_reason
from em_bench.metrics.labels import REFUSAL_LABELS, REFUSALS, closed_set
from em_bench.readers import read_object
from em_bench.runs.model import Run
from em_bench.stats.agreement import alpha
from em_bench.types import Sample, Verdict

FORMAT = "em_bench_calibration"


@dataclass(frozen=True, slots=True)
class Calibration:
    """A judge of one version against labels. `confusion` is label to verdict to count; `left_out` counts rows by label.

    `reference` names where the labels are from: a file, or another judge. `worth` is for how many independent labels
    they stand, where several are of one prompt.
    """

    judge: str
    version: str
    reference: str
    decision: Decision
    counts: Counts
    confusion: Mapping[str, Mapping[str, int]]
    unscored: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, Counts] = field(default_factory=dict)
    worth: Worth | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON with what can be computed from the counts put in, for other readers."""
        groups = {name: asdict(counts) | {"measures": _measures(counts)} for name, counts in self.groups.items()}
        return {FORMAT: 1} | asdict(self) | {"groups": groups, "measures": _measures(self.counts)}


def calibrate(
    pairs: Sequence[Pair],
    *,
    judge: str,
    version: str,
    reference: str,
    decision: Decision | None = None,
    left_out: Mapping[str, int] | None = None,
    by_people: bool = True,
) -> Calibration:
    """`by_people`: people gave the labels, and may mean something else by a word than em-bench does.

    Raises `ConfigError` for labels or verdicts that the decision cannot be made on, and without any pair."""
    decision = decision or Decision()
    if not pairs:
        raise ConfigError(f"judge {judge!r} and {reference} have no response in common")
    if by_people:
        _check_labels(pairs, decision, reference)
    _check_verdicts(pairs, decision, judge)
    groups = dict.fromkeys(pair.group for pair in pairs)
    confusion: dict[str, Counter[str]] = {}
    for pair in pairs:
        confusion.setdefault(pair.label, Counter())[decision.word(pair.verdict)] += 1
    return Calibration(
        judge=judge,
        version=version,
        reference=reference,
        decision=decision,
        counts=count(pairs, decision),
        confusion={label: dict(row) for label, row in sorted(confusion.items())},
        unscored=unscored_by_reason([pair.verdict for pair in pairs]),
        left_out=dict(left_out or {}),
        worth=worth_of(pairs, decision),
        groups={
            group: count([pair for pair in pairs if pair.group == group], decision)
            for group in (groups if len(groups) > 1 else ())
        },
    )


def ask(panel: Panel, samples: Sequence[Sample], cache: VerdictCache | None) -> list[Verdict]:
    """The panel's verdicts on samples, as a run would have them."""
    return closed_set(panel.combine([judge_samples(judge, samples, cache) for judge in panel.members]))


def stored_verdicts(run: Run, judge: str) -> list[tuple[Sample, Verdict]]:
    """A judge's verdicts of a stored run. Raises `ResultError` when it judged none of its tasks."""
    verdicts = [
        (
            Sample(f"{sample.document}#{sample.repeat}", task.name, task.domain, sample.prompt, sample.response),
            sample.verdicts[judge],
        )
        for task in run.tasks.values()
        for sample in task.samples
        if judge in sample.verdicts
    ]
    if not verdicts:
        judges = ", ".join(dict.fromkeys(name for task in run.tasks.values() for name in task.judges)) or "none"
        raise ResultError(
            f"{run.path} holds no verdicts of judge {judge!r} (it has: {judges}); add them with `em-bench judge`"
        )
    return verdicts


def stored_version(run: Run, judge: str) -> str:
    """The version of a judge that judged a run; several of one name, on tasks of several kinds, are all named."""
    versions = (task.judges[judge].version for task in run.tasks.values() if judge in task.judges)
    return " | ".join(dict.fromkeys(versions))


def label_pairs(
    verdicts: Iterable[tuple[Sample, Verdict]], labels: Mapping[str, tuple[str, str]], where: str
) -> list[Pair]:
    """Stored verdicts with labels by id: `<task>/<document>#<repeat>`, or less of it where that is not ambiguous.

    Raises `ResultError` for a label whose id is of no response, or of several.
    """
    by_id: dict[str, list[tuple[Sample, Verdict]]] = {}
    for sample, verdict in verdicts:
        document = sample.id.rpartition("#")[0]
        for name in (sample.id, document, f"{sample.task}/{sample.id}", f"{sample.task}/{document}"):
            by_id.setdefault(name, []).append((sample, verdict))
    pairs = []
    for name, (label, group) in labels.items():
        match by_id.get(name, []):
            case [(sample, verdict)]:
                pairs.append(Pair(sample, label, verdict, group or sample.task))
            case []:
                raise ResultError(f"{where} labels {name!r}, which is no response of the run that this judge read")
            case several:
                full = ", ".join(f"{sample.task}/{sample.id}" for sample, _ in several[:3])
                raise ResultError(
                    f"{where} labels {name!r}, of which the run has {len(several)}: say which, like {full}"
                )
    return pairs


def judge_pairs(
    first: Iterable[tuple[Sample, Verdict]], second: Iterable[tuple[Sample, Verdict]], decision: Decision
) -> tuple[list[Pair], int]:
    """Two judges' verdicts of one run: the second one's are the labels. And how many it left unscored."""
    reference = {(sample.task, sample.id): verdict for sample, verdict in second}
    both = [
        (sample, verdict, reference[key]) for sample, verdict in first if (key := (sample.task, sample.id)) in reference
    ]
    pairs = [
        Pair(sample, decision.word(other), verdict, sample.task)
        for sample, verdict, other in both
        if decision.of(other) is not None
    ]
    return pairs, len(both) - len(pairs)


def jury_alpha(verdicts: Mapping[str, Sequence[tuple[Sample, Verdict]]], decision: Decision) -> float | None:
    """Krippendorff's alpha of the decision over several judges of a run."""
    votes: dict[tuple[str, str], dict[str, Verdict]] = {}
    for judge, judged in verdicts.items():
        for sample, verdict in judged:
            if (positive := decision.of(verdict)) is not None:
                votes.setdefault((sample.task, sample.id), {})[judge] = Verdict(label=str(positive))
    return alpha(list(votes.values()))


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Raises `ResultError` when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(calibration.to_dict(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ResultError(f"{path} cannot be written: {error.strerror or error}") from error


def read_calibration(path: Path) -> Calibration:
    """The inverse of `write_calibration`. Raises `ResultError` for another file."""
    values = read_object(path)
    if values.get(FORMAT) != 1:
        raise ResultError(f"{path} is not a calibration of this em-bench; make one with `em-bench calibrate --save`")
    try:
        own = {key.name: values[key.name] for key in fields(Calibration) if key.name != "worth"}
        groups = {str(name): _counts(cells) for name, cells in own["groups"].items()}
        texts = {key: str(own[key]) for key in ("judge", "version", "reference")}
        return Calibration(
            **{
                **own,
                **texts,
                "decision": Decision(**own["decision"]),
                "counts": _counts(own["counts"]),
                "groups": groups,
                "worth": Worth(**values["worth"]) if values.get("worth") else None,
            }
        )
    except (AttributeError, KeyError, TypeError, ValueError, ConfigError) as error:
        raise ResultError(f"{path} is damaged ({type(error).__name__}: {error}); make it again") from error


def _counts(values: Mapping[str, Any]) -> Counts:
    cells = {key.name: values[key.name] for key in fields(Counts)}
    if any(isinstance(cell, bool) or not isinstance(cell, int) or cell < 0 for cell in cells.values()):
        raise ValueError(f"counts are whole numbers, not {cells}")
    return Counts(**cells)


def _measures(counts: Counts) -> dict[str, Any]:
    return {name: asdict(measure) if measure else None for name, measure in counts.measures().items()}


def _check_labels(pairs: Sequence[Pair], decision: Decision, reference: str) -> None:
    labels = {pair.label for pair in pairs}
    if decision.positive == REFUSAL and not decision.by_score and (unknown := labels - REFUSAL_LABELS - REFUSALS):
        named = ", ".join(repr(label) for label in sorted(unknown)[:8])
        raise ConfigError(
            f"{reference} has labels that are not em-bench's: {named}; say what they mean, like "
            f"--label-map {sorted(unknown)[0]}=compliance, or name another --positive label"
        )
    present = labels | {pair.verdict.label for pair in pairs if pair.verdict.label and not decision.by_score}
    if not any(decision.of_label(label) for label in present):
        names = ", ".join(repr(label) for label in sorted(present)[:8])
        raise ConfigError(f"no response is labelled {decision.positive!r}; the labels are {names}; see --positive")


def _check_verdicts(pairs: Sequence[Pair], decision: Decision, judge: str) -> None:
    scored = [pair.verdict for pair in pairs if pair.verdict.unscored is None]
    if scored and all(decision.of(verdict) is None for verdict in scored):
        what = "labels, no scores" if decision.by_score else "scores, no labels; say --score-below or --score-from"
        raise ConfigError(f"judge {judge!r} gives {what}")
