"""How a calibration and corrected rates look on a terminal."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from em_bench.calibration.calibrate import Calibration
from em_bench.calibration.confusion import Kappa, Pair
from em_bench.calibration.correct import CorrectedLine
from em_bench.calibration.measure import Measured, Measurement
from em_bench.reports.tables import add_row, folding_table
from em_bench.stats.intervals import Rate
from em_bench.text import shown

MOST_REASONS = 5


def measurement_parts(measurement: Measurement, show: int) -> Iterator[RenderableType]:
    """Each calibration with its first `show` disagreements, then the alpha of a jury."""
    for each in measurement.measured:
        yield from calibration_parts(each, show)
    if measurement.alpha is not None:
        yield f"Krippendorff's alpha over {', '.join(measurement.jury)}: {measurement.alpha:.3f}"


def calibration_parts(measured: Measured, show: int) -> Iterator[RenderableType]:
    calibration, counts = measured.calibration, measured.calibration.counts
    yield _heading(f"Judge {calibration.judge} ({calibration.version}) against {calibration.reference}")
    yield f"positive: {calibration.decision}; {counts.n} responses compared, {counts.unscored} unscored"
    for reason, number in list(calibration.unscored.items())[:MOST_REASONS]:
        yield f"  unscored {number}: {shown(reason, 100)}"
    if calibration.left_out:
        rows = (f"{number} {shown(label, 40) or 'without a label'}" for label, number in calibration.left_out.items())
        yield f"left out: {', '.join(rows)}"
    yield ""
    yield _confusion(calibration)
    yield ""
    yield _measures(calibration)
    if calibration.groups:
        yield ""
        yield _groups(calibration)
    yield ""
    yield from _disagreements(calibration, measured.disagreements, show)


def _heading(text: str) -> Text:
    return Text(text, style="bold")


def _confusion(calibration: Calibration) -> Table:
    words = list(dict.fromkeys(word for row in calibration.confusion.values() for word in row))
    words.sort(key=lambda word: (word == "unscored", word))
    table = _numbers_table("label \\ verdict", *(shown(word, 30) for word in words))
    for label, row in calibration.confusion.items():
        add_row(table, shown(label, 30), *(str(row.get(word, 0)) for word in words))
    return table


def _measures(calibration: Calibration) -> Table:
    table = _numbers_table("measure", "value (95 % interval)", "n")
    names = {"kappa": "Cohen's kappa"}
    for name, measure in calibration.counts.measures().items():
        add_row(table, names.get(name, name), interval(measure), str(measure.n) if measure else "0")
    return table


def _groups(calibration: Calibration) -> Table:
    """Narrow enough for a terminal; accuracy and precision of groups are in the JSON."""
    some_unscored = any(counts.unscored for counts in calibration.groups.values())
    names = ("n", "kappa", "sensitivity %", "specificity %", *(["unscored"] if some_unscored else []))
    table = _numbers_table("group", *names)
    for group, counts in sorted(calibration.groups.items()):
        kappa = counts.kappa
        value = "-" if kappa.value is None else f"{kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f})"
        rates = [_whole_percent(rate) for rate in (counts.sensitivity, counts.specificity)]
        cells = (str(counts.n), value, *rates, *([str(counts.unscored)] if some_unscored else []))
        add_row(table, shown(group, 60) or "-", *cells)
    return table


def _numbers_table(first: str, *numbers: str) -> Table:
    return folding_table(first, *numbers, right=range(1, len(numbers) + 1))


def _whole_percent(rate: Rate | None) -> str:
    if rate is None or rate.value is None:
        return "-"
    return f"{100 * rate.value:.0f} ({100 * rate.low:.0f}-{100 * rate.high:.0f})"


def interval(measure: Rate | Kappa | None) -> str:
    if measure is None or measure.value is None:
        return "-"
    return f"{measure.value:.3f} ({measure.low:.3f} to {measure.high:.3f})"


def _disagreements(calibration: Calibration, pairs: Sequence[Pair], show: int) -> Iterator[RenderableType]:
    first = f", the first {min(show, len(pairs))} of them:" if show and pairs else ""
    yield f"Disagreements: {len(pairs)}{first}"
    for pair in pairs[:show]:
        word = shown(calibration.decision.word(pair.verdict), 40)
        reason = f" ({shown(pair.verdict.reason, 120)})" if pair.verdict.reason else ""
        yield Text(f"  {shown(pair.sample.id, 60)}: labelled {shown(pair.label, 40)}, judged {word}{reason}")
        yield Text(f"    prompt:   {shown(pair.sample.prompt)}")
        yield Text(f"    response: {shown(pair.sample.response)}")
    yield ""


def corrected_parts(calibration: Calibration, lines: Sequence[CorrectedLine]) -> Iterator[RenderableType]:
    counts = calibration.counts
    yield _heading(f"Rates of judge {calibration.judge}, corrected by {calibration.reference}")
    positives, negatives = counts.true_positive + counts.false_negative, counts.true_negative + counts.false_positive
    yield f"sensitivity {interval(counts.sensitivity)} of {positives} labelled positives"
    yield f"specificity {interval(counts.specificity)} of {negatives} labelled negatives"
    yield ""
    for metric in dict.fromkeys(line.metric for line in lines):
        yield _corrected_table(metric, [line for line in lines if line.metric == metric])
        yield ""
    yield from (Text(f"* {note}") for note in dict.fromkeys(line.note for line in lines if line.note))
    yield Text(
        "95 % intervals. Corrected: Rogan-Gladen, with the uncertainty of rate, sensitivity and specificity; this "
        "assumes that the judge errs on these responses as it did on the labelled ones."
    )


def _corrected_table(metric: str, lines: Sequence[CorrectedLine]) -> Table:
    table = _numbers_table(shown(metric), "as judged", "corrected", "n")
    several = len({line.checkpoint for line in lines}) > 1
    for line in lines:
        name = f"{shown(line.checkpoint, 60)}: {line.task}" if several else line.task
        n = f"{line.judged.n}, {line.judged.unscored} unscored" if line.judged.unscored else str(line.judged.n)
        corrected = _percent(line.corrected) + (" *" if line.note else "")
        add_row(table, name, _percent(line.judged), corrected, n)
    return table


def _percent(rate: Rate) -> str:
    if rate.value is None:
        return "not known"
    return f"{100 * rate.value:.1f} % ({100 * rate.low:.1f}-{100 * rate.high:.1f})"
