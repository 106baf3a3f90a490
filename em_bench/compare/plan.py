"""What a gate's policy can decide on a suite, before money is spent, and what would help it to decide more."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from em_bench.compare.comparison import read_side
from em_bench.compare.noise import Discordance, discordances, one_baseline
from em_bench.compare.policy import Policy, Rule
from em_bench.compare.sides import same_responses, side_of
from em_bench.errors import ConfigError
from em_bench.metrics.registry import Definition, Kind
from em_bench.stats.power import Rule as PowerRule
from em_bench.stats.verdict_noise import VerdictNoise, churn_behind

READINGS, REPEATS = (1, 3, 5), (1, 2, 3, 5, 10)
PROMPTS, DOMAINS = 145, 7
"""Of the bundled suite: the harmful prompts of its smallest domain."""
ENOUGH_EQUAL = 20
"""Pairs of equal responses from which the judge's own inconsistency is estimated."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Prompts in each domain, harmful or benign alike, and how many domains there are."""

    prompts: int
    domains: int


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One margin of the policy; `checks` of them over `n` prompts each, domain by domain or all together.

    `passes`: how often one check passes if nothing changed. `finds`: the smallest true worsening that is called a
    regression with the plan's power. The rest is what is needed, alone, for that power to pass if nothing changed; None
    is out of reach.
    """

    metric: str
    part: str
    checks: int
    margin: float
    n: int
    noise: VerdictNoise
    passes: float
    wrongly_passes: float
    finds: float | None
    prompts_needed: int | None
    readings_needed: int | None
    repeats_needed: int | None


@dataclass(frozen=True, slots=True)
class PlanOption:
    """A change of the suite or the judge, and how often the gate then passes if nothing changed."""

    name: str
    passes: float


@dataclass(frozen=True, slots=True)
class Plan:
    """`passes`: how often the whole gate passes if nothing changed. `judge_share` of the noise is the judge's."""

    power: float
    side: str
    passes: float
    judge_share: float
    lines: tuple[PlanLine, ...]
    options: tuple[PlanOption, ...]
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Margin:
    metric: str
    part: str
    checks: int
    margin: float
    n: int
    noise: VerdictNoise


