"""The rows and claims of a comparison in words, with the numbers of the tables, each rounded by itself."""

from collections.abc import Sequence

from em_bench.compare.behaviours import Behaviour, Claim, Row
from em_bench.metrics.probe_sets import OWN
from em_bench.metrics.registry import METRICS
from em_bench.runs.scored_files import ALL_QUESTIONS
from em_bench.text import shown

LONGEST_NAME = 60
MOST, MOST_CLAIMS = 2, 3
PHRASES = {
    Behaviour.MISALIGNMENT: ("less misaligned", "more misaligned"),
    Behaviour.REFUSAL: ("refuses fewer harmful prompts", "refuses more harmful prompts"),
    Behaviour.OVER_REFUSAL: ("over-refuses less", "over-refuses more"),
    Behaviour.CARE: ("less supportive in a crisis", "more supportive in a crisis"),
    Behaviour.COHERENCE: ("less coherent", "more coherent"),
    Behaviour.PROBE_REFUSAL: ("refuses fewer open probes", "refuses more open probes"),
    Behaviour.HARM: ("less harmful responses", "more harmful responses"),
}
_NAMES = {"over_refusal_rate": "over-refusal", "misaligned_coherent_rate": "misaligned and coherent answers"}


def row_name(row: Row) -> str:
    """`refusal in bias`, `coherent answers to open probes`; with the judge where another one is followed."""
    key = row.difference.key
    metric = METRICS[key.metric.name]
    if key.metric.name == "label_share":
        name = f"answers to {key.kind.prompts} labelled {shown(key.metric.qualifier, LONGEST_NAME)}"
        name += "" if row.is_whole else f" in {_part(row)}"
        return f"{name}{_judge(row)}"
    if row.is_whole and key.metric.name == "over_refusal_rate":
        name = "over-refusal"
    elif row.is_whole:
        name = _lowered(metric.heading.format(prompts=key.kind.prompts))
    else:
        kind = "" if key.kind in metric.kinds[:1] and len(metric.kinds) < 3 else f" ({key.kind})"
        name = f"{_NAMES.get(key.metric.name, _lowered(metric.title))} in {_part(row)}{kind}"
    suffix = f" {shown(key.metric.suffix, LONGEST_NAME)}" if key.metric.suffix else ""
    return f"{name}{suffix}{_of_set(row)}{_judge(row)}"


def _of_set(row: Row) -> str:
    """` (em_published_first_plot)`; the probes of em-bench, and those of a file of scored answers, need no name."""
    is_named = row.is_whole and row.probe_set not in ("", OWN, ALL_QUESTIONS)
    return f" ({shown(row.probe_set, LONGEST_NAME)})" if is_named else ""


def _judge(row: Row) -> str:
    return "" if row.is_preferred else f" by judge {shown(row.difference.key.judge, LONGEST_NAME)}"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def numbers(row: Row) -> str:
    """`90.0 to 84.3 % (-5.7 points, -7.6 to -4.3)`: the rates of the pairs, and their difference with its interval."""
    change = row.difference.change
    if not change.n:
        return "no pair is scored"
    factor, places, unit, points = _unit(row)
    value, low, high = (_rounded(factor * number, places) for number in (change.value, change.low, change.high))
    ends = [f"{_rounded(factor * number, places):.{places}f}" for number in (change.before, change.after)]
    interval = f"{low:+.{places}f} to {high:+.{places}f}"
    return f"{ends[0]} to {ends[1]}{unit} ({value:+.{places}f}{points}, {interval})"


def amount(row: Row, value: float) -> str:
    """`-12.3 points`, or a score's change in its own unit."""
    factor, places, _, points = _unit(row)
    return f"{_rounded(factor * value, places):+.{places}f}{points}"


def _unit(row: Row) -> tuple[float, int, str, str]:
    """Factor, places after the point, and the units of a rate and of a difference."""
    if not row.difference.is_mean:
        return 100.0, 1, " %", " points"
    return 1.0, 3 if row.difference.span <= 1 else 2 if row.difference.span <= 10 else 1, "", ""


def _rounded(number: float, places: int) -> float:
    return round(number, places) + 0.0  # + 0.0 as there is a negative zero


