"""How a judge model does on a rubric's cases, on a terminal."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from em_bench.calibration.rubric_test import CaseResult, RubricTest
from em_bench.reports.rates import cell
from em_bench.reports.tables import add_row, folding_table
from em_bench.text import shown

LONGEST = 300


def rubric_test_parts(test: RubricTest) -> Iterator[RenderableType]:
    """The shares of expected verdicts, the confusion or the separation, and the cases that were missed."""
    yield Text(shown(f"Rubric {test.rubric} by {test.model} on {len(test.results)} cases"), "bold")
    yield shown(f"judge version {test.version}", LONGEST)
    yield _shares(test)
    if test.auc:
        interval = f"({test.auc.low:.3f}-{test.auc.high:.3f})"
        n = test.auc.n_lower + test.auc.n_higher
        yield f"AUC of cases {test.cut} against the others: {test.auc.value:.3f} {interval} n={n}"
    if test.confusion:
        yield ""
        yield _confusion(test)
    for reason, count in test.unscored.items():
        yield f"unscored {count}: {shown(reason, LONGEST)}"
    yield ""
    yield from _missed(test)
    yield ""


def _shares(test: RubricTest) -> Table:
    table = folding_table("share of expected verdicts", "95 % interval")
    rates = {"all cases": test.agreement, "clear cases": test.clear, "borderline cases": test.borderline}
    rates |= {"form (degenerate or not)": test.form} if test.form else {}
    if test.separated is not None:
        rates |= {f"{test.cut}, as expected": test.separated["hits"], f"not {test.cut}": test.separated["others"]}
    for name, rate in rates.items():
        add_row(table, name, "no cases" if rate is None else cell(rate))
    return table


def _confusion(test: RubricTest) -> Table:
    said = sorted(
        {label for row in test.confusion.values() for label in row}, key=lambda word: (word == "unscored", word)
    )
    table = folding_table("expected \\ given", *(shown(word, 30) for word in said), right=range(1, len(said) + 1))
    for expected, row in test.confusion.items():
        add_row(table, shown(expected, 60), *(str(row.get(word, 0)) for word in said))
    return table


def _missed(test: RubricTest) -> Iterator[RenderableType]:
    if not test.missed:
        yield "No case was missed."
        return
    yield Text(f"Missed: {len(test.missed)}", "bold")
    table = folding_table("case", "expected", "given", "why it is expected, and the judge model's reason")
    for each in test.missed:
        add_row(table, *_row(each))
    yield table


def _row(result: CaseResult) -> tuple[str, str, str, str]:
    name = f"{result.case.sample.id}{' (borderline)' if result.case.borderline else ''}"
    reasons = f"{result.case.why} | {result.verdict.reason or '-'}"
    return shown(name, 60), shown(result.case.words, 60), shown(result.said, 40), shown(reasons, LONGEST)
