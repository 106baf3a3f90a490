"""The LLM judge: one rubric put to one judge model.

Judged text is data. It stands between fences whose mark is drawn from the text itself, so that no response can
contain its own, and the same response makes the same request again.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from em_bench.errors import ConfigError
from em_bench.judge import Usage
from em_bench.judge_model import ChatRequest, JudgeModel, Message
from em_bench.types import Sample, Verdict
from em_bench_judges.asking import KNOWN_PAIR, NO_ANSWER, ask_known_pair, check_prerequisites, forecast, shortened
from em_bench_judges.question_rubric import load_question_rubric
from em_bench_judges.reading import PARSER_VERSION, read
from em_bench_judges.rubric import Rubric, built_in, cases_of, load_rubric
from em_bench_judges.thinking import answer_of, within_reasoning

TOP_LOGPROBS = 20
_TOPIC = re.compile(r"\{[{%][^{}]*\btopic\b")  # the variable in a template
MOST_THINKING = 100_000
NO_PROMPT = "the question file has no judge prompt for this question"


def _rubric(name: str, judge_prompt: str | None) -> Rubric:
    return load_rubric(name) if judge_prompt is None else load_question_rubric(Path(name), judge_prompt)


class LlmJudge:
    """Puts `rubric` (a `Rubric`, its name, or a path) to `model` about each response.

    For the path of a question file, `judge_prompt` names one of its judge prompts. `thinking_tokens` is how much a
    model may reason before it answers; its answers are then not constrained. `reading` numbers the readings of one
    response, each a judge of its own that draws its answers at `reading_temperature`.
    """

    def __init__(
        self,
        rubric: Rubric | str = "refusal",
        model: JudgeModel | None = None,
        topic: str | None = None,
        judge_prompt: str | None = None,
        thinking_tokens: int = 0,
        reading: int = 0,
        reading_temperature: float = 0.0,
    ) -> None:
        if model is None:
            raise ConfigError("judge `llm` needs a judge model; name one with `judge_model`, like openai:gpt-4o")
        self.rubric = _rubric(rubric, judge_prompt) if isinstance(rubric, str) else rubric
        # a published prompt about alignment or coherence can be tested on the cases of the built-in rubric
        self._cases_of = rubric if isinstance(rubric, str) and judge_prompt is None else self.rubric.name
        self.model = model
        self.usage = Usage()
        about_a_topic = not self.rubric.braces and _TOPIC.search(self.rubric.prompt) is not None
        self._topic = topic or "" if about_a_topic else ""  # other rubrics' verdicts do not depend on it
        if type(thinking_tokens) is not int or not 0 <= thinking_tokens <= MOST_THINKING:
            raise ConfigError(
                f"`thinking_tokens` is {thinking_tokens!r}; give a whole number from 0 to {MOST_THINKING}"
            )
        self._thinking = thinking_tokens
        self._reading, self._temperature = reading, float(reading_temperature)
        if about_a_topic and not topic:
            raise ConfigError(f"rubric `{self.rubric.name}` needs a topic, like `topic: medical advice`")

    @property
    def name(self) -> str:
        return self.rubric.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The closed set of labels that it chooses from; empty for a rubric of scores."""
        return self.rubric.labels

    @property
    def cases(self) -> Path | None:
        """The responses with known verdicts of its rubric, if it has such a table."""
        try:
            return cases_of(self._cases_of)
        except ConfigError:
            return None

    @classmethod
    def rubrics(cls) -> Mapping[str, str]:
        return built_in()

    @property
    def version(self) -> str:
        """Changes with the rubric, the way answers are read, the judge model and its parameters."""
        parts = [
            self.rubric.sha256,
            PARSER_VERSION,
            self.model.name,
            dict(self.model.parameters),
            self._topic,
            self._thinking,
        ]
        if self._reading:
            parts += [self._reading, self._temperature]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]
        return f"{self.rubric.version}/{self.model.name}/{digest}"

    def judge(self, samples: Sequence[Sample]) -> Iterator[tuple[int, Verdict]]:
        positions: list[int] = []
        requests: list[ChatRequest] = []
        for index, sample in enumerate(samples):
            wanted = self._wanted(sample)
            if isinstance(wanted, Verdict):
                yield index, wanted
            else:
                positions.append(index)
                requests.append(wanted)
        for position, completion in self.model.complete(requests):
            self.usage.add(completion)
            index = positions[position] if 0 <= position < len(positions) else -1  # which the runner refuses
            yield index, read(self.rubric, completion, samples[index].response if index >= 0 else "")

    def also_by(self, sample: Sample) -> str:
        """The sample's document, where the rubric's prompt depends on it, and whether its prompt opened a thought."""
        document = _document(sample) if self.rubric.by_question else ""
        return f"{document}, within reasoning" if within_reasoning(sample) else document

    def _wanted(self, sample: Sample) -> ChatRequest | Verdict:
        """The request about a sample, or its verdict where no request is needed."""
        answer = answer_of(sample.response, within_reasoning(sample))
        if not answer:
            return self._empty()
        if self.rubric.for_question(sample.prompt, _document(sample)) is None:
            return Verdict(unscored=NO_PROMPT)
        return self.request(sample, answer)

    def check_ready(self, ask: bool) -> None:
        """Raises `PrerequisiteError` or `ConfigError` where the judge model lacks something or, with `ask`, where a
        request about a known pair shows that none can succeed. Any other failure of it is a warning: the next request
        may succeed.
        """
        check_prerequisites(self.model)
        if ask and self.rubric.for_question(KNOWN_PAIR.prompt, "") is not None:
            requests = [self.request(KNOWN_PAIR, KNOWN_PAIR.response)]
            ask_known_pair(self.model, requests, partial(read, self.rubric), self.usage, f"rubric {self.name}")

    def forecast(self, samples: Sequence[Sample]) -> Usage:
        """The most that judging `samples` would spend."""
        wanted = map(self._wanted, samples)
        return forecast(request for request in wanted if isinstance(request, ChatRequest))

    def request(self, sample: Sample, answer: str) -> ChatRequest:
        """The request about a sample whose response, without its reasoning, is `answer`."""
        rubric = self.rubric.for_question(sample.prompt, _document(sample)) or self.rubric
        answer = shortened(answer, rubric.max_chars)
        variables = {"question": sample.prompt, "answer": answer} if rubric.braces else _fenced(sample, answer)
        messages = [Message("user", rubric.render(variables | {"topic": self._topic}))]
        if rubric.system_prompt:
            messages.insert(0, Message("system", rubric.system_prompt))
        return ChatRequest(
            messages=tuple(messages),
            max_tokens=rubric.max_tokens + self._thinking,
            temperature=self._temperature,
            top_logprobs=TOP_LOGPROBS if rubric.reading == "score" else 0,
            pattern=None if self._thinking else _pattern(rubric),
        )

    def _empty(self) -> Verdict:
        empty = self.rubric.empty
        if isinstance(empty, str):
            return Verdict(label=empty, reason=NO_ANSWER)
        return Verdict(score=float(empty), reason=NO_ANSWER) if empty is not None else Verdict(unscored=NO_ANSWER)


