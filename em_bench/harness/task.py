"""`JudgedTask`, the one lm-eval class of em-bench: every task YAML names it as its `class`.

It takes its documents from JSONL, a published set or a question file (see `em_bench.prompts.sources`), and once
lm-eval has generated every response it hands them to the judges (see `em_bench.judging.session`). Each judge's verdicts
become an lm-eval filter of the judge's name, so results tables and samples files show them side by side.

Keys that a task YAML has beyond lm-eval's own:

    kind: harmful | benign | probe | care
    domain: cybersecurity          # one of the seven; not on probes, care and published sets
    prompts: prompts/x.jsonl       # or `published:`, or `questions:`
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import Dataset
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask

from em_bench import __version__
from em_bench.conditions import NONE
from em_bench.config import load_settings
from em_bench.errors import ConfigError, PrerequisiteError
from em_bench.harness.chat_template import (
    BLANK_LINE,
    join_systems,
    opens_reasoning,
    require_template,
    template_under,
)
from em_bench.harness.task_batch import open_batch
from em_bench.judging.panel import Panel, panels_for
from em_bench.judging.readiness import elsewhere
from em_bench.metrics.documents import DOCUMENT_METRICS, document_metrics
from em_bench.metrics.registry import Kind, directions
from em_bench.notices import one_line_errors
from em_bench.prompts.files import prompt_set_hash
from em_bench.prompts.published.locate import WHERE
from em_bench.prompts.questions import agreed_on, generation_of
from em_bench.prompts.sources import WAYS, Source, load_source, notices
from em_bench.prompts.tiers import at_tiers, tiers_of
from em_bench.runs.provenance import CHECKPOINT_KEYS
from em_bench.text import message_line
from em_bench.types import DOMAINS, Sample, Verdict

log = logging.getLogger(__name__)

OWN_KEYS = ("kind", "domain", *WAYS)
# what engines call the largest number of new tokens
LIMIT_KEYS = ("max_gen_toks", "max_new_tokens", "max_tokens")


class JudgedTask(ConfigurableTask):  # type: ignore[misc]
    """An lm-eval task whose responses are judged. Made by lm-eval from a task YAML; see the module's docstring."""

    def __init__(self, config: dict[str, Any]) -> None:
        with one_line_errors():
            name = str(config.get("task"))
            self.kind = _kind(config.get("kind"), name)
            self.domain = _domain(config.get("domain"), name, self.kind, own=bool(config.get("published")))
            metadata = dict(config.get("metadata") or {})
            self.settings = load_settings(metadata)
            self._batch = open_batch(self.settings)
            unreachable = self._batch.unreachable
            self._source = self._load({**config, "metadata": metadata}, unreachable)
            self._batch.add(self)
            # before generation: a judge that cannot be loaded must not cost a run
            self.panels: list[Panel] = panels_for(self.kind, self.settings, metadata, self.own_rubric, self._batch.pool)
            self.record: dict[str, Any] = {}
            self.encode: Callable[[str], Sequence[int]] | None = None
            self.model: Any = None
            config = {key: value for key, value in config.items() if key not in (*OWN_KEYS, "class")}
            config |= {
                "metadata": metadata,
                "metric_list": [],
                "test_split": "test",
                "doc_to_text": "prompt",
                "doc_to_target": "",
            }
            config |= agreed_on(self._source.rows if self._source.record else [], config)
            if self.kind is Kind.PROBE and self.settings.repeats is not None:
                config["repeats"] = self.settings.repeats
            super().__init__(config=config)
            self._generation_kwargs = dict(self.config.generation_kwargs or {})

    def _load(self, config: Mapping[str, Any], unreachable: set[str]) -> Source:
        source = load_source(config, self.settings, unreachable)
        rows = at_tiers(source.rows, self.kind, self.settings.tiers, self.settings.condition, source.place)
        return replace(source, rows=rows)

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **_: Any) -> None:
        """The prompts as lm-eval's dataset, in memory: nothing is fetched and no cache is written."""
        try:
            self.dataset = {"test": Dataset.from_list(self._source.rows)}
        except (TypeError, ValueError) as error:  # pyarrow's errors are of these
            raise ConfigError(
                f"{self._source.place} has a field of several types: {message_line(error)}; make it one"
            ) from error

    def build_all_requests(self, **kwargs: Any) -> None:
        with one_line_errors():
            self.refuse_missing()
            if not self.predict_only:
                judges = [judge for panel in self.panels for judge in panel.members]
                self._batch.pool.check(judges, ask=elsewhere(judges))
            # lm-eval drops why a generation ended; the model behind the template can count a response's tokens again
            self.model = getattr(kwargs.get("chat_template"), "__self__", None)
            super().build_all_requests(**self._under_condition(kwargs))
        self.encode = getattr(self.model, "tok_encode", None)
        self.record = {
            "em_bench_version": __version__,
            "kind": str(self.kind),
            "domain": self.domain,
            "prompt_set_sha256": prompt_set_hash(instance.doc for instance in self.instances),
            "chat_template": bool(kwargs.get("apply_chat_template")),
            "system_instruction": kwargs.get("system_instruction"),
        }
        if tiers := tiers_of(self._source.rows):
            self.record["tiers"] = tiers
        if (condition := self.settings.condition) != NONE:
            self.record["condition"] = condition.to_dict()
        if self.settings.finetune_domain:
            self.record["finetune_domain"] = dict(self.settings.finetune_domain)
        if self._source.record:
            self.record["source"] = dict(self._source.record)
            for line in notices(self.name, self._source.record, asks_llm=bool(self.settings.judge_models)):
                log.warning("em-bench: %s", line)
        if any(opens_reasoning(str(instance.args[0])) for instance in self.instances[:1]):
            self.record["reasoning_opened"] = True
        self._batch.wait(self)

    def _under_condition(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """lm-eval's arguments with the condition's system prompt, or with a template that puts in none of its own."""
        condition = self.settings.condition
        changed: dict[str, Any] = {
            "system_instruction": join_systems(arguments.get("system_instruction"), condition.system),
            # lm-eval's cache of requests goes by the task's name: it knows nothing of conditions and files
            "cache_requests": bool(arguments.get("cache_requests")) and condition == NONE and not self._source.record,
        }
        if arguments.get("apply_chat_template") and arguments.get("chat_template") is not None:
            changed["chat_template"] = template_under(condition, arguments["chat_template"])
        else:
            require_template(condition)
        return arguments | changed

    def doc_to_text(self, doc: dict[str, Any], *arguments: Any) -> Any:
        return self.settings.condition.apply(super().doc_to_text(doc, *arguments))

    def refuse_missing(self) -> None:
        """Raises `PrerequisiteError` naming every published set that is missing, where this task's is one."""
        if self._source.missing:
            missing = " | ".join(self._batch.missing_sets())
            raise PrerequisiteError(f"nothing was generated: {missing} | put what is missing {WHERE}")

    def construct_requests(self, doc: dict[str, Any], ctx: Any, **kwargs: Any) -> Any:
        """A question's own repeats and generation settings apply, unless the user gave others."""
        name, number, repeats = kwargs.pop("metadata")
        own = doc if self._source.record else {}
        if own.get("samples_per_paraphrase") and self.settings.repeats is None:
            repeats = own["samples_per_paraphrase"]
        request = super().construct_requests(doc, ctx, metadata=(name, number, repeats), **kwargs)
        context, generation = request.arguments
        # what --gen_kwargs overrides
        overridden = {key for key in generation if generation[key] != self._generation_kwargs.get(key)}
        named = {key: value for key, value in generation_of(own).items() if key not in overridden}
        request.arguments = (context, generation | named)
        return request

    def fewshot_context(self, doc: dict[str, Any], num_fewshot: int, **kwargs: Any) -> Any:
        if not kwargs.get("apply_chat_template"):
            # lm-eval joins the turns with nothing between them
            self.config.fewshot_delimiter = BLANK_LINE
            system = join_systems(kwargs.get("system_instruction"), self._own_system(doc))
            kwargs["system_instruction"] = f"{system}{BLANK_LINE}" if system else None
            description, self.config.description = self.config.description, ""
            try:
                return super().fewshot_context(doc, num_fewshot, **kwargs)
            finally:
                self.config.description = description
        return super().fewshot_context(doc, num_fewshot, **kwargs)

    def apply_filters(self) -> None:
        """Where lm-eval reduces responses, the judges read them. `--predict_only` keeps them all for later."""
        with one_line_errors():
            self._batch.judge(self, self.settings)

    @property
    def has_responses(self) -> bool:
        return bool(self.instances and self.instances[0].resps)

    @property
    def missing_set(self) -> str | None:
        return self._source.missing

    @property
    def label(self) -> str:
        return self.name

    @property
    def predict_only(self) -> bool:
        return "bypass" in self._metric_fn_list

    @property
    def name(self) -> str:
        return str(self.config.task)

    @property
    def own_rubric(self) -> Path | None:
        """The question file that the documents are from, where its own judge prompts can judge the responses."""
        return self._source.rubric

    @property
    def token_limit(self) -> int:
        """The limit that all responses share, else 0: with several limits, truncation cannot be counted."""
        settings = [instance.args[1] for instance in self.instances] or [self.config.generation_kwargs or {}]
        limits = {int(next((each[key] for key in LIMIT_KEYS if each.get(key)), 0)) for each in settings}
        return limits.pop() if len(limits) == 1 else 0

    def samples(self) -> list[Sample]:
        """Every response as a sample: documents in lm-eval's order, the repeats of one document together."""
        metadata = self.config.metadata or {}
        checkpoint = " + ".join(str(metadata[key]) for key in CHECKPOINT_KEYS if metadata.get(key))
        condition = self.settings.condition
        begun = {"prefill": condition.prefill} if condition.prefill else {}
        return [
            Sample(
                id=f"{instance.doc['id']}#{repeat}",
                task=self.name,
                domain=self.domain or (self._source.record and instance.doc.get("domain")) or "",
                prompt=instance.doc["prompt"],
                response=condition.assistant_turn(response),
                system=join_systems(
                    self.record.get("system_instruction"),
                    condition.system,
                    self._own_system(instance.doc),
                ),
                metadata={
                    "kind": str(self.kind),
                    "document": instance.doc["id"],
                    "repeat": repeat,
                    "checkpoint": checkpoint,
                    **begun,
                    "reasoning_opened": self.record.get("reasoning_opened", False),
                },
            )
            for instance in self.instances
            for repeat, response in enumerate(instance.resps)
        ]

    def keep(self, filter_name: str, verdicts: Sequence[object]) -> None:
        """Hands one verdict per response to lm-eval, under the filter's name."""
        remaining = iter(verdicts)
        for instance in self.instances:
            instance.filtered_resps[filter_name] = [next(remaining) for _ in instance.resps]

    def process_results(self, doc: dict[str, Any], results: list[list[Verdict]]) -> dict[str, float]:
        if self.predict_only:
            return {"bypass": 999.0}
        # without a judge for its kind a task keeps its responses, and has no metric
        return document_metrics(self.kind, results[0]) if self.panels else {}

    def aggregation(self) -> dict[str, Callable[[Sequence[float]], float]]:
        return dict.fromkeys((*DOCUMENT_METRICS, "bypass"), mean)

    def higher_is_better(self) -> dict[str, bool]:
        return directions(self.kind)

    def dump_config(self) -> dict[str, Any]:
        """lm-eval's own, with what this run recorded under `metadata.em_bench`."""
        dumped: dict[str, Any] = super().dump_config()
        return dumped | {"metadata": dumped.get("metadata", {}) | {"em_bench": self.record}}

    def _own_system(self, doc: Mapping[str, Any]) -> str | None:
        return doc.get("system") if self.config.description == "system" else None


def _kind(value: object, task: str) -> Kind:
    try:
        return Kind(str(value))
    except ValueError:
        raise ConfigError(f"task {task} has kind {value!r}; its YAML needs `kind:` {', '.join(Kind)}") from None


def _domain(value: object, task: str, kind: Kind, *, own: bool) -> str:
    """`own` where each document can have its own domain."""
    domains = ", ".join(DOMAINS)
    if value is None and kind in (Kind.HARMFUL, Kind.BENIGN) and not own:
        raise ConfigError(
            f"task {task} asks {kind} prompts and has no domain; its YAML needs `domain:` one of {domains}"
        )
    if value is not None and value not in DOMAINS:
        raise ConfigError(f"task {task} has the unknown domain {value!r}; known: {domains}")
    return "" if value is None else str(value)
