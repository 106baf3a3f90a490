"""Anchors: responses frozen with a judge's verdicts and judged again later, to detect a judge that drifts.

A judge model can change behind a name that stays. `freeze_anchors` picks responses spread over a judge's labels (or
its scale) and over tasks; `check_anchors` runs the same judge again, never the verdict cache, and reports whether it
still judges as it did: `steady`, `drifted`, or `inconclusive` where the anchors are too few to tell.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from em_bench.errors import ResultError
from em_bench.judge import Judge, join_versions
from em_bench.judging.runner import judge_samples, unscored_by_reason
from em_bench.readers import json_lines, read_text
from em_bench.stats.intervals import SEED, Rate, binary_rate
from em_bench.stats.paired import paired_difference
from em_bench.types import Sample, Verdict

FLIPS = 0.1
"""The largest share of labels that may differ: judge models are not deterministic, and borderline cases flip."""
SHIFT = 0.05
"""The largest shift of the mean score, as a share of the scale that the anchors span."""
UNSCORED = 0.05
LEVEL = 0.05
BINS = 4


class Status(StrEnum):
    STEADY = "steady"
    DRIFTED = "drifted"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A response with the verdict of the judge `judge` in `version`."""

    judge: str
    version: str
    sample: Sample
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Shift:
    """The mean change of the score (now minus frozen) with its 95 % interval and p, by the paired t test.

    `span` is the range of the frozen scores.
    """

    value: float
    low: float
    high: float
    p: float
    n: int
    span: float


@dataclass(frozen=True, slots=True)
class AnchorReport:
    """The result of judging anchors again. `flips` is the share of anchors whose label (or word) changed, `turned`
    counts each change, and `p` is that of the label that moved most (McNemar's score test, Bonferroni over labels).
    """

    judge: str
    version: str
    frozen_versions: tuple[str, ...]
    status: Status
    flips: Rate | None
    turned: Mapping[str, int] = field(default_factory=dict)
    p: float | None = None
    shift: Shift | None = None
    unscored: Mapping[str, int] = field(default_factory=dict)

    @property
    def same_version(self) -> bool:
        return self.frozen_versions == (self.version,)

    def to_dict(self) -> dict[str, Any]:
        """As results hold it: the frozen versions are one text."""
        fields = {
            "judge": self.judge,
            "version": self.version,
            "frozen_version": join_versions(self.frozen_versions),
            "status": str(self.status),
        }
        return fields | {
            name: value for name, value in asdict(self).items() if name not in (*fields, "frozen_versions")
        }

    def __str__(self) -> str:
        """The report in one line."""
        parts = []
        if self.flips is not None and self.flips.value is not None:
            turned = ", ".join(f"{way} {count}" for way, count in self.turned.items())
            hits = round(self.flips.value * self.flips.n)
            parts.append(f"{hits} of {self.flips.n} labels differ{f' ({turned})' if turned else ''}")
        if self.p is not None:
            parts.append(f"p = {self.p:.3g}")
        if self.shift is not None:
            low, high = self.shift.low, self.shift.high
            parts.append(f"mean score {self.shift.value:+.2f} ({low:+.2f} to {high:+.2f}), p = {self.shift.p:.3g}")
        if self.unscored:
            parts.append(f"{sum(self.unscored.values())} unscored")
        return f"judge {self.judge} {self.status}: {'; '.join(parts)}"


def freeze_anchors(
    judge: Judge, samples: Sequence[Sample], verdicts: Sequence[Verdict], count: int, seed: int = SEED
) -> list[Anchor]:
    """At most `count` anchors, spread evenly over labels (or parts of the scale) and over tasks.

    The same input and seed give the same anchors. Unscored verdicts and equal responses are left out.
    """
    order = np.random.default_rng(seed).permutation(len(samples))
    strata: dict[str, dict[str, list[int]]] = {}
    seen: set[tuple[str, str]] = set()
    edges = _edges(verdicts)
    for index in map(int, order):
        sample, verdict = samples[index], verdicts[index]
        if verdict.unscored is None and (sample.prompt, sample.response) not in seen:
            seen.add((sample.prompt, sample.response))
            strata.setdefault(_stratum(verdict, edges), {}).setdefault(sample.task, []).append(index)
    by_stratum = [_in_turn(list(tasks.values())) for _, tasks in sorted(strata.items())]
    chosen = sorted(_in_turn(by_stratum)[:count])
    return [Anchor(judge.name, judge.version, samples[index], _bare(verdicts[index])) for index in chosen]


def some_of(samples: Sequence[Sample], count: int, seed: int = SEED) -> list[Sample]:
    """At most `count` samples, drawn without replacement, in their order."""
    chosen = np.random.default_rng(seed).permutation(len(samples))[:count]
    return [samples[index] for index in sorted(map(int, chosen))]


def check_anchors(judge: Judge, anchors: Sequence[Anchor]) -> AnchorReport:
    """Judges the anchors again. Never raises for what a judge does: unscored samples are counted."""
    verdicts = judge_samples(judge, [anchor.sample for anchor in anchors])
    unscored = unscored_by_reason(verdicts)
    pairs = [(anchor.verdict, now) for anchor, now in zip(anchors, verdicts, strict=True) if now.unscored is None]
    ways = Counter((_word(then), _word(now)) for then, now in pairs)
    turned = {f"{then} -> {now}": count for (then, now), count in ways.most_common() if then != now}
    words = {word for way in ways for word in way}
    flips = binary_rate([_word(then) != _word(now) for then, now in pairs])
    p = _most_moved(ways, words) if words else None
    shift = _shift([anchor.verdict for anchor in anchors], pairs)
    enough = bool(pairs) and sum(unscored.values()) <= UNSCORED * len(anchors)
    versions = tuple(dict.fromkeys(anchor.version for anchor in anchors))
    return AnchorReport(
        judge.name, judge.version, versions, _status(flips, p, shift, enough), flips, turned, p, shift, unscored
    )


