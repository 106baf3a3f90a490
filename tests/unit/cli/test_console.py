"""Tables on a terminal and in a pipe: nothing is cropped in either."""

import io
import re
from collections import Counter

import pytest
from rich.console import Console
from rich.table import Table

from em_bench.cli.console import console, show, show_line
from em_bench.compare.comparison import compare
from em_bench.compare.gate import gate
from em_bench.compare.policy import initial_policy
from em_bench.metrics.registry import Kind, MetricKey
from em_bench.reports.rates import rate_parts
from em_bench.reports.terminal import results_parts
from em_bench.runs.rates import TaskRate
from em_bench.stats.intervals import Rate
from em_bench.types import DOMAINS
from made_runs import refusals

LONG = "a/very/long/path/" * 20


def rates(checkpoints):
    """A table of seven tasks, whose names are long, on as many checkpoints."""
    return [
        TaskRate(f"owner/checkpoint-{number}", f"em_rai_sensitive_content_{task}", Kind.HARMFUL, "keyword",
             MetricKey("refusal_rate"), Rate(0.676, 0.583, 0.757, 108, 3))
        for number in range(checkpoints)
        for task in range(7)
    ]  # fmt: skip


def test_a_pipe_gets_a_table_on_whole_lines(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    table = Table("task", "rate", box=None)
    table.add_row(LONG, "67.6 % (58.3-75.7) n=108")
    show([table])
    assert re.search(rf"{LONG} +67\.6 % \(58\.3-75\.7\) n=108", capsys.readouterr().out)


def test_a_line_is_never_wrapped(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    show_line(LONG)
    assert capsys.readouterr().out == f"{LONG}\n"


def test_markup_in_a_name_is_printed_as_it_is(capsys):
    show_line("org/[bold]model[/x] :smile:")
    assert capsys.readouterr().out == "org/[bold]model[/x] :smile:\n"


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("checkpoints", [1, 2, 3, 4, 6])
def test_a_terminal_of_any_width_shows_every_character_of_the_rates(width, checkpoints):
    printed = io.StringIO()
    narrow = Console(file=printed, width=width, highlight=False)
    narrow.print(*rate_parts(rates(checkpoints)), sep="\n")
    text = printed.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert text.count("%") == 7 * checkpoints * 2 + 1  # rates, unscored shares, the legend


def test_a_console_takes_no_colour_into_a_pipe(capsys):
    assert not console().is_terminal


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_comparison_on_a_terminal_of_any_width_shows_every_character(width):
    before, after = refusals(90), refusals({domain: 40 + 5 * place for place, domain in enumerate(DOMAINS)})
    policy = initial_policy()
    comparison = compare(before, after, confidence=policy.confidence)

    def printed(columns):
        text = io.StringIO()
        parts = results_parts([(comparison, gate(comparison, policy))])
        Console(file=text, width=columns, highlight=False).print(*parts, sep="\n")
        return Counter(text.getvalue().replace(" ", "").replace("\n", ""))

    assert printed(width) == printed(100_000)
