"""What the prompts asked so far show about each check of a policy: e-values that hold whenever one stops.

An unscored response counts as the worst that it could be where a pass is tested, and as the best where a regression is.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from em_bench.compare.differences import POOLED
from em_bench.compare.order import Asked, Lane, Unit
from em_bench.compare.policy import Policy, Rule
from em_bench.compare.policy_file import Limits
from em_bench.compare.sides import Column, Key, Side
from em_bench.metrics.rates import Value
from em_bench.metrics.registry import Kind
from em_bench.stats.intervals import Floats
from em_bench.stats.sequential import adjusted_log_e_values, log_e_values

EDGE = 1 - 1e-6
WHOLE = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """On one check. `worse` is how much worse the candidate is, of a floor or a ceiling how far beyond it; None if
    nothing is scored. `name` and `limit` are worded as in the gate. Empty `part`: over all parts of the kind.

    `log_pass` is the highest log e-value so far against "worse by the margin or more"; `log_regress` the present one
    against "no worse", adjusted over all checks. `insufficient`: why the policy wants more scored responses. `margin`
    and `worse` are shares of the scale, which is `span` wide; None for rates.
    """

    metric: str
    name: str
    limit: str
    kind: Kind
    part: str
    margin: float
    worse: float | None
    log_pass: float
    log_regress: float
    units: int
    size: int
    insufficient: str = ""
    span: float | None = None


@dataclass(frozen=True, slots=True)
class _Pair:
    """One unit, as shares of the scale: the ends of each side's possible rate, and the rates where both are scored."""

    before: tuple[float, float]
    after: tuple[float, float]
    scored: tuple[float, float] | None


def evidence(before: Side, after: Side, lanes: Sequence[Lane], asked: Asked, policy: Policy) -> tuple[Evidence, ...]:
    """On every check whose metric both sides have."""
    checks = [each for rule in policy.rules for lane in lanes for each in _of(rule, before, after, lane, asked, policy)]
    adjusted = adjusted_log_e_values([each.log_regress for each in checks])
    return tuple(replace(each, log_regress=value) for each, value in zip(checks, adjusted, strict=True))


def _of(rule: Rule, before: Side, after: Side, lane: Lane, asked: Asked, policy: Policy) -> Iterator[Evidence]:
    counts = asked.get(lane.kind, {})
    for keys in _families(rule, before, after, lane, policy):
        yield from _limited(rule, rule.limits, before, after, keys, lane, "", lane.prefix(counts))
        for key in keys.values() if lane.kind is not Kind.PROBE else ():
            limits = rule.domains.get(key.domain, rule.per_domain)
            if limits is not None:
                units = lane.of(key.task)[: counts.get(key.task, 0)]
                yield from _limited(rule, limits, before, after, {key.task: key}, lane, key.task, units)


def _families(rule: Rule, before: Side, after: Side, lane: Lane, policy: Policy) -> Iterable[dict[str, Key]]:
    """The columns of a rule's metric by task, of each qualifier: of the policy's first judge that both sides have."""
    fitting = [key for key in before.columns if key in after.columns and key.metric.name == rule.metric]
    fitting = [key for key in fitting if key.kind is lane.kind and lane.kind in rule.kinds]
    available = list(dict.fromkeys(key.judge for key in fitting))
    judge = next((name for name in (*policy.judges, *available) if name in available), None)
    families: dict[str, dict[str, Key]] = {}
    for key in fitting:
        if key.judge == judge:
            families.setdefault(key.metric.qualifier, {})[key.task] = key
    return families.values()


def _limited(
    rule: Rule,
    limits: Limits,
    before: Side,
    after: Side,
    keys: dict[str, Key],
    lane: Lane,
    part: str,
    units: Sequence[Unit],
) -> Iterator[Evidence]:
    columns = [{task: side.columns[key] for task, key in keys.items()} for side in (before, after)]
    scale = _scale([*columns[0].values(), *columns[1].values()])
    pairs = [_pair(unit, columns[0], columns[1], scale) for unit in units]
    size, strata = len(lane.of(part)), 1 if part else lane.strata
    name = f"{rule.metric.replace('_', ' ').removesuffix(' rate')}, {_where(list(keys.values()))}"
    blank = Evidence(rule.metric, name, "", lane.kind, part, 0.0, None, 0.0, 0.0, len(units), size)
    span, is_mean = scale[1] - scale[0], any(column.scale is not None for column in columns[0].values())
    insufficient = _insufficient(pairs, units, columns, limits)
    blank = replace(blank, insufficient=insufficient, span=span if is_mean else None)
    if limits.margin is not None:
        text = f"margin {limits.margin:g}" if is_mean else f"margin {100 * limits.margin:g} points"
        blank = replace(blank, limit=text, margin=limits.margin / span)
        yield _relative(blank, pairs, rule.higher_is_better, strata)
    for limit, kind in ((limits.ceiling, "ceiling"), (limits.floor, "floor")):
        if limit is not None:
            text = f"{kind} {limit:g}" if is_mean else f"{kind} {100 * limit:g} %"
            yield _absolute(replace(blank, limit=text, margin=0.0), pairs, (limit - scale[0]) / span, kind, strata)


