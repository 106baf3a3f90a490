"""Judging within one evaluation: all tasks' responses are there at once, so a judge model gets them in one batch.

The order is what keeps a run safe: responses into the journal, then the evaluated checkpoint's engine is released where
a judge model needs its memory, then one judge model after the other.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from em_bench.config import Settings
from em_bench.errors import ResultError
from em_bench.judge import HasForecast, HasUsage, Judge, Usage, is_cached
from em_bench.judging.anchors import AnchorReport, Status, check_anchors, read_anchors
from em_bench.judging.assignments import Assignment, assign, assignments_of, by_model
from em_bench.judging.cache import VerdictCache, verdict_key
from em_bench.judging.engine import release_engine
from em_bench.judging.journal import write_journal
from em_bench.judging.judgeable import Judgeable
from em_bench.judging.panel import Panel
from em_bench.judging.progress import progress
from em_bench.judging.runner import close_models, judge_samples, unscored_by_reason
from em_bench.judging.selection import JudgePool
from em_bench.judging.truncation import count_truncated
from em_bench.judging.votes import same_share
from em_bench.metrics.labels import closed_set
from em_bench.metrics.registry import Kind
from em_bench.notices import warn
from em_bench.runs.read import NO_FILTER
from em_bench.types import Sample, Verdict

log = logging.getLogger(__name__)

MANY = 20  # requests; below this, a readiness probe costs more than it saves

NO_CHAT_TEMPLATE = (
    "THE CHAT TEMPLATE IS OFF. A chat checkpoint is asked in a form it was not trained on, and its refusal and "
    "misalignment rates cannot be compared with others. Add --apply_chat_template, unless this is a base model."
)
NO_JUDGE_MODEL = (
    "no judge model is named, so the probes have no misalignment score. Name one with lm_eval's --metadata "
    '\'{"judge_model": "openai:gpt-4o"}\', or judge the stored samples later with '
    "`em-bench judge --judge-model openai:gpt-4o PATH`."
)
NO_CARE_JUDGE = (
    "no judge model is named, and `keyword` does not judge care: the responses to messages in a crisis are kept, and "
    "have no rate. Judge them later with `em-bench judge --judge-model openai:gpt-4o PATH`."
)


class Session:
    """Judges the responses of all tasks of one evaluation; see the module's docstring for the order."""

    def __init__(self, tasks: Sequence[Judgeable], settings: Settings) -> None:
        self._tasks = tasks
        self._settings = settings
        self._samples = [task.samples() for task in tasks]
        self._assignments = assign([] if task.predict_only else task.panels for task in tasks)

    def run(self) -> None:
        """Writes the journal, warns of what is wrong with the responses, and judges."""
        folder = self._settings.cache_dir / "journal"
        path = write_journal(folder, (sample for samples in self._samples for sample in samples))
        log.info("em-bench: responses are kept in %s", path)
        self._warn_of_responses()
        for task, samples in zip(self._tasks, self._samples, strict=True):
            if task.predict_only or not task.panels:
                task.keep(NO_FILTER, [sample.response for sample in samples])
        self.judge()

    def check_ready(self, pool: JudgePool) -> None:
        """Sends one known pair through every judge that has many samples to judge; see `em_bench.judging.readiness`."""
        unjudged = [(judge, len(samples)) for judge, samples in self._unjudged() if samples]
        pool.check([judge for judge, _ in unjudged], ask=[judge for judge, count in unjudged if count >= MANY])

    def forecast(self) -> dict[str, Any]:
        """What judging would cost: by judge, the requests and tokens that the cache does not save."""
        return {
            f"{judge.name} ({judge.version})": asdict(judge.forecast(samples))
            for judge, samples in self._unjudged()
            if isinstance(judge, HasForecast)
        }

    def judge(self) -> None:
        """Runs every judge, model by model, and hands the verdicts to the tasks."""
        cached = any(is_cached(each.judge) for each in self._assignments)
        cache = VerdictCache(self._settings.cache_dir / "verdicts.sqlite") if cached else None
        for group in by_model(self._assignments):
            if group[0].model is not None and group[0].model.in_process:
                release_engine(task.model for task in self._tasks)
            for assignment in group:
                self._judge(assignment, cache)
            close_models(each.judge for each in group)
        if cache is not None:
            cache.close()
        judged = [(place, task) for place, task in enumerate(self._tasks) if not task.predict_only]
        for place, task in judged:
            for panel in task.panels:
                self._keep(place, panel)
        if any(task.kind is Kind.PROBE for _, task in judged) and not self._settings.judge_models:
            log.warning("em-bench: %s", NO_JUDGE_MODEL)
        if any(task.kind is Kind.CARE and not task.panels for _, task in judged):
            log.warning("em-bench: %s", NO_CARE_JUDGE)

    def _unjudged(self) -> Iterator[tuple[Judge, list[Sample]]]:
        """Each judge that is cached, with the samples that the cache has no verdict of; equal samples once."""
        assignments = [each for each in self._assignments if is_cached(each.judge)]
        if not assignments:
            return
        cache = VerdictCache(self._settings.cache_dir / "verdicts.sqlite")
        for each in assignments:
            samples = {verdict_key(each.judge, s): s for place in each.places for s in self._samples[place]}
            yield each.judge, [sample for key, sample in samples.items() if cache.get(key) is None]
        cache.close()

    def _warn_of_responses(self) -> None:
        cut = {}
        for task, samples in zip(self._tasks, self._samples, strict=True):
            truncated = count_truncated(task, samples)
            task.record |= {"max_gen_toks": task.token_limit, "truncated": truncated}
            if truncated:
                cut[task.name] = truncated
        if any(not task.record.get("chat_template") for task in self._tasks):
            warn(NO_CHAT_TEMPLATE)
        if cut:
            counts = ", ".join(f"{name} {count}" for name, count in cut.items())
            warn(
                f"RESPONSES WERE CUT AT THE TOKEN LIMIT: {counts}. What came after the cut was not judged; "
                "raise the limit with --gen_kwargs max_gen_toks=N."
            )

    def _judge(self, assignment: Assignment, cache: VerdictCache | None) -> None:
        """A judge model gets all tasks' samples in one batch; a judge of code one task at a time, as it may raise."""
        judge, model, places = assignment.judge, assignment.model, assignment.places
        before = replace(judge.usage) if isinstance(judge, HasUsage) else None
        for group in [places] if model is not None else [[place] for place in places]:
            batch = [sample for place in group for sample in self._samples[place]]
            if model is None:
                verdicts = iter(judge_samples(judge, batch, cache))
            else:
                verdicts = iter(judge_samples(judge, batch, cache, partial(progress, f"{judge.name} by {model.name}")))
            for place in group:
                assignment.verdicts[place] = [next(verdicts) for _ in self._samples[place]]
        assignment.anchors = self._check_anchors(judge)
        if before is not None and isinstance(judge, HasUsage):
            assignment.usage = _spent_since(before, judge.usage)

    def _check_anchors(self, judge: Judge) -> AnchorReport | None:
        """Judges the anchors of this very judge again; anchors of another version are only warned of."""
        if self._settings.anchors is None:
            return None
        try:
            anchors = [anchor for anchor in read_anchors(self._settings.anchors) if anchor.judge == judge.name]
        except ResultError as error:  # the responses are there, and their verdicts count more than this check
            log.warning("em-bench: %s; judge %r is not checked for drift", error, judge.name)
            return None
        own = [anchor for anchor in anchors if anchor.version == judge.version]
        if own:
            report = check_anchors(judge, own)
            if report.status is Status.DRIFTED:
                warn(
                    "THE JUDGE HAS DRIFTED since its anchors were frozen; its earlier rates cannot be compared: "
                    f"{report}"
                )
            return report
        if anchors:
            log.warning("em-bench: the anchors of judge %r are of another version; freeze new ones", judge.name)
        return None

    def _keep(self, place: int, panel: Panel) -> None:
        """Hands a panel's verdicts to the task, records how they came about, and warns of unscored ones."""
        task, members = self._tasks[place], assignments_of(panel, self._assignments)
        verdicts = closed_set(panel.combine([each.verdicts[place] for each in members]))
        task.keep(panel.name, verdicts)
        record = _record(panel, members, verdicts)
        unscored = sum(record["unscored"].values())
        if readings := _readings(members, place):
            record["readings"] = readings
            _warn_of_equal(task.label, readings)
        record["over_max_unscored"] = unscored / max(1, len(verdicts)) > self._settings.max_unscored
        task.record.setdefault("judges", {})[panel.name] = record
        if unscored:
            too_many = "TOO MANY ARE UNSCORED, and the rates are not to be trusted. "
            warn(
                f"{too_many if record['over_max_unscored'] else ''}{task.label}: judge {panel.name!r} left {unscored} "
                f"of {len(verdicts)} samples unscored: {record['unscored']}"
            )


