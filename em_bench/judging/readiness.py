"""Whether the judges can work, checked before the long part of a run.

First what costs nothing (keys, packages, folders), for all judges, so that everything missing is reported at once. Then
one known pair goes through every judge: an endpoint that does not answer, a model that does not load or a wrong name
is one line before anything was paid for, not a thousand unscored samples after.

A judge takes part by `em_bench.judge.HasReadinessCheck`.
"""

from collections.abc import Iterable

from em_bench.errors import EmBenchError, PrerequisiteError
from em_bench.judge import HasReadinessCheck, Judge, model_of


def check_judges(judges: Iterable[Judge], ask: Iterable[Judge]) -> None:
    """Raises `PrerequisiteError` with everything that `judges` lack, or with those of `ask` that cannot work."""
    _all_or_one_error(judges, ask=False)
    _all_or_one_error(ask, ask=True)


def _all_or_one_error(judges: Iterable[Judge], *, ask: bool) -> None:
    checked: list[Judge] = []
    problems: dict[str, None] = {}
    for judge in judges:
        if not isinstance(judge, HasReadinessCheck) or any(judge is other for other in checked):
            continue
        checked.append(judge)
        try:
            judge.check_ready(ask)
        except EmBenchError as error:
            problems[str(error)] = None
    if problems:
        raise PrerequisiteError("; ".join(problems))


def elsewhere(judges: Iterable[Judge]) -> list[Judge]:
    """The judges that can run while the evaluated checkpoint holds this machine's memory."""
    return [judge for judge in judges if (model := model_of(judge)) is None or not model.in_process]
