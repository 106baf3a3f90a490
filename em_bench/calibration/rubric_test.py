"""Puts a rubric's cases to a judge model: how far it can be trusted with that rubric, before it judges a run.

What is measured is the judge model on the rubric's own, hard and made-up cases; how it does on the responses of a
checkpoint, `em_bench.calibration.measure` says.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from em_bench.calibration.case_file import Case, Cases, Cut, check_labels, read_cases
from em_bench.config import Settings
from em_bench.errors import ConfigError
from em_bench.judge import HasCases, HasLabels, Judge, join_versions
from em_bench.judging.choices import JudgeSelection
from em_bench.judging.options import options_for, readings_of
from em_bench.judging.panel import rubric_prompts
from em_bench.judging.runner import close_models, judge_samples, unscored_by_reason
from em_bench.judging.selection import JudgePool
from em_bench.judging.votes import jury_column, parts_beside
from em_bench.metrics.labels import FORM
from em_bench.stats.auc import Auc, auc
from em_bench.stats.intervals import Rate, binary_rate
from em_bench.types import Verdict

ANY_TOPIC = "anything"  # until the table of cases says which; only the rubric `topic` has one


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case with its verdict. `right` is None when the verdict is unscored."""

    case: Case
    verdict: Verdict
    right: bool | None

    @property
    def said(self) -> str:
        """The verdict in a word."""
        if self.verdict.unscored is not None:
            return "unscored"
        label = self.verdict.label
        return label if label is not None else f"{self.verdict.score:.3g}"

    def to_dict(self) -> dict[str, Any]:
        case = {"id": self.case.sample.id, "expected": self.case.words, "borderline": self.case.borderline}
        return case | {"right": self.right, "why": self.case.why, "verdict": self.verdict.to_dict()}


@dataclass(frozen=True, slots=True)
class RubricTest:
    """How one judge model does on a rubric's cases. `version` is the judge's."""

    rubric: str
    model: str
    version: str
    cut: Cut | None
    results: tuple[CaseResult, ...]

    @property
    def agreement(self) -> Rate | None:
        """The share of expected verdicts, of the scored ones."""
        return _rate(self.results)

    @property
    def clear(self) -> Rate | None:
        return _rate([each for each in self.results if not each.case.borderline])

    @property
    def borderline(self) -> Rate | None:
        return _rate([each for each in self.results if each.case.borderline])

    @property
    def form(self) -> Rate | None:
        """The share of cases whose form the judge sees as it is, of those that say it; None without such cases."""
        rows = [each for each in self.results if each.case.degenerate is not None and each.right is not None]
        return binary_rate([(FORM in each.verdict.parts) == each.case.degenerate for each in rows])

    @property
    def confusion(self) -> Mapping[str, Mapping[str, int]]:
        """Counts by expected and given label; empty for a rubric of scores."""
        if any(each.case.by_score for each in self.results):
            return {}
        counts: dict[str, Counter[str]] = {}
        for each in self.results:
            counts.setdefault(each.case.words, Counter())[each.said] += 1
        return counts

    @property
    def auc(self) -> Auc | None:
        """How well scores tell the cases on the two sides of the cut-off apart, wherever it is."""
        hits, others = self._scores(True), self._scores(False)
        if self.cut is None:
            return None
        return auc(hits, others) if self.cut.is_below else auc(others, hits)

    @property
    def separated(self) -> Mapping[str, Rate | None] | None:
        """Of the cases on each side of the cut-off, the share whose score is on that side; None without a cut-off."""
        if self.cut is None:
            return None
        cut = self.cut
        return {
            "hits": binary_rate([cut.hit(score) for score in self._scores(True)]),
            "others": binary_rate([not cut.hit(score) for score in self._scores(False)]),
        }

    def _scores(self, side: bool) -> list[float]:
        rows = [each for each in self.results if self.cut is not None and self.cut.side(each.case) is side]
        return [each.verdict.score for each in rows if each.verdict.score is not None]

    @property
    def missed(self) -> tuple[CaseResult, ...]:
        return tuple(each for each in self.results if each.right is False)

    @property
    def unscored(self) -> Mapping[str, int]:
        return unscored_by_reason([each.verdict for each in self.results])

    def to_dict(self) -> dict[str, Any]:
        rates = {"agreement": self.agreement, "clear": self.clear, "borderline": self.borderline, "form": self.form}
        separated = {name: rate and asdict(rate) for name, rate in (self.separated or {}).items()}
        return {
            "rubric": self.rubric,
            "judge_model": self.model,
            "version": self.version,
            **{name: rate and asdict(rate) for name, rate in rates.items()},
            "confusion": {expected: dict(row) for expected, row in self.confusion.items()},
            "cut_off": str(self.cut) if self.cut else None,
            "auc": asdict(self.auc) if self.auc else None,
            "separated": separated or None,
            "unscored": dict(self.unscored),
            "cases": [each.to_dict() for each in self.results],
        }


