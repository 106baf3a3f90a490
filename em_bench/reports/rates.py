"""Terminal tables of rates: a row a task, a column a checkpoint; of many checkpoints a row each."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from em_bench.conditions import NONE
from em_bench.metrics.probe_sets import set_of, sets_in_words
from em_bench.metrics.registry import Kind, MetricKey
from em_bench.reports.tables import add_row, folding_table
from em_bench.reports.titles import heading, judge_name, reading_order
from em_bench.runs.rates import TaskRate
from em_bench.stats.intervals import Rate, RateMethod
from em_bench.text import shown

LABEL = "label_share"
MOST_COLUMNS, MOST_REASONS = 4, 8
LONGEST_NAME, NARROWEST_RATE = 32, 12


_METHODS = {
    RateMethod.WILSON: "Wilson's",
    RateMethod.CLUSTERS: "where a prompt or probe has several responses, over prompts or probes (docs/statistics.md)",
    RateMethod.MEANS: "of means, Student's t over prompts or probes",
}


def interval_legend(rates: Iterable[Rate | None]) -> str:
    """Which intervals some rates have, in one sentence."""
    methods = {rate.method for rate in rates if rate is not None}
    return f"95 % intervals: {'; '.join(text for method, text in _METHODS.items() if method in methods) or 'none'}."


def rate_parts(lines: Sequence[TaskRate]) -> Iterator[RenderableType]:
    """The tables with their titles, and what the intervals are."""
    for title, table in rate_tables(lines):
        yield Text(title, style="bold")
        yield table
        yield ""
    yield Text(f"{interval_legend(line.rate for line in lines)} Unscored: none unless stated.{_probes(lines)}")


def _probes(lines: Sequence[TaskRate]) -> str:
    """How many probes of which set the rates of whole tasks rest on."""
    counts: dict[str, int] = {}
    for line in lines:
        if line.kind is Kind.PROBE and not line.part and line.rate is not None and line.rate.clusters:
            name = set_of(line.task)
            counts[name] = max(counts.get(name, 0), line.rate.clusters)
    return f" Probes: {shown(sets_in_words(counts), 300)}." if counts else ""


def rate_tables(lines: Sequence[TaskRate]) -> Iterator[tuple[str, RenderableType]]:
    """A title and a table for each judge, kind of task and metric; then what they left unscored, and
    how far juries agree.

    Cells: the rate or mean, its 95 % interval, n scored, and what share is unscored.
    """
    columns = list(dict.fromkeys(_column(line) for line in lines if not line.tier))
    judges = list(dict.fromkeys(line.judge for line in lines))
    groups: dict[tuple[str, Kind, MetricKey, bool, str], list[TaskRate]] = {}
    for line in lines:
        # the labels of one judge stand together
        metric = MetricKey(LABEL) if line.metric.name == LABEL else line.metric
        groups.setdefault((line.judge, line.kind, metric, bool(line.tier), line.rubric), []).append(line)
    for key in sorted(groups, key=lambda key: (judges.index(key[0]), reading_order(key[1], key[2].name), *key[3:])):
        judge, kind, metric, by_tier, rubric = key
        own = list(dict.fromkeys(map(_column, groups[key]))) if by_tier else columns
        name = f"{heading(kind, metric)}{' by tier' if by_tier else ''}, {judge_name(judge, rubric)}"
        yield shown(name), _table(groups[key], own)
    yield from _notes(lines)


def _column(line: TaskRate) -> str:
    name = line.checkpoint if line.condition == NONE.name else f"{line.checkpoint} [condition {line.condition}]"
    return shown(f"{name}: {line.tier}" if line.tier else name)


def _row(line: TaskRate) -> str:
    """The task, and the label where a metric has one."""
    task = line.task.removesuffix(f" [{line.tier}]")
    return shown(f"{task}{line.metric.suffix if line.metric.name == LABEL else ''}")


def _table(lines: Sequence[TaskRate], columns: Sequence[str]) -> RenderableType:
    return _long_table(lines) if len(columns) > MOST_COLUMNS else _SideBySide(lines, columns)


@dataclass(frozen=True, slots=True)
class _SideBySide:
    """A row a task, a column a checkpoint. A rate may break after its share; a task's name breaks only if it is very
    long or the terminal very narrow.
    """

    lines: Sequence[TaskRate]
    columns: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = folding_table("task", *self.columns)
        longest = max(len("task"), *(len(_row(line)) for line in self.lines))
        left = options.max_width - NARROWEST_RATE * len(self.columns)
        table.columns[0].width = max(4, min(longest, LONGEST_NAME, left))  # rich crops a table for a min_width
        cells = {(_row(line), _column(line)): _marked(line) for line in self.lines}
        for row in dict.fromkeys(map(_row, self.lines)):
            add_row(table, row, *(cells.get((row, column), "-") for column in self.columns))
        yield table


def _long_table(lines: Sequence[TaskRate]) -> Table:
    """A row for each task and checkpoint, where a column for each checkpoint would be too narrow to read."""
    table = folding_table("task", "checkpoint", "rate")
    for line in lines:
        add_row(table, _row(line), _column(line), _marked(line))
    return table


def _marked(line: TaskRate) -> Text:
    text = Text(cell(line.rate, is_mean=line.is_mean, unit=line.kind.cluster, is_part=bool(line.part)))
    return text.append(" TOO MANY UNSCORED", "bold red") if line.over_max_unscored else text


def cell(rate: Rate | None, *, is_mean: bool = False, unit: str = "probes", is_part: bool = False) -> str:
    """`97.2 % (92.1-99.1) n=108`, and what share is unscored where any is; a mean is in its own unit.

    No rate: no response is one that the metric counts, such as a coherent answer. Next to no clusters, or responses to
    a part of a task, have no rate but their number. `unit`: what clusters are.
    """
    if rate is None:
        return "no response counts"
    if rate.value is None:
        return f"unscored: all {rate.unscored}"
    if rate.too_few and (is_part or rate.clusters is not None):
        clusters = "" if rate.clusters is None else f" of {rate.clusters} {unit}"
        text = f"too few to tell: n={rate.n}{clusters}"
    elif is_mean:
        places = 1 if rate.high > 1 else 3
        text = f"{rate.value:.{places}f} ({rate.low:.{places}f}-{rate.high:.{places}f}) n={rate.n}"
    else:
        text = f"{100 * rate.value:.1f} % ({100 * rate.low:.1f}-{100 * rate.high:.1f}) n={rate.n}"
    return f"{text}, {100 * rate.unscored_share:.1f} % unscored" if rate.unscored else text


def _notes(lines: Sequence[TaskRate]) -> Iterator[tuple[str, Table]]:
    tasks = {(line.judge, _column(line), line.task): line for line in lines}  # all metrics of a task say the same
    if any(line.reasons for line in tasks.values()):
        yield "Left unscored, by reason", _reasons(tasks)
    if any(line.agreement for line in tasks.values()):
        table = folding_table("judge", "checkpoint", "task", "alpha")
        for (judge, column, task), line in tasks.items():
            values = ", ".join(f"{axis} {_alpha(value)}" for axis, value in (line.agreement or {}).items())
            if values:
                add_row(table, shown(judge), column, shown(task), shown(values))
        yield "Agreement of the jury (Krippendorff's alpha: 1 is full agreement, 0 is chance)", table


def _alpha(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _reasons(tasks: Mapping[tuple[str, str, str], TaskRate]) -> Table:
    """The reasons on all tasks together, by judge and checkpoint, the commonest first."""
    table = folding_table("judge", "checkpoint", "responses", "reason", right=[2])
    counts: dict[tuple[str, str], Counter[str]] = {}
    for (judge, column, _), line in tasks.items():
        counts.setdefault((judge, column), Counter()).update(line.reasons)
    for (judge, column), reasons in counts.items():
        commonest = reasons.most_common(MOST_REASONS)
        if rest := reasons.total() - sum(count for _, count in commonest):
            commonest.append((f"{len(reasons) - len(commonest)} other reasons", rest))
        for reason, count in commonest:
            add_row(table, shown(judge), column, str(count), shown(reason))
    return table
