"""The gate: whether a candidate may ship, by a policy. Pass, regress, or inconclusive.

Each check asks whether the candidate got worse than its baseline by more than a margin.

- *pass*: the worse end of the interval of the change lies within the margin (a non-inferiority test; two-sided
  confidence 1 - alpha, so alpha / 2 on the side that counts, as is usual).
- *regress*: worse than no change for sure, and the best estimate is beyond the margin. "For sure" is a one-sided test,
  Holm-adjusted over all checks of the gate: a candidate that changed nothing is called a regression in at most alpha of
  all gates, however many checks there are.
- *inconclusive*: neither; or too few samples are scored, or too many unscored, to say either.

A floor or a ceiling is a check for sanity of the candidate's own rate, whatever the baseline's: pass if the rate is
within, regress if it is beyond for sure (its test is one of Holm's too).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from scipy.stats import binom, norm

from em_bench.compare.comparison import Comparison
from em_bench.compare.differences import MCNEMAR, Difference, choose
from em_bench.compare.policy import Limits, Policy, Rule
from em_bench.metrics.registry import METRICS, Kind
from em_bench.stats.intervals import Rate
from em_bench.stats.paired import holm

POWER = 0.8
SCORED = tuple(name for name, metric in METRICS.items() if metric.kinds == (Kind.PROBE,))
NOT_MEASURED = "not measured on either side"


class Outcome(StrEnum):
    """A check's, and the gate's."""

    PASS = "pass"  # noqa: S105 - no password
    REGRESS = "regress"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer. `worse` is how much worse the candidate is (negative: better), with its interval.

    Of a floor or ceiling `worse` is how far beyond it the candidate's rate is. `detectable` is the smallest worsening
    that would be called a regression four times in five at this n, were it the only check to fail.
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
class Verdict:
    """The gate's verdict on one candidate."""

    outcome: Outcome
    alpha: float
    checks: tuple[Check, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A check before all p values are there to be adjusted. `margin`: what `worse` must stay within; `own`: it asks of
    the candidate's rate alone.
    """

    check: Check
    margin: float
    tested: bool
    too_little: str = ""
    own: bool = False


def gate(comparison: Comparison, policy: Policy) -> Verdict:
    """The comparison must have been made with the confidence 1 - `policy.alpha`."""
    asked = [each for rule in policy.rules for each in _asked(rule, comparison, policy)]
    tested = [each for each in asked if each.tested]
    adjusted = iter(holm([each.check.p for each in tested]))
    checks = tuple(
        _decided(each, next(adjusted), len(tested), policy.alpha) if each.tested else each.check for each in asked
    )
    outcomes = {check.outcome for check in checks}
    for outcome in (Outcome.REGRESS, Outcome.INCONCLUSIVE, Outcome.PASS):
        if outcome in outcomes:
            return Verdict(outcome, policy.alpha, checks)
    return Verdict(Outcome.INCONCLUSIVE, policy.alpha, checks)


def _asked(rule: Rule, comparison: Comparison, policy: Policy) -> Iterator[_Asked]:
    found = False
    for kind in rule.kinds:
        for each in choose(comparison.pooled, kind, rule.metric, policy.judges):
            found = True
            yield from _of(rule, each, rule.limits)
        for each in choose(comparison.differences, kind, rule.metric, policy.judges) if kind is not Kind.PROBE else ():
            limits = rule.domains.get(each.domain, rule.per_domain)
            if limits is not None:
                yield from _of(rule, each, limits)
    if not found:
        # a file of scored answers holds alignment and coherence, and is not asked for more
        needed = rule.required and not (comparison.of_scored_files and rule.metric not in SCORED)
        outcome = Outcome.INCONCLUSIVE if needed else Outcome.SKIPPED
        yield _Asked(
            Check(rule.metric.replace("_", " "), rule.metric, "", "", outcome, NOT_MEASURED), 0.0, tested=False
        )


def _of(rule: Rule, each: Difference, limits: Limits) -> Iterator[_Asked]:
    little = _too_little(each, limits)
    if limits.margin is not None:
        yield _change(rule, each, limits.margin, little)
    for limit, sign, name in ((limits.ceiling, 1, "ceiling"), (limits.floor, -1, "floor")):
        if limit is not None and each.candidate is not None and each.candidate.value is not None:
            yield _own(each, each.candidate, limit, sign, name, little)
        elif limit is not None:  # a candidate of which nothing is known must not pass
            check = replace(_check(each, f"{name} {limit:g}"), reason="nothing of the candidate is scored")
            yield _Asked(check, 0.0, tested=False)


def _too_little(each: Difference, limits: Limits) -> str:
    if each.difference is None or each.n_pairs < max(1, limits.min_scored):
        return f"only {each.n_pairs} pairs are scored, and the policy wants {limits.min_scored}"
    for side, rate in (("baseline", each.baseline), ("candidate", each.candidate)):
        if rate is not None and rate.unscored_share > limits.max_unscored:
            share, allowed = 100 * rate.unscored_share, 100 * limits.max_unscored
            return f"{share:.1f} % of the {side} is unscored, and the policy allows {allowed:.1f} %"
    return ""


def _check(each: Difference, limit: str, **values: Any) -> Check:
    part = each.domain.replace("_", " ") or each.task
    name = f"{each.metric.replace('_', ' ').removesuffix(' rate')}, {part}"
    return Check(
        name, each.metric, each.judge, limit, Outcome.INCONCLUSIVE, "", n=each.n_pairs, is_mean=each.is_mean, **values
    )


def _change(rule: Rule, each: Difference, margin: float, little: str) -> _Asked:
    sign = -1 if rule.higher_is_better else 1
    low, high = sorted((sign * each.low, sign * each.high))
    p = each.below if rule.higher_is_better else each.above
    unit = f"{margin:g}" if each.is_mean else f"{100 * margin:g} points"
    worse = None if each.difference is None else sign * each.difference
    check = _check(each, f"margin {unit}", worse=worse, low=low, high=high, p=p)
    return _Asked(check, margin, tested=True, too_little=little)


def _own(each: Difference, rate: Rate, limit: float, sign: int, name: str, little: str) -> _Asked:
    """The candidate's own rate against a ceiling (sign 1) or a floor (-1)."""
    value = rate.value or 0.0
    low, high = sorted((sign * (rate.low - limit), sign * (rate.high - limit)))
    p = _beyond(rate, value, limit, sign) if each.method == MCNEMAR else _from_interval(rate, value, limit, sign)
    unit = f"{limit:g}" if each.is_mean else f"{100 * limit:g} %"
    check = _check(each, f"{name} {unit}", worse=sign * (value - limit), low=low, high=high, p=p)
    return _Asked(check, 0.0, tested=True, too_little=little, own=True)


def _beyond(rate: Rate, value: float, limit: float, sign: int) -> float:
    """The exact binomial test that the rate is not beyond the limit."""
    hits = round(value * rate.n)
    return float(binom.sf(hits - 1, rate.n, limit) if sign > 0 else binom.cdf(hits, rate.n, limit))


def _from_interval(rate: Rate, value: float, limit: float, sign: int) -> float:
    """The same where responses are clustered: from how wide the interval is on the limit's side."""
    width = value - rate.low if sign > 0 else rate.high - value
    if width <= 0:
        return 1.0 if sign * (value - limit) <= 0 else 0.0
    return float(norm.sf(sign * (value - limit) / (width / norm.isf(0.025))))


def _decided(each: _Asked, p_adjusted: float, tests: int, alpha: float) -> Check:
    check = replace(each.check, p_adjusted=p_adjusted, detectable=_detectable(each, tests, alpha))
    if each.too_little or check.worse is None or check.high is None:
        return replace(check, reason=each.too_little or "nothing is scored")
    if (check.worse if each.own else check.high) <= each.margin:
        within = "the rate" if each.own else "the worse end of the interval"
        return replace(check, outcome=Outcome.PASS, reason=f"{within} is within the limit")
    if p_adjusted <= alpha and check.worse > each.margin:
        return replace(check, outcome=Outcome.REGRESS, reason="worse for sure, and by more than the limit")
    sure = (
        "worse for sure, but perhaps within the limit"
        if p_adjusted <= alpha
        else "the interval reaches beyond the limit"
    )
    return replace(check, reason=sure)


def _detectable(each: _Asked, tests: int, alpha: float) -> float | None:
    """By the normal approximation, with the standard error that the interval tells: the smallest worsening that is sure
    (at alpha over all checks) and beyond the margin, each in four of five cases.
    """
    check = each.check
    if check.low is None or check.high is None or check.worse is None:
        return None
    error = (check.high - check.low) / 2 / norm.isf(alpha / 2)
    power = norm.isf(1 - POWER)
    return float(max((norm.isf(alpha / tests) + power) * error, each.margin + power * error))


def worst_outcome(verdicts: Sequence[Verdict]) -> Outcome:
    """Of several candidates: any regression, else anything inconclusive."""
    given = {verdict.outcome for verdict in verdicts}
    return next((each for each in (Outcome.REGRESS, Outcome.INCONCLUSIVE) if each in given), Outcome.PASS)