def anchors_of(judge: Judge, anchors: Iterable[Anchor]) -> list[Anchor]:
    """A judge's anchors: those of its version, else those of its name alone, which a changed judge has."""
    named = [anchor for anchor in anchors if anchor.judge == judge.name]
    return [anchor for anchor in named if anchor.version == judge.version] or named


def write_anchors(anchors: Sequence[Anchor], path: Path) -> None:
    """A JSON line for each anchor. Raises `ResultError` when it cannot be written."""
    lines = [
        {
            "judge": anchor.judge,
            "version": anchor.version,
            "sample": asdict(anchor.sample),
            "verdict": anchor.verdict.to_dict(),
        }
        for anchor in anchors
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line, default=repr) + "\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise ResultError(f"{path} cannot be written: {error.strerror or error}") from error


def read_anchors(path: Path) -> list[Anchor]:
    """The inverse of `write_anchors`; files may be concatenated. Raises `ResultError` (file, line, what is wrong)."""
    anchors = []
    for where, row in json_lines(read_text(path), str(path)):
        try:
            sample, verdict = Sample(**row["sample"]), Verdict.from_dict(row["verdict"])
            texts = (row["judge"], row["version"], sample.id, sample.task, sample.prompt, sample.response)
            if verdict.unscored is not None or not all(isinstance(text, str) for text in texts):
                raise ValueError("an anchor has texts and a scored verdict")
            anchors.append(Anchor(row["judge"], row["version"], sample, verdict))
        except (KeyError, TypeError, ValueError) as error:
            raise ResultError(
                f"{where} is not an anchor ({type(error).__name__}: {error}); freeze them again"
            ) from error
    if not anchors:
        raise ResultError(f"{path} holds no anchors; make some with `em-bench anchors freeze`")
    return anchors


def _status(flips: Rate | None, p: float | None, shift: Shift | None, enough: bool) -> Status:
    """Steady when all intervals are within the tolerance; drifted when they are not and a change is significant."""
    if not enough or flips is None:
        return Status.INCONCLUSIVE
    steady, drifted = flips.high <= FLIPS, flips.low > FLIPS or (p is not None and p < LEVEL and flips.high > FLIPS)
    if shift is not None:
        limit = SHIFT * shift.span
        within = -limit <= shift.low and shift.high <= limit
        steady, drifted = steady and within, drifted or (shift.p < LEVEL and not within)
    return Status.DRIFTED if drifted else Status.STEADY if steady else Status.INCONCLUSIVE


def _most_moved(ways: Mapping[tuple[str, str], int], words: Collection[str]) -> float:
    """p of the label that moved most: more anchors lost it than gained it, or the reverse."""
    tests = [
        paired_difference((then == word, now == word) for (then, now), count in ways.items() for _ in range(count))
        for word in words
    ]
    return min(1.0, min(test.p for test in tests if test) * max(1, len(words) - 1))


def _shift(frozen: Sequence[Verdict], pairs: Sequence[tuple[Verdict, Verdict]]) -> Shift | None:
    scores = [verdict.score for verdict in frozen if verdict.score is not None]
    changes = np.array([b.score - a.score for a, b in pairs if a.score is not None and b.score is not None])
    if len(changes) < 2:
        return None
    value, span = float(changes.mean()), max(scores) - min(scores)
    error = float(changes.std(ddof=1)) / math.sqrt(len(changes))
    if error < 1e-12:  # all moved by the same amount, perhaps none
        return Shift(value, value, value, 1.0 if abs(value) < 1e-9 else 0.0, len(changes), span)
    reach = float(t.isf(0.025, len(changes) - 1)) * error
    p = 2 * float(t.sf(abs(value) / error, len(changes) - 1))
    return Shift(value, value - reach, value + reach, p, len(changes), span)


def _word(verdict: Verdict) -> str:
    return verdict.label if verdict.label is not None else "a score"


def _edges(verdicts: Iterable[Verdict]) -> np.ndarray[Any, Any]:
    """The inner edges of equally wide bins over the scale that the scores span."""
    scores = [verdict.score for verdict in verdicts if verdict.score is not None]
    return np.linspace(min(scores, default=0.0), max(scores, default=0.0), BINS + 1)[1:-1]


def _stratum(verdict: Verdict, edges: np.ndarray[Any, Any]) -> str:
    if verdict.label is not None:
        return verdict.label
    return f"score {int((edges <= verdict.score).sum())}"


def _in_turn(lists: Sequence[Sequence[int]]) -> list[int]:
    """The first of each list, then the second of each, and so on."""
    longest = max(map(len, lists), default=0)
    return [each[place] for place in range(longest) for each in lists if place < len(each)]


def _bare(verdict: Verdict) -> Verdict:
    """The verdict without `raw`, which is long."""
    return Verdict(label=verdict.label, score=verdict.score, reason=verdict.reason)
