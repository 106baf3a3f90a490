"""Tables of what is installed and available: `em-bench doctor`, `judges` and `published`."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text

from em_bench.harness.doctor import Finding
from em_bench.judging.installed import Installed
from em_bench.prompts.published.status import NOT_HERE, SetStatus
from em_bench.reports.tables import add_row, folding_table

MARKS = {True: ("ok", "green"), False: ("missing", "red"), None: ("note", "")}


def findings_table(findings: Sequence[Finding]) -> Table:
    table = Table.grid(Column(), Column(overflow="fold"), Column(overflow="fold"), padding=(0, 2))
    for finding in findings:
        table.add_row(Text(*MARKS[finding.ok]), Text(finding.subject), Text(finding.text))
    return table


def judges_table(judges: Sequence[Installed]) -> Table:
    table = folding_table("judge", "version", "package", "error")
    for judge in judges:
        add_row(table, judge.name, judge.version, judge.package, judge.error)
    return table


def published_parts(sets: Sequence[SetStatus], *, fetched: bool) -> Iterator[RenderableType]:
    table = folding_table("set", "prompts", "status", "what", right=[1])
    for each in sets:
        add_row(table, each.set, str(each.prompts or ""), each.status, _contents(each))
    yield table
    yield from (each.error for each in sets if each.error)
    if not fetched and any(each.status == NOT_HERE for each in sets):
        yield f"{NOT_HERE}: fetched when a task needs it, or by `em-bench published --fetch`"


def _contents(status: SetStatus) -> str:
    """The prompts by domain where the file is available and has categories, else what the set is."""
    record = status.record or {}
    counts = [f"{domain} {count}" for domain, count in record.get("by_domain", {}).items()]
    if without := sum(record.get("without_domain", {}).values()):
        counts.append(f"no domain {without}")
    return ", ".join(counts) or status.title + (" (gated)" if status.gated else "")
