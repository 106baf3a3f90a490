"""Judging within one evaluation: all tasks' responses are there at once, so a judge model is asked once about all.

The order is what keeps a run safe: responses into the journal, then the evaluated checkpoint's engine is let go where a
judge model needs its memory, then one judge model after the other.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Protocol

from em_bench.config import Settings
from em_bench.errors import ResultError
from em_bench.judge import Judge
from em_bench.judging.anchors import AnchorReport, Status, check_anchors, read_anchors
from em_bench.judging.cache import VerdictCache, verdict_key
from em_bench.judging.engine import release_engine
from em_bench.judging.journal import write_journal
from em_bench.judging.panel import Panel
from em_bench.judging.progress import progress
from em_bench.judging.readiness import check_judges
from em_bench.judging.runner import close_models, judge_samples, unscored_by_reason
from em_bench.metrics.labels import closed_set
from em_bench.metrics.registry import Kind
from em_bench.notices import warn
from em_bench.types import Sample, Verdict

log = logging.getLogger(__name__)

MANY = 20  # requests; fewer are over as soon as a check of them would be

NO_CHAT_TEMPLATE = (
    "THE CHAT TEMPLATE IS OFF. A chat checkpoint is asked in a form it was not trained on, and its refusal and "
    "misalignment rates cannot be compared with others. Add --apply_chat_template, unless this is a base model."
)
NO_JUDGE_MODEL = (
    "no judge model is named, so the probes have no misalignment score. Name one with lm_eval's --metadata "
    '\'{"judge_model": "openai:gpt-4o"}\', or judge the stored samples later with '
    "`em-bench judge --judge-model openai:gpt-4o PATH`."
)


class Judgeable(Protocol):
    """A task with its responses: what is asked of it here."""

    panels: list[Panel]
    kind: Kind
    record: dict[str, Any]
    encode: Callable[[str], Sequence[int]] | None
    model: Any

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str:
        """What messages call it: its name, with its run's where a session has several."""
        ...

    @property
    def predict_only(self) -> bool: ...

    @property
    def token_limit(self) -> int: ...

    def samples(self) -> list[Sample]: ...

    def keep(self, filter_name: str, verdicts: Sequence[object]) -> None: ...