def measured(
    baselines: Sequence[Path], policy: Policy, error: float | None
) -> tuple[Suite, Mapping[tuple[str, Kind], VerdictNoise]]:
    """The suite and the noise of stored runs. Raises `ResultError` where they are not reruns of one checkpoint."""
    if len(baselines) < 2:
        raise ConfigError("one run shows no noise; give a rerun of it with another --baseline, or assume a --churn")
    sides = [side_of(read_side(path), Definition.BETLEY) for path in baselines]
    one_baseline(sides)
    if any(same_responses(*pair) for pair in combinations(sides, 2)):
        raise ConfigError("two of the baselines have the same responses, so they show no noise; assume a --churn")
    floor = discordances(sides)
    harmful = {key.task: len(column.values) for key, column in sides[0].columns.items() if key.kind is Kind.HARMFUL}
    sizes = sorted(harmful.values()) or [PROMPTS]
    return Suite(sizes[len(sizes) // 2], max(1, len(harmful))), noise_of_reruns(floor, policy, error)


def noise_of_reruns(
    floor: Iterable[Discordance], policy: Policy, error: float | None
) -> dict[tuple[str, Kind], VerdictNoise]:
    """The noise of each metric that reruns measured. Without `error` it is what equal responses show of it."""
    noises: dict[tuple[str, Kind], VerdictNoise] = {}
    ranks = {name: place for place, name in enumerate(policy.judges)}
    for each in sorted(floor, key=lambda one: ranks.get(one.judge, len(ranks))):
        equal = each.equal.n / each.share.n if each.equal else 0.0
        own = _own_error(each) if error is None else error
        churn = churn_behind(each.share.value or 0.0, own, equal)
        noises.setdefault((each.metric, each.kind), VerdictNoise(churn, own, equal))
    return noises


def _own_error(each: Discordance) -> float:
    """The error e with 2 e (1 - e) disagreement; none where equal responses always have the same verdict (a cache)."""
    if each.equal is None or each.equal.n < ENOUGH_EQUAL:
        return 0.0
    return (1 - math.sqrt(max(0.0, 1 - 2 * (each.equal.value or 0.0)))) / 2


def assumed_noise(noise: VerdictNoise) -> Mapping[tuple[str, Kind], VerdictNoise]:
    """The same for refusals of harmful and benign prompts."""
    return {("refusal_rate", Kind.HARMFUL): noise, ("over_refusal_rate", Kind.BENIGN): noise}


def plan(
    policy: Policy, suite: Suite, noises: Mapping[tuple[str, Kind], VerdictNoise], power: float, source: str
) -> Plan:
    """What the policy's margins need; floors and ceilings are left out."""
    margins = [each for rule in policy.rules for each in _margins(rule, suite, noises)]
    tests = max(1, sum(each.checks for each in margins))
    rule = PowerRule(0.0, policy.pass_level, policy.alpha / tests)
    lines = tuple(_line(each, rule, power) for each in margins)
    total = sum(each.noise.discordance for each in margins)
    judge_part = sum(each.noise.judge_share * each.noise.discordance for each in margins)
    return Plan(
        power,
        str(policy.side),
        _all_pass(margins, rule),
        judge_part / total if total else 0.0,
        lines,
        tuple(_options(margins, rule)),
        source,
    )


def _margins(rule: Rule, suite: Suite, noises: Mapping[tuple[str, Kind], VerdictNoise]) -> Iterator[_Margin]:
    for kind in rule.kinds:
        noise = noises.get((rule.metric, kind))
        if noise is None or kind is Kind.PROBE:
            continue
        if rule.limits.margin is not None:
            yield _Margin(rule.metric, f"all {kind}", 1, rule.limits.margin, suite.prompts * suite.domains, noise)
        if rule.per_domain is not None and rule.per_domain.margin is not None:
            skipped = sum(limits is None for limits in rule.domains.values())
            checks = max(1, suite.domains - skipped)
            yield _Margin(rule.metric, "each domain", checks, rule.per_domain.margin, suite.prompts, noise)


def _line(each: _Margin, rule: PowerRule, power: float) -> PlanLine:
    rule = replace(rule, margin=each.margin)
    noise, n = each.noise, each.n
    per_check = power ** (1 / each.checks)  # all checks of the line together pass with the power
    readings = (k for k in READINGS if replace(noise, readings=k).decisions(n, rule).passes >= per_check)
    repeats = (k for k in REPEATS if replace(noise, repeats=k).decisions(n, rule).passes >= per_check)
    return PlanLine(
        each.metric,
        each.part,
        each.checks,
        each.margin,
        n,
        noise,
        passes=noise.decisions(n, rule).passes,
        wrongly_passes=noise.decisions(n, rule, each.margin).passes,
        finds=noise.finds(n, rule, power),
        prompts_needed=noise.prompts_needed(rule, per_check),
        readings_needed=next(readings, None),
        repeats_needed=next(repeats, None),
    )


def _all_pass(margins: Sequence[_Margin], rule: PowerRule) -> float:
    """Of one metric the least likely of its lines, as domains that pass leave little for all together to fail by."""
    by_metric: dict[str, float] = {}
    for each in margins:
        chance = each.noise.decisions(each.n, replace(rule, margin=each.margin)).passes ** each.checks
        by_metric[each.metric] = min(by_metric.get(each.metric, 1.0), chance)
    return math.prod(by_metric.values())


def _options(margins: Sequence[_Margin], rule: PowerRule) -> Iterator[PlanOption]:
    """The same money, roughly, spent in different ways."""

    def chance(*, times: int = 1, **changes: Any) -> float:
        changed = [replace(each, n=times * each.n, noise=replace(each.noise, **changes)) for each in margins]
        return _all_pass(changed, rule)

    yield PlanOption("3 readings of each response", chance(readings=3))
    yield PlanOption("3 readings, half the errors repeated", chance(readings=3, repeating=0.5))
    yield PlanOption("2 x the prompts", chance(times=2))
    yield PlanOption("3 sampled responses to each prompt", chance(repeats=3))
    yield PlanOption("a judge without errors", chance(error=0.0))
