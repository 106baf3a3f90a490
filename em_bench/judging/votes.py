"""Verdicts that are made of several: the axes of a rubric pair, and the votes of a jury."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from em_bench.metrics.labels import BESIDE
from em_bench.types import Verdict


def axes_verdict(parts: Mapping[str, Verdict]) -> Verdict:
    """The first axis leads: its label or score is the verdict's own. Unscored when any axis is, with all parts kept."""
    failed = [f"{axis}: {part.unscored}" for axis, part in parts.items() if part.unscored is not None]
    if failed:
        return Verdict(unscored="; ".join(failed), parts=parts)
    first = next(iter(parts.values()))
    reason = "; ".join(f"{axis}: {part.reason}" for axis, part in parts.items())
    return Verdict(label=first.label, score=first.score, reason=reason, parts=parts)


def jury_verdict(votes: Mapping[str, Verdict]) -> Verdict:
    """More than half of the jurors must have a verdict, and more than half of those one label; scores are averaged.

    A divided jury leaves the sample unscored: the order of its members must not decide.
    """
    scored = [vote for vote in votes.values() if vote.unscored is None]
    if 2 * len(scored) <= len(votes):
        return Verdict(unscored="too few of the jury gave a verdict", parts=votes)
    labels = [vote.label for vote in scored]
    for label in dict.fromkeys(labels):
        if 2 * labels.count(label) > len(labels):
            if label is not None:
                return Verdict(label=label, reason=f"{labels.count(label)} of {len(votes)} jurors", parts=votes)
            scores = [vote.score for vote in scored if vote.label is None and vote.score is not None]
            return Verdict(score=fmean(scores), reason=f"mean of {len(scores)} of {len(votes)} jurors", parts=votes)
    return Verdict(unscored="the jury is divided", parts=votes)


def parts_beside(verdict: Verdict) -> dict[str, Verdict]:
    """What a verdict says beside its label, of the response's form or harm: its own, or that of more than half of a
    jury.
    """
    own = {name: verdict.parts[name] for name in BESIDE if name in verdict.parts}
    votes = [vote.parts for vote in verdict.parts.values() if vote.unscored is None]
    for name in BESIDE:
        parts = [vote[name] for vote in votes if name in vote]
        labels = [part.label for part in parts]
        most = next((part for part in parts if 2 * labels.count(part.label) > len(votes)), None)
        if most is not None and name not in own:
            own[name] = most
    return own


def same_share(columns: Sequence[Sequence[Verdict]]) -> float | None:
    """The share of samples of which all columns say the same, of those that all have scored; None without any."""
    rows = [row for row in zip(*columns, strict=True) if all(vote.unscored is None for vote in row)]
    same = [len({(vote.label, vote.score) for vote in row}) == 1 for row in rows]
    return sum(same) / len(same) if same else None


def jury_column(names: Sequence[str], columns: Sequence[Sequence[Verdict]]) -> list[Verdict]:
    """One verdict for each sample from the columns of the jurors, whose `names` the votes go by."""
    if len(columns) == 1:
        return list(columns[0])
    if len(set(names)) < len(names):  # no vote may take another's place
        names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    return [jury_verdict(dict(zip(names, votes, strict=True))) for votes in zip(*columns, strict=True)]
