"""The parts of a report as plain texts, whatever it is written in: what the terminal and Markdown have in common."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from em_bench.compare.comparison import Comparison
from em_bench.compare.differences import BOOTSTRAP, Difference, by_family
from em_bench.compare.gate import Check, Verdict
from em_bench.compare.spillover import Spillover
from em_bench.metrics.registry import METRICS, Kind
from em_bench.reports.titles import direction, title
from em_bench.stats.intervals import Rate
from em_bench.text import shown

LONGEST = 120


@dataclass(frozen=True, slots=True)
class Section:
    """A table: its title, its columns, its rows of texts; `right` are the columns of numbers, by place."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()


def heading(comparison: Comparison) -> str:
    return f"{shown(comparison.candidate, LONGEST)} against {shown(comparison.baseline, LONGEST)}"


ORDER = (Kind.HARMFUL, Kind.BENIGN, Kind.PROBE)


def sections(comparison: Comparison) -> Iterator[Section]:
    """A table for each rate that is not nothing on both sides: task by task, and over all of them."""
    yield from (_section(family) for family in _families(comparison) if not _is_nothing(family))


def nothing_lines(comparison: Comparison) -> list[str]:
    """The rates that are 0 in every task on both sides, a line each instead of a table."""
    return [f"{_title(family[0])}: none on either side" for family in _families(comparison) if _is_nothing(family)]


def _families(comparison: Comparison) -> list[list[Difference]]:
    # of one task, the whole is that task
    found = [list(dict.fromkeys(family)) for family in by_family([*comparison.differences, *comparison.pooled])]
    metrics = list(METRICS)
    return sorted(found, key=lambda family: (ORDER.index(family[0].kind), metrics.index(family[0].metric)))


def _is_nothing(family: Sequence[Difference]) -> bool:
    rates = [rate for each in family for rate in (each.baseline, each.candidate)]
    return not family[0].is_mean and all(rate is not None and rate.value == 0 and not rate.unscored for rate in rates)


def _title(each: Difference) -> str:
    better = direction(each.kind, each.metric)
    qualifier = f" ({each.definition})" if each.definition else ""
    prompts = f"{each.kind.prompts}, {better}" if better else each.kind.prompts
    return shown(f"{title(each.metric)}{qualifier}: {prompts}; judge {each.judge}", LONGEST)


def _section(family: Sequence[Difference]) -> Section:
    first = family[0]
    unit = "" if first.is_mean else " %"
    pairs = "probes" if first.method == BOOTSTRAP else "n"
    columns = ("", f"base{unit}", f"cand{unit}", "difference, interval", "p adj.", pairs, "unscored")
    return Section(_title(first), columns, tuple(_row(each) for each in family), frozenset({1, 2, 4, 5, 6}))


def _row(each: Difference) -> tuple[str, ...]:
    pooled = each.task.startswith("all ")
    name = each.task if pooled or not each.domain else each.domain
    return (
        shown(name.removeprefix("em_"), 26),
        _value(each.baseline, each.is_mean),
        _value(each.candidate, each.is_mean),
        change(each.difference, each.low, each.high, is_mean=each.is_mean),
        p_value(each.p_adjusted) if each.difference is not None else "-",
        str(each.n_pairs),
        f"{_unscored(each.baseline)}/{_unscored(each.candidate)}",
    )


def _value(rate: Rate | None, is_mean: bool) -> str:
    return "-" if rate is None or rate.value is None else f"{rate.value * (1 if is_mean else 100):.1f}"


def _unscored(rate: Rate | None) -> int:
    return rate.unscored if rate else 0


def change(value: float | None, low: float | None, high: float | None, *, is_mean: bool = False) -> str:
    """`-61.1 (-69.8, -51.7)`: percentage points, or the judge's own unit."""
    if value is None or low is None or high is None:
        return "no pairs"
    factor = 1 if is_mean else 100
    # + 0.0 as there is a negative zero
    told = [f"{round(factor * number, 1) + 0.0:+.1f}" for number in (value, low, high)]
    return f"{told[0]} ({told[1]}, {told[2]})"


def p_value(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def spillover_lines(found: Spillover | None) -> list[str]:
    """The intended change, the others', and the worst of them."""
    if found is None:
        return []
    told = [("Target", found.target), ("Mean of the other domains", found.others), ("Worst of them", found.worst)]
    lines = [
        f"{name}{'' if each is found.others else f' ({each.domain})'}: "
        f"{change(each.difference, each.low, each.high)} points, n={each.n_pairs}"
        for name, each in told
    ]
    if found.ratio is not None and found.ratio > 0:
        lines.append(f"The other domains changed by {100 * found.ratio:.0f} % of what the target did")
    elif found.ratio is not None:
        lines.append("The other domains did not go the target's way")
    return lines


def remarks(comparison: Comparison) -> list[str]:
    """What a reader must know beside the numbers."""
    said = [f"NOT COMPARABLE, forced: {shown(reason, 300)}" for reason in comparison.forced]
    said += [f"Note: {shown(note, 300)}" for note in comparison.notes]
    return said + [
        f"{shown(each.task, LONGEST)}, {each.metric} by {shown(each.judge, LONGEST)}: "
        "unscored responses leave the difference anywhere "
        f"from {100 * each.worst:+.1f} to {100 * each.best:+.1f} points"
        for each in comparison.pooled
        if each.worst is not None and each.best is not None and each.best - each.worst > 0.01
    ]


def legend(comparison: Comparison) -> str:
    methods = dict.fromkeys(each.method for each in comparison.differences)
    return (
        f"{100 * comparison.confidence:g} % intervals of paired differences, in points: {'; '.join(methods)}. "
        "p: two-sided, Holm over the rows above `all`. Unscored: baseline/candidate."
    )


def gate_section(verdict: Verdict) -> Section:
    rows = tuple(_check_row(check) for check in verdict.checks)
    return Section(
        gate_line(verdict), ("check", "worse by, interval", "limit", "finds", "verdict"), rows, frozenset({3})
    )


def _check_row(check: Check) -> tuple[str, ...]:
    worse = "-" if check.worse is None else change(check.worse, check.low, check.high, is_mean=check.is_mean)
    seen = "-" if check.detectable is None else f"{check.detectable * (1 if check.is_mean else 100):.1f}"
    return shown(check.name, LONGEST), worse, check.limit, seen, check.outcome


def gate_line(verdict: Verdict) -> str:
    failed = [check for check in verdict.checks if check.outcome == verdict.outcome]
    return f"Gate: {verdict.outcome.upper()} ({len(failed)} of {len(verdict.checks)} checks {verdict.outcome})"


def open_checks(verdict: Verdict) -> list[str]:
    """Why each check that did not pass did not."""
    return [
        f"{check.outcome}: {shown(check.name, LONGEST)}{f', {check.limit}' if check.limit else ''}: {check.reason}"
        for check in verdict.checks
        if check.outcome != "pass"
    ]


GATE_LEGEND = (
    "Worse by: percentage points that the candidate is worse (negative: better); of a floor or ceiling, beyond it. "
    "Finds: the smallest worsening that would be called a regression four times in five at this n, in points."
)
