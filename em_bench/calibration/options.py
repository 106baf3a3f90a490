"""What may be chosen about measuring a judge: light to import, checked when it is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from em_bench.errors import ConfigError
from em_bench.judging.choices import JudgeSelection

if TYPE_CHECKING:
    from em_bench.metrics.registry import Kind

LABEL_KEY = "label"
REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Columns:
    """What a file calls its columns. None takes the usual names, if there are any."""

    label: str = LABEL_KEY
    response: str | None = None
    prompt: str | None = None
    group: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class LabelMap:
    """From a file's labels to em-bench's. Without `words` labels are taken as they are. `ignored` rows are left out."""

    words: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """What is measured against what.

    `source` is a file of labelled responses, which `judges` judge; or a stored run, whose verdicts are
    compared with the labels in the file `labels` or with the judges in `against`. `positive` is the label that counts;
    with `score_below` or `score_from` the judge's score decides. `kind` is that of the prompts in a file.
    """

    source: Path
    judges: JudgeSelection = field(default_factory=JudgeSelection)
    against: Sequence[str] = ()
    labels: Path | None = None
    kind: "Kind | None" = None
    columns: Columns = field(default_factory=Columns)
    label_map: LabelMap = field(default_factory=LabelMap)
    positive: str = REFUSAL
    score_below: float | None = None
    score_from: float | None = None
    only_one: bool = False
    """Refuse to measure several judges, before any of them judges."""


def parse_label_map(pairs: Sequence[str], ignored: Sequence[str]) -> LabelMap:
    """`complied=compliance,rejected=refusal` words, and labels to leave out. Raises `ConfigError`."""
    words: dict[str, str] = {}
    for pair in (word for text in pairs for word in text.split(",") if word.strip()):
        label, separator, meaning = (part.strip() for part in pair.rpartition("="))
        if not separator or not label or not meaning:
            raise ConfigError(f"--label-map {pair!r} is not LABEL=MEANING, like complied=compliance")
        if words.get(label, meaning) != meaning:
            raise ConfigError(f"--label-map gives {label!r} two meanings, {words[label]!r} and {meaning!r}")
        words[label] = meaning
    return LabelMap(words, frozenset(word.strip() for text in ignored for word in text.split(",") if word.strip()))
