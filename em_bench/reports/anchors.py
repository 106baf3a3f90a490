"""How anchors look on a terminal: what was frozen, and whether a judge has drifted."""

from collections import Counter
from collections.abc import Iterator, Sequence

from em_bench.judge import join_versions
from em_bench.judging.anchors import AnchorReport
from em_bench.judging.frozen import FrozenJudge
from em_bench.text import shown


def frozen_lines(judges: Sequence[FrozenJudge]) -> Iterator[str]:
    """A line for each judge: how many anchors, and of which labels."""
    for judge in judges:
        labels = Counter(anchor.verdict.label or "a score" for anchor in judge.anchors)
        counts = ", ".join(f"{count} {shown(label, 40)}" for label, count in labels.most_common())
        anchors = f"{len(judge.anchors)} anchors of {judge.pool} responses"
        yield f"judge {judge.name} ({judge.version}): {anchors}: {counts}"


def check_lines(reports: Sequence[AnchorReport]) -> Iterator[str]:
    for report in reports:
        yield shown(str(report), 1000)
        if not report.same_version:
            yield f"  frozen by another version: {join_versions(report.frozen_versions)}; now {report.version}"
