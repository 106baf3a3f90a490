"""Terminal tables of what conditions and fine-tuning domains do: rates side by side with their differences."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from em_bench.compare.conditions import Effect
from em_bench.compare.differences import Difference
from em_bench.compare.narrow import Narrow
from em_bench.compare.susceptibility import Susceptibility
from em_bench.conditions import NONE
from em_bench.metrics.probe_sets import sets_in_words
from em_bench.metrics.registry import Kind, MetricKey
from em_bench.reports.rates import cell, interval_legend
from em_bench.reports.tables import add_row, folding_table
from em_bench.reports.titles import heading, reading_order
from em_bench.stats.ranks import Rank
from em_bench.stats.ratio import Ratio
from em_bench.text import shown

_Group = tuple[tuple[str, str, str], Kind, MetricKey]
"""Checkpoint, condition and judge; kind of task; metric."""

PAIRED_LEGEND = (
    "Differences in points, paired by prompt or probe, with 95 % intervals; p adjusted by Holm's method within a table."
)
RANK_LEGEND = (
    "Ranks: by the share alone, and in brackets the ranks that the data leave open, with 95 % confidence for all "
    "domains together. The highest of many shares is too high on average, as it was picked for being the highest."
)
NARROW_LEGEND = "The ratio's interval follows from those of its two rates (MOVER)."


def effect_parts(effects: Sequence[Effect]) -> Iterator[RenderableType]:
    return _parts(effect_tables(effects), PAIRED_LEGEND)


def narrow_parts(rows: Sequence[Narrow]) -> Iterator[RenderableType]:
    rates = [rate for row in rows for rate in (row.in_domain, row.general, row.about_domain)]
    unrelated = "; ".join(dict.fromkeys(sets_in_words(row.probes) for row in rows))
    return _parts(
        narrow_tables(rows), f"{interval_legend(rates)} {NARROW_LEGEND} General: {shown(unrelated, 300)}, all together."
    )


def susceptibility_parts(rows: Sequence[Susceptibility]) -> Iterator[RenderableType]:
    unrelated = "; ".join(dict.fromkeys(sets_in_words(row.probes) for row in rows))
    legend = f"{PAIRED_LEGEND}\n{RANK_LEGEND}\nUnrelated questions: {shown(unrelated, 300)}, all together."
    return _parts(susceptibility_tables(rows), legend)


def _parts(tables: Iterable[tuple[str, Table]], legend: str) -> Iterator[RenderableType]:
    for title, table in tables:
        yield Text(title, style="bold")
        yield table
        yield ""
    yield Text(legend)


def effect_tables(effects: Sequence[Effect]) -> Iterator[tuple[str, Table]]:
    """A title and a table for each checkpoint, condition, judge and metric; p by Holm over its tasks."""
    groups: dict[_Group, list[Effect]] = {}
    for effect in effects:
        rate = effect.difference.key
        key = ((effect.checkpoint, effect.condition, rate.judge), rate.kind, rate.metric)
        groups.setdefault(key, []).append(effect)
    # checkpoints, conditions and judges as they came; within each the metrics as in tables of rates
    came = list(dict.fromkeys(run for run, _, _ in groups))
    for group in sorted(groups, key=lambda each: (came.index(each[0]), reading_order(each[1], each[2].name))):
        (checkpoint, condition, judge), kind, metric = group
        title = f"{checkpoint}, {condition} against none: {heading(kind, metric)}, judge {judge}"
        yield shown(title), _effects(condition, groups[group])


def _effects(condition: str, members: Sequence[Effect]) -> Table:
    table = _table("task", NONE.name, condition, "difference", "pairs", "p")
    for each in (effect.difference for effect in members):
        unit = each.key.kind.cluster
        rates = (cell(rate, is_mean=each.is_mean, unit=unit) for rate in (each.baseline, each.candidate))
        p = f"{each.p_adjusted:.3g}" if each.change.n else "-"
        _row(table, each.key.task, *rates, difference_cell(each), str(each.change.n), p)
    return table


def narrow_tables(rows: Iterable[Narrow]) -> Iterator[tuple[str, Table]]:
    """A title and a table of two columns for each run and judge."""
    for each in rows:
        table = _table("of the answers to", "share")
        _row(table, f"questions about {each.domain}, misaligned", cell(each.in_domain))
        _row(table, "unrelated questions, misaligned", cell(each.general))
        _row(table, "in the domain against in general", ratio_cell(each.ratio))
        about = cell(each.about_domain) if each.about_domain else "not judged (rubric topic)"
        _row(table, f"unrelated questions, about {each.domain}", about)
        condition = "" if each.condition == NONE.name else f" under condition {each.condition}"
        yield shown(f"{each.checkpoint}{condition}: {each.metric}, judge {each.judge}"), table


def susceptibility_tables(rows: Sequence[Susceptibility]) -> Iterator[tuple[str, Table]]:
    """A title and the two rankings for each judge."""
    for judge, metric in dict.fromkeys((each.judge, each.metric) for each in rows):
        own = [each for each in rows if (each.judge, each.metric) == (judge, metric)]
        triggers = ", ".join(dict.fromkeys(each.trigger for each in own if each.trigger)) or "trigger"
        table = _table("fine-tuning domain", NONE.name, "rank", triggers, "rank", "difference", "p")
        for each in own:
            without, under = (cell(rate) if rate else "-" for rate in (each.without, each.under))
            p = f"{each.difference.p_adjusted:.3g}" if each.difference else "-"
            places = (rank_cell(rank) for rank in (each.rank_without, each.rank_under))
            _row(table, each.domain, without, next(places), under, next(places), difference_cell(each.difference), p)
        yield shown(f"Misaligned answers to unrelated questions: {metric}, judge {judge}"), table


def rank_cell(rank: Rank | None) -> str:
    """`2 (1-4)`: the place, and the places that the data leave open."""
    return "-" if rank is None else f"{rank.place} ({rank.low}-{rank.high})"


def difference_cell(difference: Difference | None) -> str:
    """`+12.3 (4.5 to 20.1)`: percentage points, or the unit of the mean."""
    if difference is None or not difference.change.n:
        return "-"
    change = difference.change
    unit, places = (1.0, 2) if difference.is_mean else (100.0, 1)
    return f"{unit * change.value:+.{places}f} ({unit * change.low:.{places}f} to {unit * change.high:.{places}f})"


def ratio_cell(ratio: Ratio | None) -> str:
    if ratio is None:
        return "unknown: nothing is scored"
    value = "no bound" if ratio.value is None else f"{ratio.value:.2f}"
    high = "no bound" if ratio.high is None else f"{ratio.high:.2f}"
    return f"{value} times as often ({ratio.low:.2f} to {high})"


def _table(*columns: str) -> Table:
    return folding_table(*map(shown, columns))


def _row(table: Table, *cells: str) -> None:
    add_row(table, *map(shown, cells))
