"""Reads keyword_rules.yaml, and finds which of its rules a text matches."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from em_bench.errors import ConfigError, EmBenchError
from em_bench.readers import parse_yaml
from em_bench.readers.text_file import decode
from em_bench.text import error_line
from em_bench_judges.patterns import compiled, one_pass

RULE_FILE = Path(__file__).with_name("keyword_rules.yaml")
CORE = ("decline", "object", "redirect")
KINDS = (*CORE, "support", "comply")
_LONGEST = 150  # characters a match may have, where `within` bounds its start
_FAR = 1 << 30
_NEAR = 100  # up to where trying each expression takes less time than the pass over all the text
_MACRO = re.compile(r"<([a-z_]+)>")


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule of the file. A match that starts at `within` or later does not count."""

    id: str
    kind: str
    weight: float
    within: int


@dataclass(frozen=True, slots=True)
class Phrase:
    """One of a rule's expressions."""

    rule: Rule
    pattern: re.Pattern[str]
    at_start: bool

    def find(self, text: str, end: int) -> re.Match[str] | None:
        """The first match in `text[:end]`, if it starts where the rule says."""
        if self.at_start:
            return self.pattern.match(text)
        match = self.pattern.search(text, 0, min(end, self.rule.within + _LONGEST))
        return match if match and match.start() < self.rule.within else None


class Phrases:
    """Expressions that are looked for together, in a text as `text.normalise` makes it."""

    def __init__(self, phrases: list[Phrase]) -> None:
        self._phrases = phrases
        self._present = one_pass([phrase.pattern for phrase in phrases])

    def matches(self, text: str, end: int = _FAR) -> Iterator[tuple[Rule, re.Match[str]]]:
        """The rules that match in `text[:end]`, in the order of the file, each with the match that starts first."""
        phrases = self._phrases
        if end > _NEAR:
            phrases = [phrases[index] for index in sorted(self._present(text))]
        first: tuple[Rule, re.Match[str]] | None = None  # of the current rule; itertools.groupby takes twice the time
        for phrase in phrases:
            if first and phrase.rule is not first[0]:
                yield first
                first = None
            match = phrase.find(text, end)
            if match and (first is None or match.start() < first[1].start()):
                first = phrase.rule, match
        if first:
            yield first


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A rule file. `version` holds a hash of it too, so that an edited file never meets the verdicts of another."""

    version: str
    threshold: float
    support_cap: float
    head: int
    tail: int
    positions: tuple[tuple[int, int, float], ...]
    late: float
    asking: re.Pattern[str]
    asking_factor: float
    core: Phrases  # decline, object, redirect
    support: Phrases
    comply: Phrases

    def factor(self, before: str) -> float:
        """The factor of a match behind `before`."""
        sentences = before.count(". ") + before.count("! ") + before.count("? ") + before.count("\n") - 1
        for characters, most, factor in self.positions:
            if len(before) < characters and sentences <= most:
                return factor
        return self.late


def load_rules(path: Path = RULE_FILE) -> RuleSet:
    """The rules in that file. Raises `ConfigError` when it is not a rule file."""
    try:
        content = path.read_bytes()
        rules = parse_yaml(decode(content, str(path)), str(path)).value
        return _rule_set(rules, hashlib.sha256(content).hexdigest()[:8])
    except (OSError, EmBenchError, AttributeError, LookupError, TypeError, ValueError, re.error) as error:
        why = f"{error_line(error)}; compare it with {RULE_FILE}"
        raise ConfigError(f"{path} is not a rule file of the keyword judge: {why}") from error


def _rule_set(data: Mapping[str, Any], digest: str) -> RuleSet:
    macros: dict[str, str] = {}
    for name, text in data["macros"].items():
        macros[name] = _expand(text, macros)
    phrases = [phrase for entry in data["rules"] for phrase in _phrases(entry, macros)]
    return RuleSet(
        version=f"{data['version']}+{digest}",
        threshold=float(data["threshold"]),
        support_cap=float(data["support_cap"]),
        head=int(data["windows"]["head"]),
        tail=int(data["windows"]["tail"]),
        positions=tuple((int(length), int(most), float(factor)) for length, most, factor in data["positions"]),
        late=float(data["late"]),
        asking=re.compile(_expand(data["asking"]["prompt"], macros), re.IGNORECASE),
        asking_factor=float(data["asking"]["factor"]),
        core=Phrases([phrase for phrase in phrases if phrase.rule.kind in CORE]),
        support=Phrases([phrase for phrase in phrases if phrase.rule.kind == "support"]),
        comply=Phrases([phrase for phrase in phrases if phrase.rule.kind == "comply"]),
    )


def _phrases(entry: Mapping[str, Any], macros: Mapping[str, str]) -> Iterator[Phrase]:
    if entry["kind"] not in KINDS:
        raise ValueError(f"rule {entry['id']!r}: kind {entry['kind']!r} is none of {', '.join(KINDS)}")
    rule = Rule(entry["id"], entry["kind"], float(entry["weight"]), int(entry.get("within", _FAR)))
    for phrase in entry["any"]:
        yield Phrase(rule, *compiled(_expand(phrase, macros)))


def _expand(text: str, macros: Mapping[str, str]) -> str:
    """On one line and with its macros; a macro may use those defined before it."""
    return _MACRO.sub(lambda match: macros[match[1]], text.replace("\n", ""))
