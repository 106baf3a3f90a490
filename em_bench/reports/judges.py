"""A small table of a comparison under each judge: what agrees and what flips."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from em_bench.compare.judges import Agreement, EachJudge, RowByJudge
from em_bench.reports.effects import difference_cell
from em_bench.reports.tables import add_row, folding_table
from em_bench.reports.titles import subject
from em_bench.text import shown


def judge_parts(result: EachJudge) -> Iterator[RenderableType]:
    """The rates over all tasks that several judges measure, single ones with opposite changes, and the answer."""
    yield Text("Under each judge", "bold")
    judges = [verdict.judge for verdict in result.verdicts]
    rows = [row for row in result.rows if row.is_whole or row.agreement is Agreement.OPPOSITE]
    if rows:
        table = folding_table("points", *map(shown, judges), "")
        for row in rows:
            by_judge = {each.key.judge: each for each in row.changes}
            add_row(table, _name(row), *(difference_cell(by_judge.get(judge)) for judge in judges), row.agreement)
        yield table
    yield Text(answer_line(result), "" if result.survives else "yellow")


def _name(row: RowByJudge) -> str:
    if row.is_whole:
        return shown(subject(row.kind, row.metric.name))
    return shown(f"{row.metric} in {row.changes[0].key.domain or row.task}".replace("_", " "))


def answer_line(result: EachJudge) -> str:
    """`The gate's verdict survives the judge: regress under keyword and llm.`"""
    if result.survives is None:
        return f"No rate is measured by two judges ({', '.join(_judges(result))}), so there is nothing to compare."
    outcomes: dict[str, list[str]] = {}
    for verdict in result.verdicts:
        if verdict.outcome:
            outcomes.setdefault(verdict.outcome, []).append(shown(verdict.judge))
    agreeing = f"{len(result.rows) - len(result.flips)} of {len(result.rows)} rates agree"
    if not outcomes:
        return f"The differences {'survive' if result.survives else 'depend on'} the judge: {agreeing}."
    by_outcome = "; ".join(f"{outcome} with {', '.join(names)} first" for outcome, names in outcomes.items())
    return f"The gate's verdict {'survives' if result.survives else 'depends on'} the judge: {by_outcome}. {agreeing}."


def _judges(result: EachJudge) -> list[str]:
    return [shown(verdict.judge) for verdict in result.verdicts]
