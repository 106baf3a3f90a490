"""Whether the judges can work, found out before the long part of a run.

First what costs nothing (keys, packages, folders), for all judges, so that everything missing is reported at once. Then
one known pair goes through every judge: an endpoint that does not answer, a model that does not load or a wrong name
is one line before anything was paid for, not a thousand unscored samples after.

A judge takes part by a method `check_ready(ask)`, which raises an `EmBenchError`; with `ask` it sends the known pair.
"""

from collections.abc import Iterable
from weakref import WeakSet

from em_bench.errors import EmBenchError, PrerequisiteError
from em_bench.judge import Judge

_found_ready: WeakSet[Judge] = WeakSet()


def check_judges(judges: Iterable[Judge], ask: Iterable[Judge]) -> None:
    """Raises `PrerequisiteError` with everything that `judges` lack, or with those of `ask` that cannot work.

    A judge that was found ready is not asked again in this process.
    """
    _all_or_one_error(judges, ask=False)
    asked = [judge for judge in ask if hasattr(judge, "check_ready") and judge not in _found_ready]
    _all_or_one_error(asked, ask=True)
    _found_ready.update(asked)


def _all_or_one_error(judges: Iterable[Judge], *, ask: bool) -> None:
    problems: dict[str, None] = {}
    for judge in {id(judge): judge for judge in judges}.values():
        try:
            getattr(judge, "check_ready", lambda _: None)(ask)
        except EmBenchError as error:
            problems[str(error)] = None
    if problems:
        raise PrerequisiteError("; ".join(problems))


def elsewhere(judges: Iterable[Judge]) -> list[Judge]:
    """Those that can be asked before generation, when the evaluated checkpoint has this machine's memory."""
    return [judge for judge in judges if not getattr(getattr(judge, "model", None), "in_process", False)]