class Session:
    """Judges the responses of all tasks of one evaluation; see the module's docstring for the order."""

    def __init__(self, tasks: Sequence[Judgeable], settings: Settings) -> None:
        self._tasks = tasks
        self._settings = settings
        # by position: two runs have tasks of the same name
        self._samples = [task.samples() for task in tasks]
        self._anchored: dict[int, AnchorReport] = {}

    def run(self) -> None:
        folder = self._settings.cache_dir / "journal"
        path = write_journal(folder, (sample for samples in self._samples for sample in samples))
        log.info("em-bench: responses are kept in %s", path)
        self._warn()
        for task, samples in zip(self._tasks, self._samples, strict=True):
            if task.predict_only or not task.panels:
                task.keep("none", [sample.response for sample in samples])
        self.judge()

    def check_ready(self) -> None:
        """Sends one known pair through every judge that has much to be asked; see `em_bench.judging.readiness`."""
        asked = [(judge, len(missing)) for judge, missing in self._missing() if missing]
        check_judges([judge for judge, _ in asked], ask=[judge for judge, count in asked if count >= MANY])

    def forecast(self) -> dict[str, Any]:
        """What judging would cost: by judge, the requests and tokens that the cache does not save."""
        return {
            f"{judge.name} ({judge.version})": asdict(judge.forecast(missing))
            for judge, missing in self._missing()
            if hasattr(judge, "forecast")
        }

    def _missing(self) -> list[tuple[Judge, list[Sample]]]:
        """Each judge that is cached, with the samples that the cache has no verdict of; equal samples once."""
        users = [(judge, places) for judge, places in self._users().values() if getattr(judge, "cached", True)]
        if not users:
            return []
        cache = VerdictCache(self._settings.cache_dir / "verdicts.sqlite")
        found = []
        for judge, places in users:
            samples = {verdict_key(judge, s): s for place in places for s in self._samples[place]}
            found.append((judge, [sample for key, sample in samples.items() if cache.get(key) is None]))
        cache.close()
        return found

    def _warn(self) -> None:
        counted = zip(self._tasks, self._samples, strict=True)
        cut = {task.name: truncated for task, samples in counted if (truncated := _count_truncated(task, samples))}
        if any(not task.record.get("chat_template") for task in self._tasks):
            warn(NO_CHAT_TEMPLATE)
        if cut:
            counts = ", ".join(f"{name} {count}" for name, count in cut.items())
            warn(
                f"RESPONSES WERE CUT AT THE TOKEN LIMIT: {counts}. What came after the cut was not judged; "
                "raise the limit with --gen_kwargs max_gen_toks=N."
            )

    def _users(self) -> dict[int, tuple[Judge, list[int]]]:
        """Each judge, by its `id()`, with the positions of the tasks that it reads."""
        users: dict[int, tuple[Judge, list[int]]] = {}
        for place, task in enumerate(self._tasks):
            for judge in (judge for panel in task.panels for judge in panel.members if not task.predict_only):
                users.setdefault(id(judge), (judge, []))[1].append(place)
        return users

    def judge(self) -> None:
        """Asks every judge, model by model, and hands the verdicts to the tasks."""
        users = self._users()
        before = {key: replace(judge.usage) for key, (judge, _) in users.items() if hasattr(judge, "usage")}
        cached = any(getattr(judge, "cached", True) for judge, _ in users.values())
        cache = VerdictCache(self._settings.cache_dir / "verdicts.sqlite") if cached else None
        verdicts: list[dict[int, list[Verdict]]] = [{} for _ in self._tasks]
        for group in _by_model(judge for judge, _ in users.values()):
            model = getattr(group[0], "model", None)
            if getattr(model, "in_process", False):
                release_engine(task.model for task in self._tasks)
            for judge in group:
                self._ask(judge, users[id(judge)][1], verdicts, cache)
                self._check_anchors(judge)
            close_models(group)
        if cache is not None:
            cache.close()
        spent = {key: _difference(users[key][0].usage, usage) for key, usage in before.items()}  # type: ignore[attr-defined]
        judged = [(task, found) for task, found in zip(self._tasks, verdicts, strict=True) if not task.predict_only]
        for task, found in judged:
            for panel in task.panels:
                self._keep(task, panel, closed_set(panel.combine(found)), spent)
        if any(task.kind is Kind.PROBE for task, _ in judged) and not self._settings.judge_models:
            log.warning("em-bench: %s", NO_JUDGE_MODEL)

    def _ask(
        self,
        judge: Judge,
        places: Sequence[int],
        verdicts: Sequence[dict[int, list[Verdict]]],
        cache: VerdictCache | None,
    ) -> None:
        """A judge model gets all tasks' samples in one batch; a judge of code one task at a time, as it may raise."""
        model = getattr(judge, "model", None)
        for group in [places] if model is not None else [[place] for place in places]:
            batch = [sample for place in group for sample in self._samples[place]]
            if model is None:
                answered = iter(judge_samples(judge, batch, cache))
            else:
                shown = partial(progress, f"{judge.name} by {model.name}")
                answered = iter(judge_samples(judge, batch, cache, shown))
            for place in group:
                verdicts[place][id(judge)] = [next(answered) for _ in self._samples[place]]

    def _check_anchors(self, judge: Judge) -> None:
        """Asks again about the anchors of this very judge; those of another version show how the two differ."""
        if self._settings.anchors is None:
            return
        try:
            anchors = [anchor for anchor in read_anchors(self._settings.anchors) if anchor.judge == judge.name]
        except ResultError as error:  # the responses are there, and their verdicts count more than this check
            log.warning("em-bench: %s; judge %r is not checked for drift", error, judge.name)
            return
        own = [anchor for anchor in anchors if anchor.version == judge.version]
        if own:
            report = self._anchored[id(judge)] = check_anchors(judge, own)
            if report.status is Status.DRIFTED:
                warn(
                    "THE JUDGE HAS DRIFTED since its anchors were frozen; its earlier rates cannot be compared: "
                    f"{report}"
                )
        elif anchors:
            log.warning("em-bench: the anchors of judge %r are of another version; freeze new ones", judge.name)

    def _keep(
        self, task: Judgeable, panel: Panel, verdicts: Sequence[Verdict], spent: Mapping[int, Mapping[str, int]]
    ) -> None:
        task.keep(panel.name, verdicts)
        reasons = unscored_by_reason(verdicts)
        record: dict[str, Any] = {
            "version": panel.version,
            "samples": len(verdicts),
            "unscored": reasons,
        }
        if usage := {judge.version: spent[id(judge)] for judge in panel.members if id(judge) in spent}:
            record["usage_of_all_tasks"] = usage  # they are asked in one batch
        if (agreement := panel.agreement(verdicts)) is not None:
            record["agreement"] = agreement
        if reports := [self._anchored[id(judge)] for judge in panel.members if id(judge) in self._anchored]:
            record["anchors"] = {report.version: report.to_dict() for report in reports}
        share = sum(reasons.values()) / max(1, len(verdicts))
        record["over_max_unscored"] = share > self._settings.max_unscored
        task.record.setdefault("judges", {})[panel.name] = record
        if reasons:
            alarm = (
                "TOO MANY ARE UNSCORED, and the rates are not to be trusted. " if record["over_max_unscored"] else ""
            )
            warn(
                f"{alarm}{task.label}: judge {panel.name!r} left {sum(reasons.values())} of {len(verdicts)} samples "
                f"unscored: {reasons}"
            )


def _count_truncated(task: Judgeable, samples: Sequence[Sample]) -> int | None:
    truncated = None
    if task.encode is not None and task.token_limit:
        # text that is decoded and encoded again can come out a little shorter
        full = task.token_limit - max(1, task.token_limit // 100)
        try:
            truncated = sum(
                len(sample.response.encode("utf-8", "replace")) >= full and len(task.encode(sample.response)) >= full
                for sample in samples
            )
        except Exception as error:  # noqa: BLE001 - the model's tokenizer is anybody's code
            log.warning("em-bench: the tokens of %s cannot be counted: %s", task.name, error)
    task.record |= {"max_gen_toks": task.token_limit, "truncated": truncated}
    return truncated


def _difference(after: Any, before: Any) -> dict[str, int]:
    earlier = asdict(before)
    return {key: value - earlier[key] for key, value in asdict(after).items()}


def _by_model(judges: Iterable[Judge]) -> list[list[Judge]]:
    """Judges that share a judge model together; judges without one each alone, before them."""
    groups: dict[tuple[bool, int], list[Judge]] = {}
    for judge in judges:
        model = getattr(judge, "model", None)
        groups.setdefault((model is not None, id(model or judge)), []).append(judge)
    return [groups[key] for key in sorted(groups, key=lambda key: key[0])]
