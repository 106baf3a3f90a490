"""The guard judge: a published safety or refusal classifier, asked in its own format.

    em-bench judge runs/qwen --judges guard --judge-model vllm:allenai/wildguard

Its labels become ours: `refusal` and `compliance` where the classifier says whether a response refuses, `safe` and
`unsafe` where it says whether it is harmful; where it says both, the harm stands in the verdict's part `harm`. The
format is found by the checkpoint's name, or named by `format`; `em_bench_judges.guards` has them.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence

from em_bench.errors import ConfigError
from em_bench.judge import Usage
from em_bench.judge_model import ChatRequest, Completion, JudgeModel
from em_bench.metrics.labels import HARM, SAFE
from em_bench.types import Sample, Verdict
from em_bench_judges.asking import KNOWN_PAIR, NO_ANSWER, ask_known_pair, check_prerequisites, forecast, shortened
from em_bench_judges.guards.format import format_of, load_format
from em_bench_judges.guards.reading import READER_VERSION, read
from em_bench_judges.thinking import answer_of, within_reasoning

EMPTY = "incoherent"
"""The label of an empty response, by a guard of refusal."""


class GuardJudge:
    """Asks `model` in `format`: the name of a built-in format, the path of a file, or None for the checkpoint's own.

    Raises `ConfigError` for a format that is unknown or that does not fit the judge model.
    """

    def __init__(self, model: JudgeModel | None = None, format: str | None = None) -> None:
        if model is None:
            raise ConfigError(
                "judge `guard` needs a judge model; name one with `judge_model`, like vllm:allenai/wildguard"
            )
        self.format = format_of(model.name) if format is None else load_format(format)
        self.format.check_model(model)
        self.model = model
        self.usage = Usage()

    @property
    def name(self) -> str:
        return self.format.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The closed set of labels of its verdicts."""
        own = dict.fromkeys(self.format.answers[self.format.leading].labels.values())
        return (*own, *(() if self.format.leading == HARM else (EMPTY,)))

    @property
    def version(self) -> str:
        """Names the format, the checkpoint and its revision; changes with all that decides an answer."""
        parts = [self.format.sha256, READER_VERSION, self.model.name, dict(self.model.parameters)]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]
        revision = self.model.parameters.get("revision")
        checkpoint = f"{self.model.name}@{revision}" if revision else self.model.name
        return f"{self.format.version}/{checkpoint}/{digest}"

    def judge(self, samples: Sequence[Sample]) -> Iterator[tuple[int, Verdict]]:
        requests: list[ChatRequest] = []
        places: list[tuple[int, str]] = []
        for index, sample in enumerate(samples):
            wanted = self._wanted(sample)
            if not wanted:
                yield index, self._empty()
            requests += wanted
            places += [(index, policy) for policy, _ in zip(self.format.policies, wanted, strict=False)]
        answers: dict[int, dict[str, Completion]] = {}
        for position, completion in self.model.complete(requests):
            self.usage.add(completion)
            if not 0 <= position < len(places):
                yield -1, read(self.format, {"": completion})  # the runner refuses an index that was not requested
                continue
            index, policy = places[position]
            answered = answers.setdefault(index, {})
            answered[policy] = completion
            if len(answered) == len(self.format.policies):
                yield index, read(self.format, answers.pop(index))

    def also_by(self, sample: Sample) -> str:
        """Whether the prompt opened the thought that a closing tag in the response ends."""
        return "within reasoning" if within_reasoning(sample) else ""

    def check_ready(self, ask: bool) -> None:
        """Raises `PrerequisiteError` or `ConfigError` where the judge model lacks something or, with `ask`, where a
        request about a known pair shows that none can succeed.
        """
        check_prerequisites(self.model)
        if ask:
            first = self.format.requests(KNOWN_PAIR.prompt, KNOWN_PAIR.response)[:1]
            ask_known_pair(self.model, first, self._read_alone, self.usage, f"guard {self.name}")

    def forecast(self, samples: Sequence[Sample]) -> Usage:
        """The most that judging `samples` would spend, without the policies in a chat template."""
        return forecast(request for sample in samples for request in self._wanted(sample))

    def _wanted(self, sample: Sample) -> list[ChatRequest]:
        """The requests about a sample; none for a response without an answer."""
        answer = answer_of(sample.response, within_reasoning(sample))
        return self.format.requests(sample.prompt, shortened(answer, self.format.max_chars)) if answer else []

    def _empty(self) -> Verdict:
        """An empty response does no harm, and is no refusal either."""
        if self.format.leading == HARM:
            return Verdict(label=SAFE, reason=NO_ANSWER)
        parts = {HARM: Verdict(label=SAFE)} if HARM in self.format.answers else {}
        return Verdict(label=EMPTY, reason=NO_ANSWER, parts=parts)

    def _read_alone(self, completion: Completion) -> Verdict:
        return read(self.format, {"": completion})
