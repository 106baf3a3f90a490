"""The judges and rubrics that there are here, each with what is wrong with it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from em_bench.errors import EmBenchError
from em_bench.judge import HasRubrics, installed_judges, load_judge
from em_bench.judging.rubrics import installed_rubrics, rubric_path


@dataclass(frozen=True, slots=True)
class Installed:
    """A judge with its version, or a rubric with its file as version; `error` says why it cannot be used."""

    name: str
    version: str = ""
    package: str = ""
    error: str = ""


def installed() -> list[Installed]:
    points = installed_judges()
    judges = [_judge(name, point) for name, point in points.items()]
    built_in = [each for name, point in points.items() for each in _built_in(point)]
    return judges + built_in + [_rubric(name, point) for name, point in installed_rubrics().items()]


def _judge(name: str, point: EntryPoint) -> Installed:
    return _try(name, point, lambda: str(load_judge(name).version))


def _built_in(point: EntryPoint) -> list[Installed]:
    """The rubrics that a judge brings; a judge that cannot be loaded is reported as a judge."""
    package = point.dist.name if point.dist else ""
    try:
        maker = point.load()
        rubrics = maker.rubrics() if isinstance(maker, HasRubrics) else {}
        return [Installed(f"{name} (rubric)", str(version), package) for name, version in rubrics.items()]
    except (Exception, SystemExit):  # noqa: BLE001 - a plug-in may fail in any way
        return []


def _rubric(name: str, point: EntryPoint) -> Installed:
    return _try(f"{name} (rubric)", point, lambda: rubric_path(name).name)


def _try(name: str, point: EntryPoint, version: Callable[[], str]) -> Installed:
    package = point.dist.name if point.dist else ""
    try:
        return Installed(name, version(), package)
    except EmBenchError as error:
        return Installed(name, package=package, error=str(error))
