"""How calibrations and corrected rates look on a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Column, Table
from rich.text import Text

from em_bench.cli.console import out
from em_bench.text import shown

if TYPE_CHECKING:
    from em_bench.calibration.calibrate import Calibration
    from em_bench.calibration.confusion import Kappa, Pair
    from em_bench.calibration.correct import CorrectedLine
    from em_bench.stats.intervals import Rate


def print_calibration(calibration: "Calibration", pairs: "Sequence[Pair]", show: int) -> None:
    counts = calibration.counts
    title = f"Judge {calibration.judge} ({calibration.version}) against {calibration.reference}"
    out.print(Text(title, style="bold"), soft_wrap=True)
    out.print(f"positive: {calibration.decision}; {counts.n} responses compared, {counts.unscored} unscored")
    for reason, number in list(calibration.unscored.items())[:5]:
        out.print(f"  unscored {number}: {shown(reason, 100)}")
    if calibration.left_out:
        words = (f"{number} {shown(label, 40) or 'without a label'}" for label, number in calibration.left_out.items())
        out.print(f"left out: {', '.join(words)}", soft_wrap=True)
    out.print()
    out.print(_confusion(calibration))
    out.print()
    out.print(_measures(calibration))
    if calibration.groups:
        out.print()
        out.print(_groups(calibration))
    out.print()
    _print_disagreements(calibration, pairs, show)


def _confusion(calibration: "Calibration") -> Table:
    words = list(dict.fromkeys(word for row in calibration.confusion.values() for word in row))
    words.sort(key=lambda word: (word == "unscored", word))
    table = Table("label \\ verdict", *(Column(Text(shown(word, 30)), justify="right") for word in words), box=None)
    for label, row in calibration.confusion.items():
        table.add_row(Text(shown(label, 30)), *(str(row.get(word, 0)) for word in words))
    return table


def _measures(calibration: "Calibration") -> Table:
    table = Table("measure", Column("value (95 % interval)", justify="right"), Column("n", justify="right"), box=None)
    names = {"kappa": "Cohen's kappa"}
    for name, measure in calibration.counts.measures().items():
        table.add_row(names.get(name, name), interval(measure), str(measure.n) if measure else "0")
    return table


def _groups(calibration: "Calibration") -> Table:
    """Narrow enough for a terminal; accuracy and precision of groups are in the JSON."""
    some_unscored = any(counts.unscored for counts in calibration.groups.values())
    names = ("n", "kappa", "sensitivity %", "specificity %", *(["unscored"] if some_unscored else []))
    columns = (Column(name, justify="right", no_wrap=True) for name in names)
    table = Table(Column("group", overflow="fold"), *columns, box=None)
    for group, counts in sorted(calibration.groups.items()):
        agreed = counts.kappa
        kappa = "-" if agreed.value is None else f"{agreed.value:.2f} ({agreed.low:.2f} to {agreed.high:.2f})"
        rates = [_whole_percent(rate) for rate in (counts.sensitivity, counts.specificity)]
        cells = (str(counts.n), kappa, *rates, *([str(counts.unscored)] if some_unscored else []))
        table.add_row(Text(shown(group, 60) or "-"), *cells)
    return table


def _whole_percent(rate: "Rate | None") -> str:
    if rate is None or rate.value is None:
        return "-"
    return f"{100 * rate.value:.0f} ({100 * rate.low:.0f}-{100 * rate.high:.0f})"


def interval(measure: "Rate | Kappa | None") -> str:
    if measure is None or measure.value is None:
        return "-"
    return f"{measure.value:.3f} ({measure.low:.3f} to {measure.high:.3f})"


def _print_disagreements(calibration: "Calibration", pairs: "Sequence[Pair]", show: int) -> None:
    from em_bench.calibration.confusion import disagreements

    differing = disagreements(pairs, calibration.decision)
    first = f", the first {min(show, len(differing))} of them" if show and differing else ""
    out.print(f"Disagreements: {len(differing)}{first}{':' if first else ''}")
    for pair in differing[:show]:
        said = calibration.decision.word(pair.verdict)
        reason = f" ({shown(pair.verdict.reason, 120)})" if pair.verdict.reason else ""
        out.print(f"  {shown(pair.sample.id, 60)}: labelled {shown(pair.label, 40)}, judged {shown(said, 40)}{reason}")
        out.print(f"    prompt:   {shown(pair.sample.prompt)}")
        out.print(f"    response: {shown(pair.sample.response)}")
    out.print()


def print_corrected(made: "Calibration", lines: "Sequence[CorrectedLine]") -> None:
    counts = made.counts
    out.print(Text(f"Rates of judge {made.judge}, corrected by {made.reference}", style="bold"), soft_wrap=True)
    labelled = f"{counts.true_positive + counts.false_negative} labelled positives"
    out.print(f"sensitivity {interval(counts.sensitivity)} of {labelled}")
    labelled = f"{counts.true_negative + counts.false_positive} labelled negatives"
    out.print(f"specificity {interval(counts.specificity)} of {labelled}")
    out.print()
    for metric in dict.fromkeys(line.metric for line in lines):
        out.print(_corrected_table(metric, [line for line in lines if line.metric == metric]))
        out.print()
    for note in dict.fromkeys(line.note for line in lines if line.note):
        out.print(f"* {note}", soft_wrap=True)
    out.print(
        "95 % intervals. Corrected: Rogan-Gladen, with the uncertainty of rate, sensitivity and specificity; this "
        "assumes that the judge errs on these responses as it did on the labelled ones."
    )


def _corrected_table(metric: str, lines: "Sequence[CorrectedLine]") -> Table:
    columns = (Column(name, justify="right", no_wrap=True) for name in ("as judged", "corrected", "n"))
    table = Table(Column(Text(shown(metric)), overflow="fold"), *columns, box=None, pad_edge=False)
    several = len({line.checkpoint for line in lines}) > 1
    for line in lines:
        name = f"{shown(line.checkpoint, 60)}: {line.task}" if several else line.task
        n = f"{line.judged.n}, {line.judged.unscored} unscored" if line.judged.unscored else str(line.judged.n)
        corrected = _percent(line.corrected) + (" *" if line.note else "")
        table.add_row(*map(Text, (name, _percent(line.judged), corrected, n)))
    return table


def _percent(rate: "Rate") -> str:
    if rate.value is None:
        return "not known"
    return f"{100 * rate.value:.1f} % ({100 * rate.low:.1f}-{100 * rate.high:.1f})"