def claims_in_words(claims: Sequence[tuple[Claim, str, Row]]) -> str:
    """Claims, each with its phrase and the row to print: the first few with all numbers, the rest with the change."""
    texts = [_claim_in_words(*each) for each in claims[:MOST_CLAIMS]]
    texts += [f"{phrase} ({amount(row, row.difference.change.value)})" for _, phrase, row in claims[MOST_CLAIMS:]]
    return "; ".join(texts)


def _claim_in_words(claim: Claim, phrase: str, row: Row) -> str:
    is_named = bool(_of_set(row)) or not (row.is_whole and row.is_main and row.is_preferred)
    name = f" {row_name(row)}" if is_named and claim.behaviour is not Behaviour.OTHER else ""
    dissent = claim.dissent
    other = f"; {row_name(dissent)} {amount(dissent, dissent.difference.change.value)}" if dissent else ""
    return f"{phrase},{name} {numbers(row)}{_parts(claim, row)}{other}"


def phrase_of(claim: Claim) -> str:
    if claim.behaviour is Behaviour.OTHER:
        is_share = claim.rows[0].difference.key.metric.name == "label_share"
        words = ("fewer", "more") if is_share else ("lower", "higher")
        return f"{words[claim.sign > 0]} {row_name(claim.rows[0])}"
    if claim.is_of_scores:
        return "less aligned" if claim.sign > 0 else "more aligned"
    return PHRASES[claim.behaviour][claim.sign > 0]


def _parts(claim: Claim, lead: Row) -> str:
    """The other domains, parts or sets of probes that changed significantly by the same metric and judge."""
    others = [
        row
        for row in claim.rows
        if row is not lead
        and (not row.is_whole or row.probe_set != lead.probe_set)
        and row.difference.key.metric == lead.difference.key.metric
        and (row.difference.key.kind, row.difference.key.judge) == (lead.difference.key.kind, lead.difference.key.judge)
    ]
    own = [row for row in others if row.probe_set == lead.probe_set]
    sets = [row for row in others if row.is_whole]
    return _listed("most in" if lead.is_whole else "and in", own) + _listed("also in", sets)


def _listed(start: str, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    rest = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f", {start} {_part(rows[0])} ({amount(rows[0], rows[0].difference.change.value)}){rest}"


def _part(row: Row) -> str:
    key = row.difference.key
    return shown(key.domain or key.task.removeprefix("em_"), LONGEST_NAME).replace("_", " ")


def unscored_in_words(rows: Sequence[Row]) -> list[str]:
    """`60.0 % of the candidate's responses to harmful prompts are unscored`, and what that leaves, of the first few."""
    texts = [_unscored_in_words(row) for row in rows[:MOST]]
    return texts + [f"{_share(row)} of those to {_where(row)}" for row in rows[MOST:]]


def _share(row: Row) -> str:
    return f"{100 * row.unscored[1]:.1f} %"


def _where(row: Row) -> str:
    prompts = row.difference.key.kind.prompts
    return f"{prompts}{_of_set(row)}" if row.is_whole else f"{prompts} in {_part(row)}"


def _unscored_in_words(row: Row) -> str:
    bounds = row.difference.bounds
    left = f": {row_name(row)} may differ by {100 * bounds[0]:+.1f} to {amount(row, bounds[1])}" if bounds else ""
    return f"{_share(row)} of the {row.unscored[0]}'s responses to {_where(row)} are unscored{left}"


def seen_in_words(rows: Sequence[Row]) -> str:
    return ", ".join(f"{row_name(row)} {numbers(row)}" for row in rows)


def large_in_words(rows: Sequence[Row]) -> str:
    """The first few rows with their numbers and p."""
    return _some([f"{row_name(row)} {numbers(row)}, adjusted p {row.difference.p_adjusted:.2g}" for row in rows])


def possible_in_words(rows: Sequence[Row]) -> str:
    """What the first few rows cannot rule out: the interval, or the range that unscored responses leave."""
    return _some([f"{_range(row)} in {row_name(row)} (n={row.difference.change.n})" for row in rows])


def _range(row: Row) -> str:
    low, high = row.reach if row.is_narrow else row.interval
    factor, places, *_ = _unit(row)
    return f"{_rounded(factor * low, places):+.{places}f} to {amount(row, high)}"


def _some(texts: Sequence[str]) -> str:
    rest = f" and {len(texts) - MOST} more" if len(texts) > MOST else ""
    return ", ".join(texts[:MOST]) + rest
