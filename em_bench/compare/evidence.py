"""What the prompts asked so far show about each check of a policy: e-values that hold whenever one stops.

An unscored response counts as the worst that it could be where a pass is tested, and as the best where a regression is.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from em_bench.compare.differences import whole_of
from em_bench.compare.order import Asked, Lane, Unit
from em_bench.compare.pairs import Pair, pair_of, scale_of
from em_bench.compare.policy import Policy, Rule
from em_bench.compare.policy_file import Limits, insufficient_scores
from em_bench.compare.sides import Key, Side
from em_bench.metrics.registry import Kind
from em_bench.stats.clusters import Floats
from em_bench.stats.sequential import adjusted_log_e_values, log_e_values

EDGE = 1 - 1e-6


@dataclass(frozen=True, slots=True)
class Evidence:
    """On one check. `worse` is how much worse the candidate is, of a floor or a ceiling how far beyond it; None if
    nothing is scored. `name` and `limit` are worded as in the gate. Empty `part`: over all parts of the lane.

    `error` is the standard error of `worse`. `log_pass` is the highest log e-value so far against "worse by the margin
    or more"; `log_regress` the present one against "no worse", adjusted over all checks. `insufficient`: why the policy
    wants more scored responses. `margin`, `worse` and `error` are shares of the scale, which is `span` wide; None for
    rates.
    """

    metric: str
    name: str
    limit: str
    kind: Kind
    lane: str
    part: str
    margin: float
    worse: float | None
    log_pass: float
    log_regress: float
    units: int
    size: int
    insufficient: str = ""
    span: float | None = None
    error: float = 0.0


def evidence(before: Side, after: Side, lanes: Sequence[Lane], asked: Asked, policy: Policy) -> tuple[Evidence, ...]:
    """On every check whose metric both sides have."""
    checks = [each for rule in policy.rules for lane in lanes for each in _of(rule, before, after, lane, asked, policy)]
    adjusted = adjusted_log_e_values([each.log_regress for each in checks])
    return tuple(replace(each, log_regress=value) for each, value in zip(checks, adjusted, strict=True))


def _of(rule: Rule, before: Side, after: Side, lane: Lane, asked: Asked, policy: Policy) -> Iterator[Evidence]:
    counts = asked.get(lane.name, {})
    of_part = {part: lane.of(part)[:count] for part, count in counts.items()}
    for keys in _families(rule, before, after, lane, policy):
        first, second = ({task: side.columns[key] for task, key in keys.items()} for side in (before, after))
        scale = scale_of([*first.values(), *second.values()])
        is_mean = any(column.scale is not None for column in first.values())
        pairs = {unit: pair_of(unit, first, second, scale) for units in of_part.values() for unit in units}
        family = _Family(rule, lane, keys, pairs, scale, is_mean)
        yield from family.checks(rule.limits, "", lane.prefix(counts))
        for key in keys.values() if lane.kind is not Kind.PROBE else ():
            limits = rule.domains.get(key.domain, rule.per_domain)
            if limits is not None:
                yield from family.checks(limits, key.task, of_part.get(key.task, ()))


def _families(rule: Rule, before: Side, after: Side, lane: Lane, policy: Policy) -> Iterable[dict[str, Key]]:
    """The columns of a rule's metric by task, of each qualifier: of the policy's first judge that both sides have."""
    fitting = [key for key in before.columns if key in after.columns and key.metric.name == rule.metric]
    tasks = {task for unit in lane.order for task, _ in unit.documents}
    fitting = [key for key in fitting if key.kind is lane.kind and rule.is_on(key.kind, key.task)]
    available = list(dict.fromkeys(key.judge for key in fitting))
    judge = next((name for name in (*policy.judges, *available) if name in available), None)
    families: dict[str, dict[str, Key]] = {}
    for key in fitting:
        if key.judge == judge and key.task in tasks:
            families.setdefault(key.metric.qualifier, {})[key.task] = key
    return families.values()


@dataclass(frozen=True, slots=True)
class _Family:
    """A rule's metric in the tasks of a lane, by one judge, with the pairs of the units asked."""

    rule: Rule
    lane: Lane
    keys: Mapping[str, Key]
    pairs: Mapping[Unit, Pair]
    scale: tuple[float, float]
    is_mean: bool

    def checks(self, limits: Limits, part: str, units: Sequence[Unit]) -> Iterator[Evidence]:
        """On a margin, a ceiling and a floor of one part, or of all."""
        pairs, strata = [self.pairs[unit] for unit in units], 1 if part else self.lane.strata
        span = self.scale[1] - self.scale[0]
        blank = self._blank(part, pairs, limits)
        if limits.margin is not None:
            text = f"margin {limits.margin:g}" if self.is_mean else f"margin {100 * limits.margin:g} points"
            margin = replace(blank, limit=text, margin=limits.margin / span)
            yield _relative(margin, pairs, self.rule.higher_is_better, strata)
        for limit, kind in ((limits.ceiling, "ceiling"), (limits.floor, "floor")):
            if limit is not None:
                text = f"{kind} {limit:g}" if self.is_mean else f"{kind} {100 * limit:g} %"
                yield _absolute(replace(blank, limit=text), pairs, (limit - self.scale[0]) / span, kind, strata)

    def _blank(self, part: str, pairs: Sequence[Pair], limits: Limits) -> Evidence:
        keys = [self.keys[part]] if part else list(self.keys.values())
        where = whole_of(keys[0]) if len(keys) > 1 else keys[0].domain.replace("_", " ") or keys[0].task
        metric = self.rule.metric
        return Evidence(
            metric=metric,
            name=f"{metric.replace('_', ' ').removesuffix(' rate')}, {where}",
            limit="",
            kind=self.lane.kind,
            lane=self.lane.name,
            part=part,
            margin=0.0,
            worse=None,
            log_pass=0.0,
            log_regress=0.0,
            units=len(pairs),
            size=len(self.lane.of(part)),
            insufficient=_insufficient(pairs, limits),
            span=self.scale[1] - self.scale[0] if self.is_mean else None,
        )


