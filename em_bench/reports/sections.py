"""The parts of a report as plain texts, whatever it is written in: what the terminal and Markdown have in common."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from em_bench.compare.comparison import Comparison
from em_bench.compare.differences import Difference, by_family
from em_bench.compare.gate import Check, GateResult
from em_bench.compare.spillover import Spillover
from em_bench.metrics.probe_sets import sets_in_words
from em_bench.metrics.registry import METRICS, Kind
from em_bench.reports.titles import direction, judge_name, title
from em_bench.stats.intervals import Rate
from em_bench.stats.paired import Method
from em_bench.text import shown

LONGEST = 120


@dataclass(frozen=True, slots=True)
class Section:
    """A table of texts; `right` are the places of the columns of numbers, `totals` those of the pooled rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()
    totals: frozenset[int] = frozenset()


def heading(comparison: Comparison) -> str:
    return f"{shown(comparison.candidate, LONGEST)} against {shown(comparison.baseline, LONGEST)}"


ORDER = (Kind.HARMFUL, Kind.BENIGN, Kind.PROBE, Kind.CARE)


def sections(comparison: Comparison) -> Iterator[Section]:
    """A table for each rate that is not nothing on both sides: task by task, and over all of them."""
    yield from (_section(family) for family in _families(comparison) if not _is_nothing(family))


def nothing_lines(comparison: Comparison) -> list[str]:
    """The rates that are 0 in every task on both sides, a line each instead of a table."""
    return [f"{_title(family[0])}: none on either side" for family in _families(comparison) if _is_nothing(family)]


def _families(comparison: Comparison) -> list[list[Difference]]:
    # a single task is its own total
    families = [list(dict.fromkeys(family)) for family in by_family([*comparison.differences, *comparison.pooled])]
    metrics = list(METRICS)
    return sorted(
        families, key=lambda family: (ORDER.index(family[0].key.kind), metrics.index(family[0].key.metric.name))
    )


def _is_nothing(family: Sequence[Difference]) -> bool:
    rates = [rate for each in family for rate in (each.baseline, each.candidate)]
    return not family[0].is_mean and all(rate is not None and rate.value == 0 and not rate.unscored for rate in rates)


def _title(each: Difference) -> str:
    kind, metric = each.key.kind, each.key.metric
    better = direction(kind, metric.name)
    prompts = f"{kind.prompts}, {better}" if better else kind.prompts
    return shown(f"{title(metric.name)}{metric.suffix}: {prompts}; {judge_name(each.key.judge, each.rubric)}", LONGEST)


def _section(family: Sequence[Difference]) -> Section:
    first = family[0]
    unit = "" if first.is_mean else " %"
    pairs = first.key.kind.cluster if first.method is Method.CLUSTERS else "n"
    columns = ("", f"base{unit}", f"cand{unit}", "difference, interval", "p adj.", pairs, "unscored")
    rows = tuple(_row(each) for each in family)
    totals = frozenset(place for place, each in enumerate(family) if each.is_pooled)
    return Section(_title(first), columns, rows, frozenset({1, 2, 4, 5, 6}), totals)


def _row(each: Difference) -> tuple[str, ...]:
    name = each.key.domain or each.key.task
    return (
        shown(name.removeprefix("em_"), 26),
        _value(each, each.change.before, each.baseline),
        _value(each, each.change.after, each.candidate),
        _change(each),
        p_value(each.p_adjusted) if each.change.n else "-",
        str(each.change.n),
        f"{_unscored(each.baseline)}/{_unscored(each.candidate)}",
    )


def _change(each: Difference) -> str:
    return change(each.value, each.change.low, each.change.high, is_mean=each.is_mean)


def _value(each: Difference, of_pairs: float, own: Rate | None) -> str:
    """The rate of the pairs, as the difference is theirs; where there is none, the side's own."""
    value = of_pairs if each.change.n else own.value if own else None
    return "-" if value is None else f"{value * (1 if each.is_mean else 100):.1f}"


def _unscored(rate: Rate | None) -> int:
    return rate.unscored if rate else 0


def change(value: float | None, low: float | None, high: float | None, *, is_mean: bool = False) -> str:
    """`-61.1 (-69.8, -51.7)`: percentage points, or the judge's own unit."""
    if value is None or low is None or high is None:
        return "no pairs"
    factor = 1 if is_mean else 100
    # + 0.0 as there is a negative zero
    numbers = [f"{round(factor * number, 1) + 0.0:+.1f}" for number in (value, low, high)]
    return f"{numbers[0]} ({numbers[1]}, {numbers[2]})"


