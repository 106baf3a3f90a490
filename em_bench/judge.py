"""The contract of judges: what a judge is, what it may offer besides, and how em-bench finds it.

A judge is any object with a `name`, a `version` and a `judge` method. It needs no base class and no import from here:

    class ShortAnswerJudge:
        name, version = "short", "1"

        def judge(self, samples):
            for index, sample in enumerate(samples):
                yield index, Verdict(label="short" if len(sample.response) < 80 else "long")

Declared in its own package's `pyproject.toml`, it is used as `--metadata '{"judges": ["short"]}'`:

    [project.entry-points."em_bench.judges"]
    short = "my_package:ShortAnswerJudge"

The entry point is called with the user's options and returns the judge. The runner (`em_bench.judging.runner`) does the
caching and the accounting and completes what a judge leaves out: a judge may raise or stop early and no response is
lost.

Everything beyond the three is optional, and each option is a Protocol below with an example: `HasLabels`, `HasModel`,
`HasUsage`, `HasForecast`, `HasReadinessCheck`, `HasCacheSwitch`, `HasCacheContext`, `HasCases`, `HasRubrics`. A judge
has what it defines; it inherits from nothing. `em_bench.testing` has doubles to test a judge with.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from em_bench.errors import ConfigError
from em_bench.judge_model import Completion, JudgeModel
from em_bench.text import error_line
from em_bench.types import Sample, Verdict

ENTRY_POINT_GROUP = "em_bench.judges"
VERSION_SEPARATOR = "; "


@runtime_checkable
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


@dataclass(slots=True)
class Usage:
    """What was spent: requests with their retries, and tokens as the judge model counted them."""

    requests: int = 0
    attempts: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, completion: Completion) -> None:
        self.requests += 1
        self.attempts += completion.attempts
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens


@runtime_checkable
class HasLabels(Protocol):
    """The closed set of labels that a judge chooses from; one with `partial_refusal` gets a `full_refusal_rate` too.

    For example:

        class ToneJudge:
            labels = ("polite", "rude")
    """

    @property
    def labels(self) -> Collection[str]: ...


@runtime_checkable
class HasModel(Protocol):
    """The judge model that a judge asks: it gets the samples of all tasks in one batch and is closed afterwards.

    For example:

        def __init__(self, model: JudgeModel) -> None:
            self.model = model
    """

    @property
    def model(self) -> JudgeModel | None: ...


@runtime_checkable
class HasUsage(Protocol):
    """What a judge has spent since it was made; each run records its own share.

    For example:

        for index, completion in self.model.complete(requests):
            self.usage.add(completion)  # self.usage = Usage() in __init__
    """

    @property
    def usage(self) -> Usage: ...


@runtime_checkable
class HasForecast(Protocol):
    """What judging these samples would spend at most; nothing is asked. `em-bench judge --dry-run` prints it.

    For example:

        def forecast(self, samples: Sequence[Sample]) -> Usage:
            return Usage(requests=len(samples), attempts=len(samples))
    """

    def forecast(self, samples: Sequence[Sample]) -> Usage: ...


@runtime_checkable
class HasReadinessCheck(Protocol):
    """Raises an `EmBenchError` where the judge cannot work; called before the long part of a run.

    Without `ask` the check must be free (keys, packages, folders); with `ask` it may send a request.

        def check_ready(self, ask: bool) -> None:
            if "MY_KEY" not in os.environ: raise PrerequisiteError("judge `mine` needs a key: export MY_KEY=...")
    """

    def check_ready(self, ask: bool) -> None: ...


@runtime_checkable
class HasCacheSwitch(Protocol):
    """Whether the verdict cache keeps the judge's verdicts; without this it does. False where judging is cheaper.

    For example:

        class WordCountJudge:
            cached = False
    """

    @property
    def cached(self) -> bool: ...


@runtime_checkable
class HasCacheContext(Protocol):
    """What a verdict depends on besides domain, prompts and response; the verdict cache keeps such samples apart.

    For example:

        def also_by(self, sample: Sample) -> str:
            return str(sample.metadata["document"])
    """

    def also_by(self, sample: Sample) -> str: ...


@runtime_checkable
class HasCases(Protocol):
    """The file of the responses with known verdicts that a judge model can be tested on; None where there is none.

    For example:

        cases = Path(__file__).parent / "cases.yaml"  # in the form of em_bench.calibration.case_file
    """

    @property
    def cases(self) -> Path | None: ...


@runtime_checkable
class HasRubrics(Protocol):
    """What the class or function of an entry point offers besides: its built-in rubrics, names to versions.

    For example:

        @classmethod
        def rubrics(cls) -> Mapping[str, str]:
            return {"politeness": "1"}
    """

    def rubrics(self) -> Mapping[str, str]: ...


def model_of(judge: Judge) -> JudgeModel | None:
    """The judge model that a judge asks, or None: an attribute `model` that is none, such as a name, does not count."""
    model = judge.model if isinstance(judge, HasModel) else None
    return model if isinstance(model, JudgeModel) else None


def is_cached(judge: Judge) -> bool:
    return judge.cached if isinstance(judge, HasCacheSwitch) else True


def join_versions(versions: Iterable[str]) -> str:
    """The versions of several judges as one text, as results hold them."""
    return VERSION_SEPARATOR.join(versions)


def split_versions(text: str) -> tuple[str, ...]:
    """The versions in a text of `join_versions`: results hold one text for all judges of a panel."""
    return tuple(part.strip() for part in text.split(VERSION_SEPARATOR.strip()))


def installed_judges() -> dict[str, EntryPoint]:
    """Every judge that an installed package declares, by name; nothing is imported."""
    return {point.name: point for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)}


def load_judge(name: str, **options: object) -> Judge:
    """The judge of that name, made with `options`. Raises `ConfigError` when it is unknown or cannot be made."""
    installed = installed_judges()
    if name not in installed:
        raise ConfigError(
            f"judge {name!r} is not installed; installed: {', '.join(installed) or 'none'} (see `em-bench judges`)"
        )
    _refuse_duplicates(name)
    point = installed[name]
    package = point.dist.name if point.dist else point.value
    if not re.fullmatch(r"[A-Za-z][\w.-]*", name) or name == "none":
        raise ConfigError(f"judge {name!r} of package {package!r} has a name that lm-eval cannot show; rename it")
    judge = _made(point, package, options)
    for attribute in ("name", "version", "judge"):
        if not hasattr(judge, attribute):
            raise ConfigError(f"judge {name!r} of package {package!r} has no `{attribute}`; see em_bench.judge.Judge")
    if not options and judge.name != name:  # a judge made with options, like a rubric, may have another name
        raise ConfigError(f"judge {name!r} of package {package!r} has the name {judge.name!r}; both must be the same")
    return judge


def _refuse_duplicates(name: str) -> None:
    declared = {point.value: point for point in entry_points(group=ENTRY_POINT_GROUP, name=name)}
    if len(declared) > 1:
        packages = sorted(point.dist.name if point.dist else value for value, point in declared.items())
        raise ConfigError(f"judge {name!r} is declared by {' and by '.join(packages)}; uninstall one of them")


def _made(point: EntryPoint, package: str, options: dict[str, object]) -> Judge:
    try:
        return cast(Callable[..., Judge], point.load())(**options)
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # a plug-in may fail in any way
        raise ConfigError(
            f"judge {point.name!r} of package {package!r} cannot be loaded: {error_line(error)}; "
            "fix or uninstall that package, or name other judges"
        ) from error
