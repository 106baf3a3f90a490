"""Terminal tables of rates: a row a task, a column a checkpoint; of many checkpoints a row each."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from em_bench.conditions import NONE
from em_bench.metrics.registry import Kind, MetricKey
from em_bench.reports.titles import heading, reading_order
from em_bench.runs.rates import Line
from em_bench.stats.intervals import Rate
from em_bench.text import shown

LABEL = "label_share"
MOST_COLUMNS, MOST_REASONS = 4, 8
LONGEST_NAME = 32


def rate_tables(lines: Sequence[Line]) -> Iterator[tuple[str, Table]]:
    """A title (rich's markup) and a table for each judge, kind of task and metric; then what they left unscored, and
    how far juries agree.

    Cells: the rate or mean, its 95 % interval, n scored, and what share is unscored.
    """
    columns = list(dict.fromkeys(map(_column, lines)))
    judges = list(dict.fromkeys(line.judge for line in lines))
    groups: dict[tuple[str, Kind, MetricKey], list[Line]] = {}
    for line in lines:
        # the labels of one judge stand together
        metric = MetricKey(LABEL) if line.metric.name == LABEL else line.metric
        groups.setdefault((line.judge, line.kind, metric), []).append(line)
    for judge, kind, metric in sorted(
        groups, key=lambda key: (judges.index(key[0]), reading_order(key[1], key[2].name))
    ):
        yield escape(shown(f"{heading(kind, metric)}, judge {judge}")), _table(groups[judge, kind, metric], columns)
    yield from _notes(lines)


def _column(line: Line) -> str:
    name = line.checkpoint if line.condition == NONE.name else f"{line.checkpoint} [condition {line.condition}]"
    return shown(name)


def _row(line: Line) -> str:
    """The task, and the label where a metric has one."""
    return shown(f"{line.task}{line.metric.suffix if line.metric.name == LABEL else ''}")


def _table(lines: Sequence[Line], columns: Sequence[str]) -> Table:
    if len(columns) > MOST_COLUMNS:
        return _long_table(lines)
    # Text, as a checkpoint's name may hold what rich would read as markup
    checkpoints = (Column(Text(name), overflow="fold") for name in columns)
    # a rate may break after its share; a task's name breaks only if it is very long
    longest = max(len(_row(line)) for line in lines)
    task = Column("task", overflow="fold", min_width=min(longest, LONGEST_NAME))
    table = Table(task, *checkpoints, box=None, pad_edge=False)
    cells = {(_row(line), _column(line)): _marked(line) for line in lines}
    for row in dict.fromkeys(map(_row, lines)):
        table.add_row(Text(row), *(cells.get((row, column), Text("-")) for column in columns))
    return table


def _long_table(lines: Sequence[Line]) -> Table:
    """A row for each task and checkpoint, where a column for each checkpoint would be too narrow to read."""
    table = Table("task", Column("checkpoint", overflow="fold"), "rate", box=None, pad_edge=False)
    for line in lines:
        table.add_row(Text(_row(line)), Text(_column(line)), _marked(line))
    return table


def _marked(line: Line) -> Text:
    text = Text(cell(line.rate, is_mean=line.is_mean))
    return text.append(" TOO MANY UNSCORED", "bold red") if line.over_max_unscored else text


def cell(rate: Rate | None, *, is_mean: bool = False) -> str:
    """`97.2 % (92.1-99.1) n=108`, and what share is unscored where any is; a mean is in its own unit."""
    if rate is None:
        return "unscored"
    if rate.value is None:
        return f"unscored: all {rate.unscored}"
    if is_mean:
        places = 1 if rate.high > 1 else 3
        text = f"{rate.value:.{places}f} ({rate.low:.{places}f}-{rate.high:.{places}f}) n={rate.n}"
    else:
        text = f"{100 * rate.value:.1f} % ({100 * rate.low:.1f}-{100 * rate.high:.1f}) n={rate.n}"
    return f"{text}, {100 * rate.unscored_share:.1f} % unscored" if rate.unscored else text


def _notes(lines: Sequence[Line]) -> Iterator[tuple[str, Table]]:
    tasks = {(line.judge, _column(line), line.task): line for line in lines}  # all metrics of a task say the same
    if any(line.reasons for line in tasks.values()):
        yield "Left unscored, by reason", _reasons(tasks)
    if any(line.agreement for line in tasks.values()):
        table = Table("judge", "checkpoint", "task", "alpha", box=None, pad_edge=False)
        for (judge, column, task), line in tasks.items():
            values = ", ".join(f"{axis} {_alpha(value)}" for axis, value in (line.agreement or {}).items())
            if values:
                table.add_row(*map(Text, (shown(judge), column, shown(task), shown(values))))
        yield "Agreement of the jury (Krippendorff's alpha: 1 is full agreement, 0 is chance)", table


def _alpha(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _reasons(tasks: Mapping[tuple[str, str, str], Line]) -> Table:
    """The reasons on all tasks together, by judge and checkpoint, the commonest first."""
    table = Table("judge", "checkpoint", Column("responses", justify="right"), "reason", box=None, pad_edge=False)
    counts: dict[tuple[str, str], Counter[str]] = {}
    for (judge, column, _), line in tasks.items():
        counts.setdefault((judge, column), Counter()).update(line.reasons)
    for (judge, column), reasons in counts.items():
        commonest = reasons.most_common(MOST_REASONS)
        if rest := reasons.total() - sum(count for _, count in commonest):
            commonest.append((f"{len(reasons) - len(commonest)} other reasons", rest))
        for reason, count in commonest:
            table.add_row(*map(Text, (shown(judge), column, str(count), shown(reason))))
    return table
