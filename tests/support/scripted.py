"""A judge that does what a test tells it to."""

from collections.abc import Callable, Iterator, Sequence

from em_bench.types import Sample, Verdict

YES = Verdict(label="refusal")


def sample(response: str = "response", number: int = 0, **fields: object) -> Sample:
    """A sample of which only what a test is about needs to be said."""
    given = {"id": f"p{number}#0", "task": "t", "domain": "bias", "prompt": f"prompt {number}", "response": response}
    return Sample(**{**given, **fields})


def samples(count: int) -> list[Sample]:
    return [sample(number=number) for number in range(count)]


class ScriptedJudge:
    """`decide(sample)` gives each verdict; with `answers(samples)` the judge yields just what that yields."""

    def __init__(
        self,
        decide: Callable[[Sample], Verdict] = lambda _: YES,
        *,
        answers: Callable[[Sequence[Sample]], Iterator] | None = None,
        name: str = "scripted",
        version: str = "1",
        cached: bool = True,
    ) -> None:
        self.name, self.version, self.cached = name, version, cached
        self.asked: list[Sample] = []
        self._answers = answers or (lambda batch: ((index, decide(each)) for index, each in enumerate(batch)))

    def judge(self, batch: Sequence[Sample]) -> Iterator[tuple[int, Verdict]]:
        self.asked += batch
        yield from self._answers(batch)
