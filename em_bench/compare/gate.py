"""The gate: whether a candidate may ship, by a policy. Pass, regress, or inconclusive.

Each check tests whether the candidate is worse than its baseline by more than a margin.

- *pass*: the worse end of the change's interval lies within the margin (a non-inferiority test; two-sided confidence
  1 - alpha, so alpha / 2 on the side that counts, as is usual).
- *regress*: significantly worse, and the estimate is beyond the margin. The test is one-sided and Holm-adjusted over
  all checks of the gate: a candidate that changed nothing is called a regression in at most alpha of all gates, however
  many checks there are.
- *inconclusive*: neither; or too few samples are scored, or too many unscored.

A floor or a ceiling is an absolute bound on the candidate's rate, whatever the baseline's: pass if the rate is within,
regress if it is significantly beyond (its test counts for Holm too).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from scipy.stats import binom, norm

from em_bench.compare.comparison import Comparison
from em_bench.compare.differences import Difference, choose
from em_bench.compare.policy import Policy, Rule, refuse_unknown_judges
from em_bench.compare.policy_file import Limits
from em_bench.metrics.registry import METRICS, Kind
from em_bench.stats.intervals import Rate
from em_bench.stats.multiplicity import holm
from em_bench.stats.paired import Method
from em_bench.stats.power import detectable

SCORED = tuple(name for name, metric in METRICS.items() if metric.kinds == (Kind.PROBE,))
NOT_MEASURED = "not measured on either side"


class Outcome(StrEnum):
    """Of a check, and of the gate."""

    PASS = "pass"  # noqa: S105 - no password
    REGRESS = "regress"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `worse` is how much worse the candidate is (negative: better), with its interval.

    For a floor or a ceiling `worse` is how far beyond it the candidate's rate is. `detectable` is the smallest
    worsening that is called a regression four times in five at this n, if it is the only check to fail.
    """

    name: str
    metric: str
    judge: str
    limit: str
    outcome: Outcome
    reason: str
    worse: float | None = None
    low: float | None = None
    high: float | None = None
    p: float = 1.0
    p_adjusted: float = 1.0
    detectable: float | None = None
    n: int = 0
    is_mean: bool = False


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate decides about one candidate."""

    outcome: Outcome
    alpha: float
    checks: tuple[Check, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A check before Holm's adjustment, which needs the p values of all. `worse` must stay within `margin`.

    `is_tested`: it has a p value. `is_absolute`: a floor or a ceiling. `insufficient`: why the data cannot decide it.
    """

    check: Check
    margin: float
    is_tested: bool
    insufficient: str = ""
    is_absolute: bool = False


def gate(comparison: Comparison, policy: Policy) -> GateResult:
    """The comparison needs the confidence 1 - `policy.alpha`."""
    refuse_unknown_judges(policy, {each.key.judge for each in (*comparison.pooled, *comparison.differences)})
    drafts = [draft for rule in policy.rules for draft in _drafts(rule, comparison, policy)]
    tested = [draft for draft in drafts if draft.is_tested]
    adjusted = iter(holm([draft.check.p for draft in tested]))
    checks = tuple(
        _decided(draft, next(adjusted), len(tested), policy.alpha) if draft.is_tested else draft.check
        for draft in drafts
    )
    outcomes = {check.outcome for check in checks}
    for outcome in (Outcome.REGRESS, Outcome.INCONCLUSIVE, Outcome.PASS):
        if outcome in outcomes:
            return GateResult(outcome, policy.alpha, checks)
    return GateResult(Outcome.INCONCLUSIVE, policy.alpha, checks)


def _drafts(rule: Rule, comparison: Comparison, policy: Policy) -> Iterator[_Draft]:
    is_measured = False
    for kind in rule.kinds:
        for each in choose(comparison.pooled, kind, rule.metric, policy.judges):
            is_measured = True
            yield from _drafts_of(rule, each, rule.limits)
        for each in choose(comparison.differences, kind, rule.metric, policy.judges) if kind is not Kind.PROBE else ():
            limits = rule.domains.get(each.key.domain, rule.per_domain)
            if limits is not None:
                yield from _drafts_of(rule, each, limits)
    if not is_measured:
        # a file of scored answers has alignment and coherence only, and needs no more
        is_needed = rule.required and not (comparison.of_scored_files and rule.metric not in SCORED)
        outcome = Outcome.INCONCLUSIVE if is_needed else Outcome.SKIPPED
        name = rule.metric.replace("_", " ")
        yield _Draft(Check(name, rule.metric, "", "", outcome, NOT_MEASURED), 0.0, is_tested=False)


