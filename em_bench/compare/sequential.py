"""Settles a gate's verdict as soon as the prompts asked so far allow, with the policy's alpha kept.

`SHARE` of alpha is for stopping early. A check passes once its e-value against "worse by the margin or more" has
reached one over that; its domain then need not be asked any further. The gate regresses once a check's e-value against
"no worse", adjusted over all checks, has reached it too and the estimate is beyond the margin by its standard error:
an estimate that is looked at many times strays beyond a margin sooner or later. A check whose prompts are all asked
and that neither has settled is decided as in the ordinary gate, at the rest of alpha. So a domain at its margin passes
with probability alpha at most, and a candidate that is no worse anywhere regresses with probability alpha at most, over
all checks together.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from em_bench.compare.comparability import Aspect, mismatches, require_comparable
from em_bench.compare.comparison import compare, read_side
from em_bench.compare.evidence import Evidence, evidence
from em_bench.compare.gate import NOT_MEASURED, Check, Outcome, gate, unmeasured
from em_bench.compare.order import LOOKS, Asked, Lane, documents_of, lanes_of
from em_bench.compare.policy import Policy, refuse_unknown_judges
from em_bench.compare.sides import Side, measured_alike, side_of
from em_bench.errors import ResultError
from em_bench.metrics.registry import Definition, Kind
from em_bench.runs.model import Run
from em_bench.runs.scored_files import ScoredFile

SHARE = 0.2
"""The share of alpha that stopping early may spend; the rest is the gate's at the end."""
MAY_DIFFER = frozenset({Aspect.TASKS, Aspect.TIERS, Aspect.PROMPTS, Aspect.PROMPT_SET, Aspect.PROMPT_COUNT})
SEED = 1234  # lm-eval's own


@dataclass(frozen=True, slots=True)
class SequentialCheck:
    """A check and when it was settled: after `units` of `size` prompts or probes. `early`: not by the ordinary gate.

    `worse` is in the metric's own unit: a share, or scores where `is_mean`.
    """

    name: str
    limit: str
    outcome: Outcome
    reason: str
    worse: float | None
    units: int
    size: int
    early: bool
    is_mean: bool = False


@dataclass(frozen=True, slots=True)
class SequentialResult:
    """The verdict, what was asked for it (`documents` by task), and of how many documents."""

    outcome: Outcome
    reason: str
    alpha: float
    seed: int
    looks: int
    documents: Mapping[str, tuple[str, ...]]
    total: int
    checks: tuple[SequentialCheck, ...]

    @property
    def asked(self) -> int:
        """Documents asked."""
        return sum(len(documents) for documents in self.documents.values())

    @property
    def early(self) -> bool:
        """Whether it was settled before the suite was through."""
        return self.asked < self.total

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"asked": self.asked}


@dataclass(frozen=True, slots=True)
class _Look:
    """What is known after some prompts. `open_parts` have a check that has not passed."""

    number: int
    candidate: Run
    asked: Asked
    found: tuple[Evidence, ...]
    needed: float

    def passed(self, check: Evidence) -> bool:
        return check.log_pass >= self.needed and not check.insufficient

    def regressed(self, check: Evidence) -> bool:
        enough = check.log_regress >= self.needed and not check.insufficient
        return enough and check.worse is not None and check.worse - check.error > check.margin

    def is_open(self, lane: str, part: str) -> bool:
        return any(each.lane == lane and each.part in ("", part) and not self.passed(each) for each in self.found)

    @property
    def is_settled(self) -> bool:
        return all(map(self.passed, self.found)) or any(map(self.regressed, self.found))


def settle(
    baseline: Run, policy: Policy, ask: Callable[[Mapping[str, Sequence[str]]], Run], seed: int = SEED
) -> SequentialResult:
    """Asks until the policy's verdict is settled, or the baseline's prompts are through.

    `ask` gets the documents to be asked by task, those of the looks before among them, and returns a judged run that
    has them. Raises `ResultError` where that is not comparable with the baseline.
    """
    before = side_of(baseline, Definition.BETLEY)
    tasks = {
        name: task.kind
        for name, task in baseline.tasks.items()
        if any(rule.is_on(task.kind, name) for rule in policy.rules)
    }
    refuse_unknown_judges(policy, {key.judge for key in before.columns})
    lanes = lanes_of(before, tasks, seed)
    if not lanes:
        raise ResultError(f"{baseline.path} has no prompt that the policy has a check for")
    look: _Look | None = None
    after: Side | None = None
    for number, share in enumerate(LOOKS, 1):
        asked = {lane.name: _counts(lane, share, look) for lane in lanes}
        if look is not None and asked == look.asked:
            continue
        documents = documents_of(lanes, asked)
        candidate = ask(documents)
        if after is None or look is None or candidate is not look.candidate:
            _, after = measured_alike(before, side_of(candidate, Definition.BETLEY))
        _require_same(before, after, documents)
        found = evidence(before, after, lanes, asked, policy)
        if not found:
            raise ResultError(f"{after.name} against {before.name}: no metric of the policy is measured on both sides")
        look = _Look(number, candidate, asked, found, math.log(1 / (SHARE * policy.alpha)))
        if look.is_settled:
            break
    assert look is not None
    return _result(baseline, look, lanes, policy, seed)


def _counts(lane: Lane, share: float, look: _Look | None) -> Mapping[str, int]:
    """How many units of each part the next look has: no more of a part whose checks have all passed."""
    counts = lane.counts(share)
    if look is None:
        return counts
    return {
        part: count if look.is_open(lane.name, part) else look.asked[lane.name][part] for part, count in counts.items()
    }