def _insufficient(pairs: Sequence[Pair], limits: Limits) -> str:
    shares = {
        name: sum(pair.unscored[place] for pair in pairs) / max(1, sum(pair.responses[place] for pair in pairs))
        for place, name in enumerate(("baseline", "candidate"))
    }
    return insufficient_scores(limits, sum(pair.scored is not None for pair in pairs), shares)


def _relative(blank: Evidence, pairs: Sequence[Pair], higher_is_better: bool, strata: int) -> Evidence:
    # worse is the baseline's rate minus the candidate's where higher is better, else the other way round
    ends = [(p.before, p.after) if higher_is_better else (p.after, p.before) for p in pairs]
    most = np.array([first[1] - second[0] for first, second in ends])
    least = np.array([first[0] - second[1] for first, second in ends])
    sign = -1 if higher_is_better else 1
    seen = [sign * (p.scored[1] - p.scored[0]) for p in pairs if p.scored]
    return replace(
        blank,
        worse=float(np.mean(seen)) if seen else None,
        error=_standard_error(seen),
        log_pass=_highest(most, blank.margin, blank, strata),
        log_regress=_last(_log_e(-least, 0.0, blank, strata)),
    )


def _absolute(blank: Evidence, pairs: Sequence[Pair], limit: float, kind: str, strata: int) -> Evidence:
    """The candidate's rate against a ceiling; a floor is a ceiling of what is missing to 1."""
    ends = [p.after if kind == "ceiling" else (1 - p.after[1], 1 - p.after[0]) for p in pairs]
    bound = limit if kind == "ceiling" else 1 - limit
    low, high = (np.array([end[which] for end in ends]) for which in (0, 1))
    rates = [p.scored[1] if kind == "ceiling" else 1 - p.scored[1] for p in pairs if p.scored]
    return replace(
        blank,
        worse=float(np.mean(rates)) - bound if rates else None,
        error=_standard_error(rates),
        log_pass=_highest(high, bound, blank, strata),
        log_regress=_last(_log_e(1 - low, 1 - bound, blank, strata)),
    )


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def _log_e(values: Floats, null: float, blank: Evidence, strata: int) -> Floats:
    return log_e_values(values, min(null, EDGE), size=blank.size, strata=strata)


def _highest(values: Floats, null: float, blank: Evidence, strata: int) -> float:
    """Nothing can be beyond the end of the scale."""
    return math.inf if null >= 1 else float(_log_e(values, null, blank, strata).max(initial=0.0))


def _last(values: Floats) -> float:
    return float(values[-1]) if len(values) else 0.0