def p_value(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def spillover_lines(spillover: Spillover | None) -> list[str]:
    """The intended change, the others', and the worst of them."""
    if spillover is None:
        return []
    target, others, worst = spillover.target, spillover.others, spillover.worst
    parts = [("Target", target), ("Mean of the other domains", others), ("Worst of them", worst)]
    lines = [
        f"{name}{'' if each is others else f' ({each.key.domain})'}: {_change(each)} points, n={each.change.n}"
        for name, each in parts
    ]
    if spillover.left_out:
        prompts = "prompt" if spillover.left_out == 1 else "prompts"
        lines.append(
            f"Left out of the other domains: {spillover.left_out} {prompts} that nearly repeat one of the target"
        )
    if spillover.ratio is not None and spillover.ratio > 0:
        lines.append(f"The other domains changed by {100 * spillover.ratio:.0f} % of what the target did")
    elif spillover.ratio is not None:
        lines.append("The other domains did not go the target's way")
    return lines


def remarks(comparison: Comparison) -> list[str]:
    """What a reader must know beside the numbers."""
    remarks = [f"NOT COMPARABLE, forced: {shown(reason, 300)}" for reason in comparison.forced]
    remarks += [f"Note: {shown(note, 300)}" for note in comparison.annotations]
    return remarks + [
        f"{shown(each.key.task, LONGEST)}, {each.key.metric.name} by {shown(each.key.judge, LONGEST)}: "
        "unscored responses leave the difference anywhere "
        f"from {100 * each.bounds[0]:+.1f} to {100 * each.bounds[1]:+.1f} points"
        for each in comparison.pooled
        if each.bounds is not None and each.bounds[1] - each.bounds[0] > 0.01
    ]


def legend(comparison: Comparison) -> str:
    methods = dict.fromkeys(each.method for each in comparison.differences)
    return (
        f"{100 * comparison.confidence:g} % intervals of paired differences, in points: {'; '.join(methods)}. "
        "Rates are those of the pairs. "
        f"p: two-sided, Holm over the rows above `all`. Unscored: baseline/candidate.{_probes(comparison)}"
    )


def _probes(comparison: Comparison) -> str:
    """Which sets of probes the rates rest on."""
    if not comparison.probes:
        return ""
    apart = " Sets are not pooled with each other." if len(comparison.probes) > 1 else ""
    return f" Probes: {shown(sets_in_words(comparison.probes), 300)}.{apart}"


def gate_section(result: GateResult) -> Section:
    rows = tuple(_check_row(check) for check in result.checks)
    return Section(
        gate_line(result), ("check", "judge", "worse by, interval", "limit", "finds", "verdict"), rows, frozenset({4})
    )


def _check_row(check: Check) -> tuple[str, ...]:
    worse = "-" if check.worse is None else change(check.worse, check.low, check.high, is_mean=check.is_mean)
    seen = "-" if check.detectable is None else f"{check.detectable * (1 if check.is_mean else 100):.1f}"
    return shown(check.name, LONGEST), shown(check.judge, LONGEST) or "-", worse, check.limit, seen, check.outcome


def gate_line(result: GateResult) -> str:
    failed = [check for check in result.checks if check.outcome == result.outcome]
    return f"Gate: {result.outcome.upper()} ({len(failed)} of {len(result.checks)} checks {result.outcome})"


def open_checks(result: GateResult) -> list[str]:
    """Why each check that did not pass did not."""
    return [
        f"{check.outcome}: {shown(check.name, LONGEST)}{f', {check.limit}' if check.limit else ''}: {check.reason}"
        for check in result.checks
        if check.outcome != "pass"
    ]


GATE_LEGEND = (
    "Worse by: percentage points that the candidate is worse (negative: better); of a floor or ceiling, beyond it. "
    "Finds: the smallest worsening that would be called a regression four times in five at this n, in points."
)


def gate_rule(result: GateResult) -> str:
    """By which rule the gate decided, and what it takes the judge to be."""
    level = result.alpha if result.side == "one-sided" else result.alpha / 2
    over = f" of {result.candidates} candidates" if result.candidates > 1 else ""
    return (
        f"A check at its margin passes in at most {100 * level:g} % ({result.side}: intervals of "
        f"{100 * (1 - 2 * level):g} %). Where nothing changed, a regression is called in at most "
        f"{100 * result.alpha:g} %, by Holm over {result.tests} tests{over}. {_judge_line(result)}"
    )


def _judge_line(result: GateResult) -> str:
    gains = {check.judge: check.gain for check in result.checks if check.gain is not None}
    if gains:
        judges = ", ".join(f"{shown(judge, LONGEST)} shows {100 * gain:.0f} %" for judge, gain in gains.items())
        return f"Corrected for the judge's errors, with their uncertainty: of a true change {judges}."
    return (
        "Judges are taken to be exact: one that is wrong in 2 % (5 %) shows a loss of 10 points as 9.6 (9.0), and is "
        "corrected for with --calibration."
    )