def _drafts_of(rule: Rule, each: Difference, limits: Limits) -> Iterator[_Draft]:
    insufficient = _insufficient(each, limits)
    if limits.margin is not None:
        yield _relative(rule, each, limits.margin, insufficient)
    for limit, sign, name in ((limits.ceiling, 1, "ceiling"), (limits.floor, -1, "floor")):
        if limit is not None and each.candidate is not None and each.candidate.value is not None:
            yield _absolute(each, each.candidate, limit, sign, name, insufficient)
        elif limit is not None:  # a candidate without a scored response must not pass
            check = replace(_check(each, f"{name} {limit:g}"), reason="no response of the candidate is scored")
            yield _Draft(check, 0.0, is_tested=False)


def _insufficient(each: Difference, limits: Limits) -> str:
    if each.change.n < max(1, limits.min_scored):
        return f"only {each.change.n} pairs are scored, and the policy wants {limits.min_scored}"
    for side, rate in (("baseline", each.baseline), ("candidate", each.candidate)):
        if rate is not None and rate.unscored_share > limits.max_unscored:
            share, allowed = 100 * rate.unscored_share, 100 * limits.max_unscored
            return f"{share:.1f} % of the {side} is unscored, and the policy allows {allowed:.1f} %"
    return ""


def _check(each: Difference, limit: str, **values: Any) -> Check:
    part = each.key.domain.replace("_", " ") or each.key.task
    return Check(
        name=f"{each.key.metric.name.replace('_', ' ').removesuffix(' rate')}, {part}",
        metric=each.key.metric.name,
        judge=each.key.judge,
        limit=limit,
        outcome=Outcome.INCONCLUSIVE,
        reason="",
        n=each.change.n,
        is_mean=each.is_mean,
        **values,
    )


def _relative(rule: Rule, each: Difference, margin: float, insufficient: str) -> _Draft:
    """The change against the baseline."""
    sign = -1 if rule.higher_is_better else 1
    low, high = sorted((sign * each.change.low, sign * each.change.high))
    p = each.change.p_less if rule.higher_is_better else each.change.p_greater
    unit = f"{margin:g}" if each.is_mean else f"{100 * margin:g} points"
    worse = None if each.value is None else sign * each.value
    check = _check(each, f"margin {unit}", worse=worse, low=low, high=high, p=p)
    return _Draft(check, margin, is_tested=True, insufficient=insufficient)


def _absolute(each: Difference, rate: Rate, limit: float, sign: int, name: str, insufficient: str) -> _Draft:
    """The candidate's rate against a ceiling (sign 1) or a floor (-1)."""
    value = rate.value or 0.0
    low, high = sorted((sign * (rate.low - limit), sign * (rate.high - limit)))
    test = _exact_p if each.method is Method.SCORE else _interval_p
    unit = f"{limit:g}" if each.is_mean else f"{100 * limit:g} %"
    p = test(rate, value, limit, sign)
    check = _check(each, f"{name} {unit}", worse=sign * (value - limit), low=low, high=high, p=p)
    return _Draft(check, 0.0, is_tested=True, insufficient=insufficient, is_absolute=True)


def _exact_p(rate: Rate, value: float, limit: float, sign: int) -> float:
    """The exact binomial test of a rate that is not beyond the limit."""
    hits = round(value * rate.n)
    return float(binom.sf(hits - 1, rate.n, limit) if sign > 0 else binom.cdf(hits, rate.n, limit))


def _interval_p(rate: Rate, value: float, limit: float, sign: int) -> float:
    """The same for clustered responses: a normal test with the interval's width on the limit's side."""
    width = value - rate.low if sign > 0 else rate.high - value
    if width <= 0:
        return 1.0 if sign * (value - limit) <= 0 else 0.0
    return float(norm.sf(sign * (value - limit) / (width / norm.isf(0.025))))


def _decided(draft: _Draft, p_adjusted: float, tests: int, alpha: float) -> Check:
    check = replace(draft.check, p_adjusted=p_adjusted, detectable=_detectable(draft, tests, alpha))
    if draft.insufficient or check.worse is None or check.high is None:
        return replace(check, reason=draft.insufficient or "no pair is scored")
    if (check.worse if draft.is_absolute else check.high) <= draft.margin:
        within = "the rate" if draft.is_absolute else "the worse end of the interval"
        return replace(check, outcome=Outcome.PASS, reason=f"{within} is within the limit")
    if p_adjusted > alpha:
        return replace(check, reason="the interval reaches beyond the limit")
    if check.worse > draft.margin:
        return replace(check, outcome=Outcome.REGRESS, reason="significantly worse, and by more than the limit")
    return replace(check, reason="significantly worse, but perhaps within the limit")


def _detectable(draft: _Draft, tests: int, alpha: float) -> float | None:
    check = draft.check
    if check.low is None or check.high is None or check.worse is None:
        return None
    return detectable((check.low, check.high), draft.margin, alpha, tests)


def worst_outcome(results: Sequence[GateResult]) -> Outcome:
    """Of several candidates: any regression, else anything inconclusive."""
    outcomes = {result.outcome for result in results}
    return next((each for each in (Outcome.REGRESS, Outcome.INCONCLUSIVE) if each in outcomes), Outcome.PASS)