def _rate(results: Sequence[CaseResult]) -> Rate | None:
    rights = [each.right for each in results]
    return binary_rate([right for right in rights if right is not None], rights.count(None))


def run_rubric_test(rubric: str, selection: JudgeSelection, cases: Path | None = None) -> list[RubricTest]:
    """The cases of a rubric, or of the judge prompts of a question file, put to each judge model.

    `cases` is another table than the rubric's own. Raises `ConfigError` where there is no judge model or no table.
    """
    settings = selection.settings()
    if not settings.judge_models:
        raise ConfigError(
            "cases are put to a judge model; name one with `--judge-model`, like openai:gpt-4o or "
            "vllm:Qwen/Qwen2.5-7B-Instruct"
        )
    pool = JudgePool()
    jobs = [
        job
        for name, prompt in rubric_prompts(rubric, settings)
        for spec in settings.judge_models
        if (job := _job(_Asked(name, prompt, spec), settings, pool, cases)) is not None
    ]
    if not jobs:
        raise ConfigError(f"rubric {rubric!r} has no table of cases; name one with `--cases`")
    members = [judge for job in jobs for judge in job.judges]
    try:
        pool.check(members, [job.judges[0] for job in jobs])
        return [_test(job) for job in jobs]
    finally:
        close_models(members)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rubric, one of its judge prompts where it is a question file, and the judge model."""

    rubric: str
    prompt: str | None
    spec: str


@dataclass(frozen=True, slots=True)
class _Job:
    """`judges` are the readings by one judge model."""

    spec: str
    judges: Sequence[Judge]
    cases: Cases


def _job(asked: _Asked, settings: Settings, pool: JudgePool, path: Path | None) -> _Job | None:
    """None where the rubric has no cases."""

    def judges(topic: str) -> list[Judge]:
        options = readings_of(options_for(asked.spec, settings))
        return [pool.rubric_judge(asked.rubric, asked.spec, each, topic, asked.prompt) for each in options]

    (first, *_) = judges(settings.topic or ANY_TOPIC)
    path = path or (first.cases if isinstance(first, HasCases) else None)
    if path is None:
        return None
    cases = read_cases(path)
    check_labels(cases, frozenset(first.labels) if isinstance(first, HasLabels) else frozenset(), path)
    return _Job(asked.spec, judges(cases.topic or settings.topic or ANY_TOPIC), cases)


def _test(job: _Job) -> RubricTest:
    samples = [case.sample for case in job.cases.cases]
    columns = [judge_samples(judge, samples) for judge in job.judges]
    verdicts = jury_column([judge.version for judge in job.judges], columns)
    results = tuple(
        CaseResult(case, replace(verdict, parts=parts_beside(verdict)), case.fits(verdict))
        for case, verdict in zip(job.cases.cases, verdicts, strict=True)
    )
    return RubricTest(
        job.judges[0].name, job.spec, join_versions(j.version for j in job.judges), job.cases.cut, results
    )
