"""Does the verdict survive the judge: the same comparison, and gate, under each judge that read both runs.

A judge decides what it measures; where it gives no such metric the others do, as in the gate's own `judges`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from em_bench.compare.comparison import Comparison
from em_bench.compare.diagnosis import Change, diagnose
from em_bench.compare.differences import Difference
from em_bench.compare.gate import Outcome, gates
from em_bench.compare.judge_error import JudgeError
from em_bench.compare.policy import Policy
from em_bench.metrics.registry import Kind, MetricKey


class Agreement(StrEnum):
    """Of several judges on one rate, by what is significant."""

    AGREE = "agree"
    PARTLY = "only some see a change"
    OPPOSITE = "opposite changes"


@dataclass(frozen=True, slots=True)
class RowByJudge:
    """One rate of a task, or over all tasks of a kind, as several judges see its change."""

    task: str
    kind: Kind
    metric: MetricKey
    is_whole: bool
    changes: tuple[Difference, ...]

    @property
    def agreement(self) -> Agreement:
        signs = {each.significant_sign for each in self.changes}
        if signs >= {-1, 1}:
            return Agreement.OPPOSITE
        return Agreement.AGREE if len(signs) == 1 else Agreement.PARTLY

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "task": self.task,
            "kind": self.kind,
            "metric": str(self.metric),
            "pooled": self.is_whole,
            "agreement": self.agreement,
            "judges": [each.to_dict() for each in self.changes],
        }


@dataclass(frozen=True, slots=True)
class JudgeVerdict:
    """What the comparison says by one judge alone, and the gate where that judge comes first; None without a gate."""

    judge: str
    kind: Change
    sentence: str
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class EachJudge:
    """The verdicts by judge, and the rates that several of them measure."""

    verdicts: tuple[JudgeVerdict, ...]
    rows: tuple[RowByJudge, ...]

    @property
    def flips(self) -> tuple[RowByJudge, ...]:
        """The rates on which the judges do not agree."""
        return tuple(row for row in self.rows if row.agreement is not Agreement.AGREE)

    @property
    def survives(self) -> bool | None:
        """Whether the gate's outcome is the same by each judge; without a gate, whether they agree on all rates over
        all tasks of a kind. None where nothing is measured by two judges.
        """
        if not self.rows:
            return None
        outcomes = {verdict.outcome for verdict in self.verdicts if verdict.outcome}
        return len(outcomes) == 1 if outcomes else not any(row.is_whole for row in self.flips)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "survives": self.survives,
            "verdicts": [
                {"judge": each.judge, "kind": each.kind, "sentence": each.sentence, "gate": each.outcome}
                for each in self.verdicts
            ],
            "rows": [row.to_dict() for row in self.rows],
        }


def each_judge(
    tables: Sequence[Comparison],
    target_domain: str | None = None,
    gated: Sequence[Comparison] = (),
    policy: Policy | None = None,
    error: JudgeError | None = None,
) -> list[EachJudge]:
    """Of each candidate. `gated` are the same comparisons with the intervals of the policy."""
    judges = list(dict.fromkeys(each.key.judge for table in tables for each in table.pooled))
    outcomes: dict[str, list[Outcome]] = {}
    if policy is not None:
        for judge in judges:
            first = replace(policy, judges=(judge, *(name for name in policy.judges if name != judge)))
            outcomes[judge] = [result.outcome for result in gates(gated, first, error)]
    return [
        EachJudge(
            verdicts=tuple(
                _verdict(table, judge, target_domain, outcomes[judge][place] if policy else None) for judge in judges
            ),
            rows=(*_rows(table.pooled, is_whole=True), *_rows(_parts(table), is_whole=False)),
        )
        for place, table in enumerate(tables)
    ]


def _verdict(table: Comparison, judge: str, target_domain: str | None, outcome: Outcome | None) -> JudgeVerdict:
    own = [[each for each in rows if each.key.judge == judge] for rows in (table.differences, table.pooled)]
    diagnosis = diagnose(own[0], own[1], target_domain)
    return JudgeVerdict(judge, diagnosis.kind, diagnosis.sentence, outcome)


def _parts(table: Comparison) -> list[Difference]:
    return [each for each in table.differences if each not in table.pooled]


def _rows(differences: Sequence[Difference], *, is_whole: bool) -> list[RowByJudge]:
    """The rates that several judges measure."""
    groups: dict[tuple[str, Kind, MetricKey], list[Difference]] = {}
    for each in differences:
        if each.change.n:
            groups.setdefault((each.key.task, each.key.kind, each.key.metric), []).append(each)
    return [RowByJudge(*place, is_whole, tuple(group)) for place, group in groups.items() if len(group) > 1]
