"""Whether rates that stand side by side are by the same judge: a name alone does not say so."""

from collections.abc import Iterable

from em_bench.runs.model import Run


def version_warnings(runs: Iterable[Run]) -> list[str]:
    """A line for each judge that judged a task in several versions, with a run of the first two of them."""
    runs_of: dict[tuple[str, str], dict[str, Run]] = {}
    for run in runs:
        for task in run.tasks.values():
            for record in task.judges.values():
                runs_of.setdefault((record.name, task.name), {}).setdefault(record.version, run)
    tasks_of: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (judge, name), by_version in runs_of.items():
        if len(by_version) > 1:
            places = tuple(f"{version or 'unknown'} in {run.path}" for version, run in list(by_version.items())[:2])
            tasks_of.setdefault((judge, places), []).append(name)
    return [
        f"judge {judge!r} has other versions in these runs ({' against '.join(places)}); their rates on "
        f"{tasks[0]}{f' and {len(tasks) - 1} more' if len(tasks) > 1 else ''} do not compare: judge them again "
        "with one judge"
        for (judge, places), tasks in tasks_of.items()
    ]
