"""What a judge is, and how one is found.

A judge is any object with a `name`, a `version` and a `judge` method. It needs no base class and no import from here:

    class ShortAnswerJudge:
        name, version = "short", "1"

        def judge(self, samples):
            for index, sample in enumerate(samples):
                yield index, Verdict(label="short" if len(sample.response) < 80 else "long")

Declared in its own package's `pyproject.toml`, it is used as `--metadata '{"judges": ["short"]}'`:

    [project.entry-points."em_bench.judges"]
    short = "my_package:ShortAnswerJudge"

The entry point is called with the options the user gave and returns the judge. The runner (`em_bench.judging.runner`)
owns the cache, the accounting and whatever a judge leaves out: a judge may raise or stop early and no response is lost.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, cast

from em_bench.errors import ConfigError
from em_bench.text import error_line
from em_bench.types import Sample, Verdict

ENTRY_POINT_GROUP = "em_bench.judges"


class Judge(Protocol):
    """Gives each sample a verdict. `version` changes whenever its verdicts may change (pattern list, rubric,
    parser).
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def judge(self, samples: Sequence[Sample]) -> Iterator[tuple[int, Verdict]]:
        """Yields each index into `samples` once with its verdict, in any order, as soon as it is decided."""
        ...


def installed_judges() -> dict[str, EntryPoint]:
    """Every judge that an installed package declares, by name; nothing is imported."""
    return {point.name: point for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)}


def load_judge(name: str, **options: object) -> Judge:
    """The judge of that name, made with `options`. Raises `ConfigError` when it is unknown or cannot be made."""
    known = installed_judges()
    if name not in known:
        raise ConfigError(
            f"judge {name!r} is not installed; installed: {', '.join(known) or 'none'} (see `em-bench judges`)"
        )
    point = known[name]
    package = point.dist.name if point.dist else point.value
    declared = {other.value: other for other in entry_points(group=ENTRY_POINT_GROUP, name=name)}
    if len(declared) > 1:
        packages = " and by ".join(
            sorted(other.dist.name if other.dist else value for value, other in declared.items())
        )
        raise ConfigError(f"judge {name!r} is declared by {packages}; uninstall one of them")
    if not re.fullmatch(r"[A-Za-z][\w.-]*", name) or name == "none":
        raise ConfigError(f"judge {name!r} of package {package!r} has a name that lm-eval cannot show; rename it")
    try:
        judge = cast(Callable[..., Judge], point.load())(**options)
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # a plug-in may fail in any way
        raise ConfigError(
            f"judge {name!r} of package {package!r} cannot be loaded: {error_line(error)}; "
            f"fix or uninstall that package, or name other judges"
        ) from error
    for attribute in ("name", "version", "judge"):
        if not hasattr(judge, attribute):
            raise ConfigError(f"judge {name!r} of package {package!r} has no `{attribute}`; see em_bench.judge.Judge")
    if not options and judge.name != name:  # made with options, like a rubric, it may go by another
        raise ConfigError(f"judge {name!r} of package {package!r} has the name {judge.name!r}; both must be the same")
    return judge