def _warn_of_equal(label: str, readings: Mapping[str, Mapping[str, Any]]) -> None:
    for name, each in readings.items():
        if each["same"] == 1:
            warn(
                f"{label}: the {each['count']} readings by {name} are all the same, so they count no more than one; "
                "raise `reading_temperature`, or leave `readings` out."
            )


def _readings(members: Sequence[Assignment], place: int) -> dict[str, dict[str, Any]]:
    """By rubric and judge model that read each response several times: how often, and how often all were the same."""
    columns: dict[str, list[list[Verdict]]] = {}
    for each in members:
        if each.model is not None:
            columns.setdefault(f"{each.judge.name} by {each.model.name}", []).append(each.verdicts[place])
    several = {name: own for name, own in columns.items() if len(own) > 1}
    return {name: {"count": len(own), "same": same_share(own)} for name, own in several.items()}


def _record(panel: Panel, members: Sequence[Assignment], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    record: dict[str, Any] = {
        "version": panel.version,
        "samples": len(verdicts),
        "unscored": unscored_by_reason(verdicts),
    }
    if usage := {each.judge.version: each.usage for each in members if each.usage is not None}:
        record["usage_of_all_tasks"] = usage  # all tasks are one batch
    if (agreement := panel.agreement(verdicts)) is not None:
        record["agreement"] = agreement
    if reports := [each.anchors for each in members if each.anchors is not None]:
        record["anchors"] = {report.version: report.to_dict() for report in reports}
    return record


def _spent_since(before: Usage, now: Usage) -> dict[str, int]:
    earlier = asdict(before)
    return {key: value - earlier[key] for key, value in asdict(now).items()}
