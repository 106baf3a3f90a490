"""The noise floor: how often verdicts differ between runs of the same checkpoint, and those runs as one baseline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from em_bench.compare.comparability import annotations, mismatches, require_comparable
from em_bench.compare.sides import Column, Key, Side, same_responses
from em_bench.errors import ResultError
from em_bench.metrics.registry import Kind
from em_bench.stats.intervals import Rate, binary_rate


@dataclass(frozen=True, slots=True)
class Discordance:
    """How often one metric's verdicts differ between two runs, over the prompts that both have scored.

    `share` has Wilson's interval. `equal`: the same of the pairs whose responses are equal, which only the judge can
    tell apart; None where there are none.
    """

    kind: Kind
    judge: str
    metric: str
    share: Rate
    equal: Rate | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        ends = {"share": self.share.value, "low": self.share.low, "high": self.share.high, "n": self.share.n}
        return {"kind": self.kind, "judge": self.judge, "metric": self.metric} | ends


def discordances(runs: Sequence[Side]) -> tuple[Discordance, ...]:
    """Between every two of the runs, averaged; n is that of one pair of runs, as the others are of the same prompts."""
    return tuple(_averaged([list(_between(*pair)) for pair in combinations(runs, 2)]))


def churn_against(baselines: Sequence[Side], candidate: Side) -> tuple[Discordance, ...]:
    """Between a candidate and each of the baselines, averaged."""
    return tuple(_averaged([list(_between(each, candidate)) for each in baselines]))


def _between(first: Side, second: Side) -> Iterator[Discordance]:
    families: dict[tuple[Kind, str, str], list[tuple[bool, bool]]] = {}
    for key, column in first.columns.items():
        if column.scale is None and key in second.columns:
            pairs = families.setdefault((key.kind, key.judge, key.metric.name), [])
            pairs += _pairs(key, column, second.columns[key], first, second)
    for family, pairs in families.items():
        share = binary_rate([differs for differs, _ in pairs])
        if share is not None:
            yield Discordance(*family, share, binary_rate([differs for differs, is_equal in pairs if is_equal]))


def _pairs(key: Key, before: Column, after: Column, first: Side, second: Side) -> Iterator[tuple[bool, bool]]:
    """Of each response and its counterpart: whether the verdicts differ, and whether the responses are equal."""
    for document, values in before.values.items():
        texts = [side.responses.get((key.task, document), ()) for side in (first, second)]
        others = after.values.get(document, ())
        for place, (value, other) in enumerate(zip(values, others, strict=False)):
            if value is not None and other is not None:
                is_whole = all(len(each) == len(values) == len(others) for each in texts)
                yield bool(value) != bool(other), is_whole and texts[0][place] == texts[1][place]


def _averaged(rows: Sequence[Sequence[Discordance]]) -> Iterator[Discordance]:
    by_family: dict[tuple[Kind, str, str], list[Discordance]] = {}
    for row in rows:
        for each in row:
            by_family.setdefault((each.kind, each.judge, each.metric), []).append(each)
    for found in by_family.values():
        equal = [each.equal for each in found if each.equal is not None]
        yield replace(found[0], share=_mean([each.share for each in found]), equal=_mean(equal) if equal else None)


def _mean(rates: Sequence[Rate]) -> Rate:
    n = min(rate.n for rate in rates)
    hits = round(n * sum(rate.value or 0.0 for rate in rates) / len(rates))
    rate = binary_rate([True] * hits + [False] * (n - hits))
    assert rate is not None
    return rate


def one_baseline(runs: Sequence[Side]) -> Side:
    """Runs of one checkpoint as one side, with the responses of all. Raises `ResultError` where they are not that."""
    first, *others = runs
    for other in others:
        title = f"baseline {other.name} against baseline {first.name}"
        if other.name != first.name:
            raise ResultError(
                f"{title}: several baselines are reruns of one checkpoint; compare two with `em-bench compare`"
            )
        require_comparable(title, mismatches(first.setup, other.setup))
    if not others:
        return first
    shared = [key for key in first.columns if all(key in other.columns for other in others)]
    return replace(
        first,
        name=f"{first.name} ({len(runs)} runs)",
        columns={key: _together([each.columns[key] for each in runs]) for key in shared},
        responses={key: [text for each in runs for text in each.responses.get(key, ())] for key in first.responses},
    )


def _together(columns: Sequence[Column]) -> Column:
    names = dict.fromkeys(name for column in columns for name in column.values)
    values = {name: [value for column in columns for value in column.values.get(name, ())] for name in names}
    return replace(columns[0], values=values)


def rerun_notes(baselines: Sequence[Side]) -> list[str]:
    """Allowed differences between reruns of the baseline, such as their seeds."""
    notes = [note for other in baselines[1:] for note in annotations(baselines[0].setup, other.setup)]
    if any(same_responses(*pair) for pair in combinations(baselines, 2)):
        notes.append("every response is the same in two of them, which so say no more than one")
    return [f"between runs of the baseline: {note}" for note in dict.fromkeys(notes)]


def noise_notes(floor: Sequence[Discordance], seen: Sequence[Discordance]) -> list[str]:
    """What reruns say about the candidate: one line a metric, the noise floor and the candidate's own churn."""
    notes = []
    for each in floor:
        own = next((c for c in seen if (c.kind, c.judge, c.metric) == (each.kind, each.judge, each.metric)), None)
        if own is None:
            continue
        line = (
            f"{each.metric} of {each.kind} prompts by {each.judge}: {_share(each.share)} of the verdicts differ "
            f"between reruns of the baseline, {_share(own.share)} between it and the candidate"
        )
        is_noise = (own.share.value or 0.0) <= (each.share.value or 0.0)
        notes.append(f"{line}: no more than noise" if is_noise else line)
    return notes


def equal_notes(seen: Sequence[Discordance]) -> list[str]:
    """Where equal responses have different verdicts on the two sides, which only the judge can cause."""
    return [
        f"{each.metric} of {each.kind} prompts by {each.judge}: {_share(each.equal)} of the responses that are equal "
        "on both sides have different verdicts, by the judge alone; judge both runs with one verdict cache"
        for each in seen
        if each.equal is not None and each.equal.value
    ]


def _share(rate: Rate) -> str:
    return f"{100 * (rate.value or 0.0):.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f}, n={rate.n})"
