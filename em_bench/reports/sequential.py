"""A sequential gate on a terminal: each check and when it was settled, then the verdict and what it saved."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text

from em_bench.compare.gate import Outcome
from em_bench.compare.sequential import SequentialCheck, SequentialResult
from em_bench.reports.terminal import COLOURS
from em_bench.text import shown

COLUMNS = ("check", "worse by", "limit", "asked", "verdict")
NUMBERS = ("worse by", "asked")
LEGEND = (
    "Worse by: percentage points that the candidate is worse so far (negative: better); of a floor or ceiling, beyond "
    "it. Asked: prompts or probes of the check's part that were asked, of all."
)


def sequential_parts(result: SequentialResult) -> Iterator[RenderableType]:
    """What to print, part by part; the last line is the verdict."""
    columns = [Column(name, justify="right" if name in NUMBERS else "left", overflow="fold") for name in COLUMNS]
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for check in result.checks:
        table.add_row(*map(Text, _row(check)), style=COLOURS[check.outcome])
    yield table
    yield Text(LEGEND, "dim")
    reported = [Outcome.REGRESS] if result.outcome is Outcome.REGRESS else [Outcome.INCONCLUSIVE, Outcome.SKIPPED]
    yield from (Text(_reason(check)) for check in result.checks if check.outcome in reported)
    yield Text(sequential_line(result), f"bold {COLOURS[result.outcome]}")


def _row(check: SequentialCheck) -> tuple[str, ...]:
    worse = "-" if check.worse is None else f"{check.worse if check.is_mean else 100 * check.worse:.1f}"
    asked = f"{check.units} of {check.size}" if check.size else "-"
    return shown(check.name, 120), worse, check.limit, asked, check.outcome


def _reason(check: SequentialCheck) -> str:
    limit = f", {check.limit}" if check.limit else ""
    return f"{check.outcome}: {shown(check.name, 120)}{limit}: {check.reason}"


def sequential_line(result: SequentialResult) -> str:
    """`Gate: PASS after 586 of 1244 prompts (every check passed); 658 prompts saved`."""
    saved = result.total - result.asked
    ending = f"; {saved} prompts saved" if saved else ""
    return f"Gate: {result.outcome.upper()} after {result.asked} of {result.total} prompts ({result.reason}){ending}"
