"""Public doubles: a scripted judge, a scripted judge model, and samples and completions to test with.

For tests of judges and judge models, em-bench's own and third parties':

    from em_bench.testing import ScriptedJudgeModel, sample

    def test_a_polite_answer_is_polite():
        judge = MyJudge(model=ScriptedJudgeModel(lambda request: "VERDICT: polite"))
        assert dict(judge.judge([sample("Gladly.")]))[0].label == "polite"

In Python, judge objects are settings: `Settings(judges=[ScriptedJudge()])`. Where judges go by name, as under lm-eval,
`installed` declares doubles as an installed package does:

    with installed(ScriptedJudge(name="mine"), judge_models={"toy": ScriptedJudgeModel.named}):
        simple_evaluate(..., metadata={"judges": ["mine", "llm"], "judge_model": "toy:x"})
"""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import Distribution, DistributionFinder
from os import PathLike
from pathlib import Path
from types import ModuleType
from uuid import uuid4

from em_bench.judge import ENTRY_POINT_GROUP as JUDGES
from em_bench.judge import Judge
from em_bench.judge_model import ENTRY_POINT_GROUP as JUDGE_MODELS
from em_bench.judge_model import ChatRequest, Completion, JudgeModel, Token
from em_bench.types import Sample, Verdict


def sample(response: str = "response", number: int = 0, **fields: object) -> Sample:
    """A sample of which a test names only what it is about."""
    values = {"id": f"p{number}#0", "task": "t", "domain": "bias", "prompt": f"prompt {number}", "response": response}
    return Sample(**{**values, **fields})  # type: ignore[arg-type]


def samples(count: int) -> list[Sample]:
    return [sample(number=number) for number in range(count)]


def weighted_completion(text: str, **probabilities: float) -> Completion:
    """An answer of one token, with the probabilities in its place: `weighted_completion("8", **{"8": 0.7})`."""
    top = {token: math.log(p) for token, p in (probabilities or {text: 1.0}).items()}
    return Completion(text, (Token(text, top),), finish_reason="stop")


def prompt_text(request: ChatRequest) -> str:
    """The text of all messages of a request."""
    return "\n".join(message.content for message in request.messages)


class ScriptedJudge:
    """`decide(sample)` gives each verdict; with `answers(samples)` the judge yields just what that yields.

    `received` holds the samples that it was given.
    """

    def __init__(
        self,
        decide: Callable[[Sample], Verdict] = lambda _: Verdict(label="refusal"),
        *,
        answers: Callable[[Sequence[Sample]], Iterable[tuple[int, Verdict]]] | None = None,
        name: str = "scripted",
        version: str = "1",
        cached: bool = True,
    ) -> None:
        self.name, self.version, self.cached = name, version, cached
        self.received: list[Sample] = []
        self._answers = answers or (lambda batch: ((index, decide(each)) for index, each in enumerate(batch)))

    def judge(self, samples: Sequence[Sample]) -> Iterator[tuple[int, Verdict]]:
        self.received += samples
        yield from self._answers(samples)


class ScriptedJudgeModel:
    """`respond(request)` gives each completion, or its text; with `order` the answers come in that order.

    `batches` holds the requests of each call, `closed` counts the calls of `close`.
    """

    def __init__(
        self,
        respond: Callable[[ChatRequest], Completion | str] = lambda _: "85",
        *,
        name: str = "scripted:judge",
        parameters: Mapping[str, object] | None = None,
        in_process: bool = False,
        order: Callable[[Sequence[int]], Iterable[int]] = list,
    ) -> None:
        self.name, self.parameters, self.in_process = name, parameters or {}, in_process
        self.batches: list[list[ChatRequest]] = []
        self.closed = 0
        self._respond, self._order = respond, order

    @classmethod
    def named(cls, name: str, **options: object) -> "ScriptedJudgeModel":
        """As an entry point makes it, from the second half of a spec and the user's options."""
        return cls(name=f"scripted:{name}", parameters=options)

    @property
    def requests(self) -> list[ChatRequest]:
        return [request for batch in self.batches for request in batch]

    def complete(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Completion]]:
        self.batches.append(list(requests))
        for index in self._order(range(len(requests))):
            answer = self._respond(requests[index])
            if isinstance(answer, str):
                answer = Completion(answer, prompt_tokens=100, completion_tokens=2)
            yield index, answer

    def close(self) -> None:
        self.closed += 1


@contextmanager
def installed(*judges: Judge, judge_models: Mapping[str, Callable[..., JudgeModel]] | None = None) -> Iterator[None]:
    """Within it, the judges are installed under their names, and so are the kinds of judge models.

    Each kind is called with the name in a spec and the user's options, like `scripted` for `scripted:x`.
    """
    module = ModuleType(f"em_bench_doubles_{uuid4().hex}")
    groups: dict[str, dict[str, str]] = {JUDGES: {}, JUDGE_MODELS: {}}
    for number, judge in enumerate(judges):
        setattr(module, f"judge_{number}", _maker_of(judge))
        groups[JUDGES][judge.name] = f"{module.__name__}:judge_{number}"
    for kind, make in (judge_models or {}).items():
        setattr(module, f"model_{kind}", make)
        groups[JUDGE_MODELS][kind] = f"{module.__name__}:model_{kind}"
    finder = _Finder(_Doubles(module.__name__, groups))
    sys.modules[module.__name__] = module
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        del sys.modules[module.__name__]


def _maker_of(judge: Judge) -> Callable[..., Judge]:
    return lambda **_: judge


class _Doubles(Distribution):
    """An installed distribution in memory, with nothing but its name and its entry points."""

    def __init__(self, name: str, groups: Mapping[str, Mapping[str, str]]) -> None:
        sections = [
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
            for group, points in groups.items()
        ]
        self._files = {
            "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n",
            "entry_points.txt": "\n".join(sections),
        }

    def read_text(self, filename: str) -> str | None:
        return self._files.get(filename)

    def locate_file(self, path: str | PathLike[str]) -> Path:
        return Path(path)


class _Finder(DistributionFinder):
    def __init__(self, distribution: Distribution) -> None:
        self._distribution = distribution

    def find_distributions(
        self,
        context: DistributionFinder.Context = DistributionFinder.Context(),  # noqa: B008
    ) -> Iterable[Distribution]:
        return [self._distribution] if context.name in (None, self._distribution.name) else []

    def find_spec(self, *_: object) -> None:
        return None