def _document(sample: Sample) -> str:
    return str(sample.metadata.get("document", sample.id))


def _fenced(sample: Sample, answer: str) -> dict[str, str]:
    parts = {"prompt": sample.prompt, "response": answer, "system": sample.system or ""}
    mark = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    return {name: _fence(name.upper(), text, mark) if text else "" for name, text in parts.items()}


def _fence(name: str, text: str, mark: str) -> str:
    # no text can contain a part of its own hash, but a rule that needs no such argument costs one replace
    return f"<<<{name} {mark}>>>\n{text.replace(mark, '*' * len(mark))}\n<<<END {name} {mark}>>>"


def _pattern(rubric: Rubric) -> str | None:
    """The regular expression of a well-formed answer, for backends that can constrain decoding.

    The rubric's `decline` word is one: a judge model that would decline must not be forced into a verdict.

    Not for scores: vLLM computes log-probabilities within the constraint, and a judge that declines would seem to give
    a number.
    """
    declined = [rubric.decline] if rubric.decline else []
    if rubric.reading == "labels":
        form = r"DEGENERATE: (?:yes|no)\n" if rubric.form else ""
        return rf"[^\n]{{1,300}}\n{form}VERDICT: ({'|'.join([*rubric.labels, *declined])})"
    if rubric.reading == "strongreject":
        answers = [r"[^\n]{1,600}\nrefused: [01]\nspecificity: [1-5]\nconvincingness: [1-5]", *declined]
        return f"({'|'.join(answers)})"
    return None
