"""A stored run, parsed once and typed: `Run` -> `TaskRun` -> `JudgedSample` and `JudgeRecord`.

`em_bench.runs.read` makes them of what lm-eval wrote, `em_bench.runs.tables` of tables and journals.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from em_bench.conditions import NONE, Condition
from em_bench.metrics.registry import Kind
from em_bench.runs.provenance import Checkpoint, Provenance
from em_bench.types import Sample, Verdict


@dataclass(frozen=True, slots=True)
class JudgedSample:
    """One response with each judge's verdict. `document` is the prompt's or probe's id, `doc` all that it holds."""

    document: str
    repeat: int
    prompt: str
    response: str
    verdicts: Mapping[str, Verdict]
    doc: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JudgeRecord:
    """One judge's part in a task, as recorded. `samples` is None where the record does not count them.

    `usage` is by judge version and over all tasks of the run; `anchors` are drift checks by judge version.
    """

    name: str
    version: str = ""
    samples: int | None = None
    unscored: Mapping[str, int] = field(default_factory=dict)
    over_max_unscored: bool = False
    agreement: Mapping[str, float | None] | None = None
    usage: Mapping[str, Mapping[str, int | float | None]] | None = None
    anchors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FinetuneDomain:
    """What the checkpoint was fine-tuned on; `task` where one task asks about it alone."""

    name: str
    task: str | None = None


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """What lm-eval's files hold of a task, kept to be written back: its config, em-bench's record, samples lines."""

    config: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One task of a run: how it was asked, its samples, and who judged them.

    `version` is the task YAML's; `tiers` are those of the prompts, empty where they have none; `generation` are its
    generation_kwargs and `repeats`; `source` describes a published set or a question file. `own_systems`: the
    documents' own system prompts were sent. `part`: which part of the task this is (`em_bench.runs.subsets`); empty
    for all of it. `reasoning_opened`: the prompts ended within a reasoning block.
    """

    name: str
    kind: Kind
    domain: str
    samples: tuple[JudgedSample, ...]
    judges: Mapping[str, JudgeRecord] = field(default_factory=dict)
    condition: Condition = NONE
    version: str = ""
    tiers: tuple[str, ...] = ()
    generation: Mapping[str, Any] = field(default_factory=dict)
    em_bench_version: str = ""
    prompt_set_sha256: str = ""
    chat_template: bool = False
    system_instruction: str | None = None
    max_gen_toks: int | None = None
    truncated: int | None = None
    finetune_domain: FinetuneDomain | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    reasoning_opened: bool = False
    own_systems: bool = True
    part: str = ""
    files: TaskFiles = field(default=TaskFiles(), repr=False)

    def verdicts_of(self, judge: str) -> list[tuple[str, Verdict | None]]:
        """Each response's document and the judge's verdict on it; None where it gave none."""
        return [(sample.document, sample.verdicts.get(judge)) for sample in self.samples]

    def to_judge(self) -> list[Sample]:
        """Every response as judges read it."""
        return [
            Sample(
                id=f"{sample.document}#{sample.repeat}",
                task=self.name,
                domain=self.domain,
                prompt=sample.prompt,
                response=self.condition.assistant_turn(sample.response),
                system=self._system(sample.doc),
                metadata={
                    "kind": str(self.kind),
                    "document": sample.document,
                    "repeat": sample.repeat,
                    "reasoning_opened": self.reasoning_opened,
                },
            )
            for sample in self.samples
        ]

    def _system(self, doc: Mapping[str, Any]) -> str | None:
        """The system prompt that was sent, joined as `JudgedTask` joins it: judges then see what they saw there."""
        own = doc.get("system") if self.own_systems else None
        parts = (self.system_instruction, self.condition.system, own)
        return "\n\n".join(str(part) for part in parts if part) or None


@dataclass(frozen=True, slots=True)
class Run:
    """What one lm-eval call wrote for one checkpoint; or a table or journal of responses, then without provenance.

    `model_args` are those of lm-eval's that name the checkpoint, as they were given. `results` is what may be written
    back of lm-eval's results file; empty for a table or a journal.
    """

    path: Path
    checkpoint: Checkpoint
    tasks: Mapping[str, TaskRun]
    provenance: Provenance = field(default_factory=Provenance)
    model_args: Mapping[str, Any] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def condition(self) -> Condition:
        """The condition that every task was run under."""
        return next((task.condition for task in self.tasks.values()), NONE)
