"""Terminal tables of groups of runs, and of what a condition does in one group and in the other."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from em_bench.compare.groups import GroupDifference
from em_bench.compare.interaction import Interaction
from em_bench.metrics.registry import Kind, MetricKey
from em_bench.reports.tables import add_row, folding_table
from em_bench.reports.titles import heading, reading_order
from em_bench.stats.crossed import Crossed
from em_bench.stats.paired import Paired
from em_bench.text import shown

LEGEND = (
    "Candidates' mean minus baselines' in points, with 95 % intervals: over prompts they hold for these checkpoints, "
    "over runs with the variance between training runs. p is of the last interval, by Holm's method over the tasks."
)


def group_parts(differences: Sequence[GroupDifference]) -> Iterator[RenderableType]:
    yield from _tables(differences, "")
    yield Text(LEGEND)
    yield Text(claim(differences))


def interaction_parts(interactions: Sequence[Interaction]) -> Iterator[RenderableType]:
    for condition in dict.fromkeys(each.condition for each in interactions):
        yield from _tables(
            [each.difference for each in interactions if each.condition == condition],
            f"Effect of {condition} against none: ",
        )
    yield Text(f"Baseline and candidate: the effects in them. {LEGEND}")
    yield Text(claim([each.difference for each in interactions]))


def claim(differences: Sequence[GroupDifference]) -> str:
    """What is compared, and how far the numbers reach."""
    if not differences:
        return "No prompt has a scored response in every run."
    groups = {"baseline": differences[0].baselines, "candidate": differences[0].candidates}
    names = "; ".join(f"{len(of)} {side}{'' if len(of) == 1 else 's'}: {', '.join(of)}" for side, of in groups.items())
    single = " and ".join(side for side, of in groups.items() if len(of) == 1)
    if not single:
        return shown(f"{names}. The intervals over runs hold for both recipes.")
    return shown(
        f"{names}. The {single} side says something of this checkpoint, not of its recipe: one training run does not "
        "show how much training runs differ."
    )


def _tables(differences: Iterable[GroupDifference], before: str) -> Iterator[RenderableType]:
    groups: dict[tuple[Kind, str, MetricKey], list[GroupDifference]] = {}
    for each in differences:
        groups.setdefault((each.key.kind, each.key.judge, each.key.metric), []).append(each)
    for kind, judge, metric in sorted(groups, key=lambda each: (reading_order(each[0], each[2].name), each[1])):
        yield Text(shown(f"{before}{heading(kind, metric)}, judge {judge}"), style="bold")
        yield _table(groups[kind, judge, metric])
        yield ""


def _table(members: Sequence[GroupDifference]) -> Table:
    table = folding_table("task", "baseline", "candidate", "over prompts", "over runs", "runs", "prompts", "p")
    for each in members:
        unit, places = (1.0, 2) if each.is_mean else (100.0, 1)
        change = each.over_prompts
        sides = (f"{unit * value:.{places}f}" for value in (change.before, change.after))
        over_runs = _interval(each.over_runs, unit, places) if each.over_runs else "-"
        runs = f"{len(each.baselines)} + {len(each.candidates)}"
        cells = (*sides, _interval(change, unit, places), over_runs, runs, str(change.n), f"{each.p_adjusted:.3g}")
        add_row(table, *map(shown, (each.key.task, *cells)))
    return table


def _interval(change: Paired | Crossed, unit: float, places: int) -> str:
    ends = f"({unit * change.low:.{places}f} to {unit * change.high:.{places}f})"
    return f"{unit * change.value:+.{places}f} {ends}"