def _where(keys: Sequence[Key]) -> str:
    return POOLED[keys[0].kind] if len(keys) > 1 else keys[0].domain.replace("_", " ") or keys[0].task


def _scale(columns: Iterable[Column]) -> tuple[float, float]:
    scales = [column.scale for column in columns if column.scale is not None] or [WHOLE]
    return min(low for low, _ in scales), max(high for _, high in scales)


def _pair(unit: Unit, before: dict[str, Column], after: dict[str, Column], scale: tuple[float, float]) -> _Pair:
    ends: tuple[list[tuple[float, float]], ...] = ([], [])
    scored: list[tuple[float, float]] = []
    for task, document in unit.documents:
        values = [_values(side, task, document) for side in (before, after)]
        for place in (0, 1):
            ends[place].append(_ends(values[place], scale))
        means = [_mean(side, scale) for side in values]
        if means[0] is not None and means[1] is not None:
            scored.append((means[0], means[1]))
    low_before, high_before, low_after, high_after = (
        sum(end[which] for end in side) / len(side) for side in ends for which in (0, 1)
    )
    mean = (sum(b for b, _ in scored) / len(scored), sum(a for _, a in scored) / len(scored)) if scored else None
    return _Pair((low_before, high_before), (low_after, high_after), mean)


def _values(side: dict[str, Column], task: str, document: str) -> Sequence[Value]:
    return side[task].values.get(document, ()) if task in side else ()


def _ends(values: Sequence[Value], scale: tuple[float, float]) -> tuple[float, float]:
    """The lowest and the highest mean that the responses can have, whatever the unscored ones are."""
    if not values:
        return WHOLE
    known = [(float(value) - scale[0]) / (scale[1] - scale[0]) for value in values if value is not None]
    return sum(known) / len(values), (sum(known) + len(values) - len(known)) / len(values)


def _mean(values: Sequence[Value], scale: tuple[float, float]) -> float | None:
    known = [(float(value) - scale[0]) / (scale[1] - scale[0]) for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _insufficient(
    pairs: Sequence[_Pair], units: Sequence[Unit], columns: Sequence[dict[str, Column]], limits: Limits
) -> str:
    scored = sum(pair.scored is not None for pair in pairs)
    if scored < max(1, limits.min_scored):
        return f"only {scored} pairs are scored, and the policy wants {limits.min_scored}"
    for name, side in zip(("baseline", "candidate"), columns, strict=True):
        values = [v for unit in units for task, document in unit.documents for v in _values(side, task, document)]
        share = sum(value is None for value in values) / max(1, len(values))
        if share > limits.max_unscored:
            return f"{100 * share:.1f} % of the {name} is unscored, the policy allows {100 * limits.max_unscored:.1f} %"
    return ""


def _relative(blank: Evidence, pairs: Sequence[_Pair], higher_is_better: bool, strata: int) -> Evidence:
    # worse is the baseline's rate minus the candidate's where higher is better, else the other way round
    ends = [(p.before, p.after) if higher_is_better else (p.after, p.before) for p in pairs]
    most = np.array([first[1] - second[0] for first, second in ends])
    least = np.array([first[0] - second[1] for first, second in ends])
    sign = -1 if higher_is_better else 1
    seen = [sign * (p.scored[1] - p.scored[0]) for p in pairs if p.scored]
    return replace(
        blank,
        worse=float(np.mean(seen)) if seen else None,
        log_pass=_highest(most, blank.margin, blank, strata),
        log_regress=_last(_log_e(-least, 0.0, blank, strata)),
    )


def _absolute(blank: Evidence, pairs: Sequence[_Pair], limit: float, kind: str, strata: int) -> Evidence:
    """The candidate's rate against a ceiling; a floor is a ceiling of what is missing to 1."""
    ends = [p.after if kind == "ceiling" else (1 - p.after[1], 1 - p.after[0]) for p in pairs]
    bound = limit if kind == "ceiling" else 1 - limit
    low, high = (np.array([end[which] for end in ends]) for which in (0, 1))
    rates = [p.scored[1] if kind == "ceiling" else 1 - p.scored[1] for p in pairs if p.scored]
    return replace(
        blank,
        worse=float(np.mean(rates)) - bound if rates else None,
        log_pass=_highest(high, bound, blank, strata),
        log_regress=_last(_log_e(1 - low, 1 - bound, blank, strata)),
    )


def _log_e(values: Floats, null: float, blank: Evidence, strata: int) -> Floats:
    return log_e_values(values, min(null, EDGE), size=blank.size, strata=strata)


def _highest(values: Floats, null: float, blank: Evidence, strata: int) -> float:
    """Nothing can be beyond the end of the scale."""
    return math.inf if null >= 1 else float(_log_e(values, null, blank, strata).max(initial=0.0))


def _last(values: Floats) -> float:
    return float(values[-1]) if len(values) else 0.0
