"""What items say of checkpoints, on a terminal and as CSV: first how many tell the checkpoints apart."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from em_bench.compare.items import FEWEST, FEWEST_RESPONSES, Item, ItemSet, ItemStatistics, State, rate_of_items
from em_bench.compare.short_forms import TaskShortForm
from em_bench.metrics.registry import Kind
from em_bench.reports.rates import cell
from em_bench.reports.tables import add_row, folding_table
from em_bench.reports.titles import subject
from em_bench.stats.discrimination import FEWEST_TAKERS, Discrimination
from em_bench.stats.intervals import wilson
from em_bench.stats.short_form import Fit
from em_bench.text import shown

MOST = 10
COLUMNS = (
    *("task", "id", "kind", "domain", "tier", "subcategory", "judge", "metric", "state"),
    *("difficulty", "difficulty_low", "difficulty_high", "checkpoints"),
    *("discrimination", "discrimination_low", "discrimination_high", "short_form"),
)


def item_parts(
    statistics: ItemStatistics, forms: Sequence[TaskShortForm] = (), *, everything: bool = False
) -> Iterator[RenderableType]:
    """One screen; `everything` adds rates by part and a row for each item."""
    yield Text(answer(statistics), style="bold")
    yield ""
    yield _summary(statistics)
    yield ""
    yield from _domains(statistics)
    yield from _best(statistics)
    yield from _worst_probes(statistics)
    if forms:
        yield from _short_forms(forms)
    if everything:
        yield from _everything(statistics)
    yield from _notes(statistics, everything=everything)


def answer(statistics: ItemStatistics) -> str:
    """How many items of each kind tell the checkpoints apart."""
    count = len(statistics.checkpoints)
    if count < FEWEST:
        return "One checkpoint: nothing can be told apart; give runs of two or more."
    counts = []
    for kind, sets in _by_kind(statistics):
        items = [item for each in sets for item in each.items]
        apart = sum(item.state is State.APART for item in items)
        counts.append(f"{apart:,} of {len(items):,} {kind.prompts} ({100 * apart / len(items):.0f} %)")
    return f"What tells {count} checkpoints apart: {'; '.join(counts)}."


def csv_text(statistics: ItemStatistics, forms: Sequence[TaskShortForm] = ()) -> str:
    """A row an item, with the share for each checkpoint in a column of its own."""
    chosen = {(form.task, name) for form in forms for name in form.ids}
    names = list(statistics.checkpoints)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *(f"share: {shown(name)}" for name in names)])
    for each in statistics.sets:
        for item in each.items:
            rate, found = item.difficulty, item.discrimination
            place = (item.task, item.id, each.kind, item.domain, item.tier, item.subcategory)
            numbers = [rate.value, rate.low, rate.high, rate.n] if rate else [None] * 4
            numbers += [found.value, found.low, found.high] if found else [None] * 3
            mark = "yes" if (item.task, item.id) in chosen else ""
            writer.writerow(
                [*place, each.judge, each.metric, item.state, *numbers, mark, *(item.values[name] for name in names)]
            )
    return out.getvalue()


def _by_kind(statistics: ItemStatistics) -> Iterator[tuple[Kind, list[ItemSet]]]:
    for kind in Kind:
        if sets := [each for each in statistics.sets if each.kind is kind]:
            yield kind, sets


def _tiers(items: Iterable[Item]) -> dict[str, list[Item]]:
    tiers: dict[str, list[Item]] = {}
    for item in items:
        tiers.setdefault(item.tier or "-", []).append(item)
    return tiers


def _summary(statistics: ItemStatistics) -> Table:
    table = folding_table("items", "tier", "judge", "n", "apart", "all", "none", "unclear", right=[3, 4, 5, 6, 7])
    for kind, sets in _by_kind(statistics):
        for tier, items in _tiers(item for each in sets for item in each.items).items():
            states = Counter(item.state for item in items)
            counts = (str(states[state]) for state in State)
            add_row(table, kind.prompts, shown(tier), shown(sets[0].judge), str(len(items)), *counts)
    return table


def _domains(statistics: ItemStatistics) -> Iterator[RenderableType]:
    """A row a domain, a column a tier: how many of its items tell the checkpoints apart."""
    sets = [each for each in statistics.sets if each.kind is not Kind.PROBE]
    if len(sets) < 2 or len(statistics.checkpoints) < FEWEST:
        return
    cells: dict[str, dict[str, str]] = {}
    for each in sets:
        for tier, items in _tiers(each.items).items():
            apart = sum(item.state is State.APART for item in items)
            row = cells.setdefault(each.items[0].domain or each.name, {})
            row[_column(each.kind, tier)] = f"{apart} of {len(items)}"
    columns = list(dict.fromkeys(column for row in cells.values() for column in row))
    table = folding_table("tell apart", *map(shown, columns), right=range(1, len(columns) + 1))
    for name, row in cells.items():
        add_row(table, shown(name), *(row.get(column, "-") for column in columns))
    yield table
    yield ""


def _column(kind: Kind, tier: str) -> str:
    return kind.value if tier == "-" else tier


def _best(statistics: ItemStatistics) -> Iterator[RenderableType]:
    found = [(item.discrimination.value, item) for item in _items(statistics) if item.discrimination]
    if not found:
        return
    found.sort(key=lambda each: -each[0])
    yield Text(f"The most discriminating of {len(found):,} items", style="bold")
    table = folding_table("item", "tier", "subcategory", "difficulty", "discrimination")
    for _, item in found[:MOST]:
        _item_row(table, item)
    yield table
    yield ""


def _worst_probes(statistics: ItemStatistics) -> Iterator[RenderableType]:
    for each in statistics.sets:
        if each.kind is Kind.PROBE:
            yield Text(
                f"{subject(each.kind, each.metric.name)}{each.metric.suffix}, by probe, the highest", style="bold"
            )
            rated = [(rate, item) for item in each.items if (rate := rate_of_items(each.metric, [item])) and rate.n]
            rated.sort(key=lambda pair: -(pair[0].value or 0))
            table = folding_table("probe", "theme", "share", "answers", right=[2, 3])
            for rate, item in rated[:MOST]:
                add_row(table, shown(item.id), shown(item.subcategory), f"{100 * (rate.value or 0):.1f} %", str(rate.n))
            yield table
            yield ""


def _short_forms(forms: Sequence[TaskShortForm]) -> Iterator[RenderableType]:
    yield Text(
        "Short forms: error in points, mean (largest), and pairs of checkpoints in the right order", style="bold"
    )
    table = folding_table("task", "prompts", "in sample", "left out", "random prompts, left out")
    for each in forms:
        fits = (each.form.in_sample, each.form.left_out, each.form.at_random)
        add_row(table, shown(each.task), f"{len(each.ids)} of {each.of}", *map(_fit_cell, fits))
    yield table
    better = sum(each.form.left_out.mean_error < each.form.at_random.mean_error for each in forms)
    yield Text(f"The chosen prompts err less than random ones in {better} of {len(forms)} tasks (left out).")
    yield Text(
        "In sample: on the checkpoints that chose the prompts, so too good. Left out: each checkpoint by a form made "
        "without it, as a new one of the same sort would be. --csv marks the prompts, --json lists them.",
        style="dim",
    )
    yield ""


def _fit_cell(fit: Fit) -> str:
    ordered = "" if fit.ordered is None else f", {100 * fit.ordered:.0f} %"
    return f"{100 * fit.mean_error:.1f} ({100 * fit.max_error:.1f}){ordered}"


def _everything(statistics: ItemStatistics) -> Iterator[RenderableType]:
    for part in ("tier", "subcategory"):
        yield Text(f"By {part}, over the responses of all checkpoints", style="bold")
        yield from _part_table(statistics, part)
        yield ""
    for each in statistics.sets:
        yield Text(shown(f"{each.name}: {subject(each.kind, each.metric.name)}, judge {each.judge}"), style="bold")
        yield from _dead(each)
        table = folding_table("item", "tier", "subcategory", "difficulty", "discrimination")
        for item in each.items:
            _item_row(table, item)
        yield table
        yield ""


def _part_table(statistics: ItemStatistics, part: str) -> Iterator[RenderableType]:
    table, few = folding_table("task", part, "items", "share", right=[2]), 0
    for each in statistics.sets:
        by_part = sorted(each.items, key=lambda item: str(getattr(item, part)))
        for name, members in groupby(by_part, key=lambda item: str(getattr(item, part))):
            items = list(members)
            rate = rate_of_items(each.metric, items)
            if rate is None or rate.n < FEWEST_RESPONSES or rate.too_few:
                few += 1
            else:
                add_row(table, shown(each.name), shown(name or "-"), str(len(items)), cell(rate, unit="items"))
    yield table
    if few:
        yield Text(f"{few} more have fewer than {FEWEST_RESPONSES} scored responses, or next to no items.", style="dim")


def _dead(each: ItemSet) -> Iterator[RenderableType]:
    for tier, items in _tiers(each.items).items():
        for state in (State.ALL, State.NONE):
            if names := [item.id for item in items if item.state is state]:
                yield Text(shown(f"{tier}, {state}: {len(names)}: {', '.join(names)}", 100_000))


def _item_row(table: Table, item: Item) -> None:
    add_row(
        table,
        *map(shown, (item.id, item.tier or "-", item.subcategory or "-")),
        cell(item.difficulty) if item.difficulty else "-",
        _correlation(item.discrimination),
    )


def _correlation(found: Discrimination | None) -> str:
    return "-" if found is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _items(statistics: ItemStatistics) -> list[Item]:
    return [item for each in statistics.sets for item in each.items]


def _notes(statistics: ItemStatistics, *, everything: bool) -> Iterator[RenderableType]:
    count = len(statistics.checkpoints)
    yield Text(
        "apart: the checkpoints differ; all, none: every one refuses (a probe: is misaligned; a crisis: gives "
        "care), or none does; unclear: fewer "
        f"than {FEWEST} are scored. Sampled answers and a judge's errors alone can tell checkpoints apart. Difficulty: "
        "the share of checkpoints, with Wilson's interval.",
        style="dim",
    )
    if count >= FEWEST:
        low = 100 * wilson(1.0, count)[0]
        yield Text(
            f"All {count} is little: of such checkpoints {low:.0f} to 100 % would do the same (95 %).", style="dim"
        )
    if count < FEWEST_TAKERS:
        yield Text(f"Discrimination needs {FEWEST_TAKERS} checkpoints; there {'is' if count == 1 else 'are'} {count}.")
    else:
        yield Text(
            f"Discrimination: correlation over {count} checkpoints with the share on the task's other items, and its "
            "95 % interval. The highest of many are too high on average.",
            style="dim",
        )
    if statistics.left_out:
        yield Text(shown(f"Left out, as not every run has them judged: {', '.join(statistics.left_out)}"))
    if not everything:
        yield Text("--all lists every item, the rates by tier and subcategory, and the dead items.", style="dim")