def _require_same(before: Side, after: Side, documents: Mapping[str, Sequence[str]]) -> None:
    """The same but for how many prompts were asked: those that were must be there, and must ask the same.

    Judges that only one side has are no reason, as no check rests on them.
    """
    title = f"{after.name} against {before.name}"
    judges = {key.judge for key in before.columns} & {key.judge for key in after.columns}
    require_comparable(title, mismatches(before.setup, after.setup, may_differ=MAY_DIFFER, judges=judges))
    for task, names in documents.items():
        texts = [
            side.setup.tasks[task].prompts.texts or {} if task in side.setup.tasks else {} for side in (before, after)
        ]
        if other := [name for name in names if texts[0].get(name) != texts[1].get(name)]:
            raise ResultError(f"{title} is not comparable: {task} does not ask the same at {other[0]}")


def _result(baseline: Run, look: _Look, lanes: Sequence[Lane], policy: Policy, seed: int) -> SequentialResult:
    documents = {task: tuple(names) for task, names in documents_of(lanes, look.asked).items()}
    whole = documents_of(lanes, {lane.name: lane.counts(1) for lane in lanes})
    asked_alone = replace(look, candidate=part_of(look.candidate, documents))
    checks = tuple(_checks(baseline, asked_alone, policy))
    outcomes = {check.outcome for check in checks}
    order = (Outcome.REGRESS, Outcome.INCONCLUSIVE, Outcome.PASS)
    outcome = next((each for each in order if each in outcomes), Outcome.INCONCLUSIVE)
    total = sum(map(len, whole.values()))
    early = sum(map(len, documents.values())) < total
    return SequentialResult(outcome, _reason(outcome, early), policy.alpha, seed, look.number, documents, total, checks)


def _reason(outcome: Outcome, early: bool) -> str:
    if not early:
        return "every prompt was asked"
    return {
        Outcome.PASS: "every check passed",
        Outcome.REGRESS: "a check regressed",
    }.get(outcome, "no further prompt can settle a check")


def _checks(baseline: Run, look: _Look, policy: Policy) -> Iterator[SequentialCheck]:
    """Those settled early as they are, and the others as the ordinary gate decides them at the end."""
    regressed = any(map(look.regressed, look.found))
    remaining = _ordinary(baseline, look.candidate, policy) if not look.is_settled else []
    for each in look.found:
        own = next((check for check in remaining if (check.name, check.limit) == (each.name, each.limit)), None)
        remaining = [check for check in remaining if check is not own]
        yield _check(each, look, own, regressed=regressed)
    for rule in policy.rules:
        own_rule = [each for each in look.found if each.metric == rule.metric]
        sets = {each.lane for each in own_rule if each.kind is Kind.PROBE}
        for name in unmeasured(rule, sets, is_measured=bool(own_rule)):
            outcome = Outcome.INCONCLUSIVE if rule.required else Outcome.SKIPPED
            yield SequentialCheck(name, "", outcome, NOT_MEASURED, None, 0, 0, False)


def _ordinary(baseline: Run, candidate: Run, policy: Policy) -> list[Check]:
    halved = replace(policy, alpha=(1 - SHARE) * policy.alpha)
    return list(gate(compare(baseline, candidate, force=True, confidence=halved.confidence), halved).checks)


def _check(each: Evidence, look: _Look, check: Check | None, *, regressed: bool) -> SequentialCheck:
    blank = SequentialCheck(
        name=each.name,
        limit=each.limit,
        outcome=Outcome.INCONCLUSIVE,
        reason="",
        worse=None if each.worse is None else each.worse * (each.span or 1),
        units=each.units,
        size=each.size,
        early=True,
        is_mean=each.span is not None,
    )
    if look.regressed(each):
        return replace(blank, outcome=Outcome.REGRESS, reason="significantly worse, and by more than the limit")
    if look.passed(each):
        return replace(blank, outcome=Outcome.PASS, reason="significantly within the limit")
    if each.units == each.size and check is not None:
        return replace(blank, outcome=check.outcome, reason=check.reason, early=False)
    reason = each.insufficient or ("not settled when another check regressed" if regressed else "not settled")
    return replace(blank, reason=reason)


def replay(baseline: Run, candidate: Run, policy: Policy, seed: int | None = None) -> SequentialResult:
    """The verdict on a stored candidate, as if it were asked in order: what stopping early would have said and saved.

    The order is that of `seed`, by default the one that the candidate was asked in. Raises `ResultError` for a
    candidate that lacks prompts which the sequence comes to.
    """
    if seed is None:
        seed = int(stopped_early(candidate).get("order_seed", SEED))
    return settle(baseline, policy, lambda _: candidate, seed)


def one_run(path: Path) -> Run:
    """The run of a folder or a results file. Raises `ResultError` for a file of scored answers, which has no order."""
    source = read_side(path)
    if isinstance(source, ScoredFile):
        raise ResultError(f"{path} is a file of scored answers; a sequential gate needs a run of lm-eval")
    return source


def stopped_early(run: Run) -> Mapping[str, Any]:
    """What a run by `em-bench run --until-decided` records of how it was asked; empty for any other."""
    notes = (task.files.record.get("sequential") for task in run.tasks.values())
    return next((note for note in notes if isinstance(note, Mapping)), {})


def part_of(run: Run, documents: Mapping[str, Sequence[str]]) -> Run:
    """Some documents of a run's tasks."""
    tasks = {}
    for name, task in run.tasks.items():
        chosen = set(documents.get(name, ()))
        samples = tuple(each for each in task.samples if each.document in chosen)
        if samples:
            tasks[name] = replace(task, samples=samples)
    return replace(run, tasks=tasks)
