"""Which judge reads which tasks of a session, and what it says of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from em_bench.judge import Judge, model_of
from em_bench.judge_model import JudgeModel
from em_bench.judging.anchors import AnchorReport
from em_bench.judging.panel import Panel
from em_bench.types import Verdict


@dataclass(slots=True, eq=False)
class Assignment:
    """A judge and the tasks that it reads, by their place in the session: two runs have tasks of the same name.

    `verdicts` are those of each place, `usage` is what they cost, where the judge counts that.
    """

    judge: Judge
    places: list[int] = field(default_factory=list)
    verdicts: dict[int, list[Verdict]] = field(default_factory=dict)
    usage: dict[str, int] | None = None
    anchors: AnchorReport | None = None

    @property
    def model(self) -> JudgeModel | None:
        return model_of(self.judge)


def assign(panels_by_place: Iterable[Sequence[Panel]]) -> list[Assignment]:
    """One assignment for each judge object, in the order in which the panels name them."""
    assignments: list[Assignment] = []
    for place, panels in enumerate(panels_by_place):
        for judge in (judge for panel in panels for judge in panel.members):
            own = next((each for each in assignments if each.judge is judge), None)
            if own is None:
                assignments.append(own := Assignment(judge))
            if place not in own.places:
                own.places.append(place)
    return assignments


def assignments_of(panel: Panel, assignments: Sequence[Assignment]) -> list[Assignment]:
    """The assignment of each of the panel's members, in their order."""
    return [next(each for each in assignments if each.judge is judge) for judge in panel.members]


def by_model(assignments: Iterable[Assignment]) -> list[list[Assignment]]:
    """Judges that share a judge model together; judges without one each alone, before them."""
    alone: list[list[Assignment]] = []
    groups: list[list[Assignment]] = []
    for each in assignments:
        if each.model is None:
            alone.append([each])
        elif group := next((group for group in groups if group[0].model is each.model), None):
            group.append(each)
        else:
            groups.append([each])
    return alone + groups
