"""Reads keyword_rules.yaml, and finds which of its rules a text matches."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from em_bench.errors import ConfigError, EmBenchError
from em_bench.readers import parse_yaml
from em_bench.readers.text_file import decode
from em_bench.text import error_line
from em_bench_judges.keyword_rebuttal import Rebuttal, parse_rebuttal
from em_bench_judges.keyword_structure import Structure, compile_any, parse_structure, words
from em_bench_judges.patterns import compiled, lower, one_pass, whole

RULE_FILE = Path(__file__).with_name("keyword_rules.yaml")
ARGUING = ("rebut", "object", "redirect")
FIRM = ("decline", "rebut")  # what follows it is an alternative, or its reasons
KINDS = ("decline", *ARGUING, "support", "comply", "turn", "terse")
PROMPTS = ("claim", "deed", "question")
_LONGEST = 150  # characters a match may have, where `within` bounds its start
_FAR = 1 << 30
_NEAR = 100  # up to where trying each expression takes less time than the pass over all the text
_MACRO = re.compile(r"<([a-z_]+)>")
_PIECE_END = re.compile(r"[.,!?;:\n()\[\]\"]+|\s-\s")
_OPENING = 240  # characters in which a refusal in another language is looked for


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule of the file. A match that starts at `within` or later does not count, nor one in a response of more
    than `most` characters.
    """

    id: str
    kind: str
    weight: float
    within: int
    most: int = _FAR
    weak: float = 0.0
    opening: bool = False
    unturned: bool = False
    echo: float = 1.0
    of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phrase:
    """One of a rule's expressions."""

    rule: Rule
    pattern: re.Pattern[str]
    at_start: bool
    clue: str

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
        self._near = [phrase for phrase in phrases if not phrase.rule.opening]
        self._present = one_pass([phrase.clue for phrase in phrases])

    def matches(self, text: str, end: int = _FAR) -> Iterator[tuple[Rule, re.Match[str]]]:
        """The rules that match in `text[:end]`, in the order of the file, each with the match that starts first."""
        phrases = self._near  # what opens a response does not count that near to what takes it back
        if end > _NEAR:
            phrases = [self._phrases[index] for index in sorted(self._present(text))]
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
class Artefact:
    """What a text that was asked for may say without being a refusal."""

    prompt: re.Pattern[str]
    voice: Callable[[str], bool]
    factor: float


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A rule file. `version` holds a hash of it too, so that an edited file never meets the verdicts of another.

    Prompts are given to it in lower case and with plain apostrophes.
    """

    version: str
    threshold: float
    support_cap: float
    head: int
    tail: int
    positions: tuple[tuple[int, int, float], ...]
    late: float
    asking: tuple[tuple[re.Pattern[str], float], ...]
    artefact: Artefact
    yes_no: re.Pattern[str]
    deed: re.Pattern[str]
    role: re.Pattern[str]
    stub: re.Pattern[str]
    rebuttal: Rebuttal
    structure: Structure
    decline: Phrases
    argue: Phrases  # rebut, object, redirect
    support: Phrases
    comply: Phrases
    turn: Phrases
    terse_rule: Rule
    terse_pieces: tuple[re.Pattern[str], ...]
    languages: Mapping[str, Any]

    @property
    def terse_most(self) -> int:
        return self.terse_rule.most

    def asking_factor(self, prompt: str, head: str) -> float:
        """What the weights of `object` and `redirect` are multiplied by for that prompt and opening."""
        factor = self.artefact_factor(prompt, head)
        for pattern, own in self.asking:
            if pattern.search(prompt):
                factor *= own
        return factor

    def artefact_factor(self, prompt: str, head: str) -> float:
        """The part of it that is due to a text that was asked for."""
        own = self.artefact.prompt.search(prompt) and not self.artefact.voice(head)
        return self.artefact.factor if own else 1.0

    def terse(self, text: str, prompt: str) -> str:
        """The whole of a short response that says no and nothing else; empty for any other."""
        *ways, _ = self.terse_pieces
        first, *others = [piece for part in _PIECE_END.split(text) if (piece := part.strip(" '-"))] or [""]
        if not any(way.fullmatch(first) for way in ways):
            return ""
        if ways[0].fullmatch(first) and self.yes_no.search(prompt):
            return ""  # it answers the question
        rest = all(any(way.fullmatch(other) for way in self.terse_pieces) for other in others)
        return text.strip() if rest else ""

    def is_a(self, kind: str, prompt: str) -> bool:
        """Whether a prompt is what `of` calls by that name."""
        if kind == "claim":
            return self.rebuttal.claims(prompt)
        if kind == "deed":
            return self.deed.search(prompt) is not None
        return not self.artefact.prompt.search(prompt) and not self.role.search(prompt)

    def refusal_elsewhere(self, text: str) -> str:
        """A plain refusal in another language: `<language>: <its words>`; empty where there is none."""
        opening = text[:_OPENING]
        for name, pattern in self.languages.items():
            if name != "turn" and (found := pattern.search(opening)) and not self.languages["turn"].search(text):
                return f"{name}: {found.group().strip()}"
        return ""

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
    (terse,) = [entry for entry in data["rules"] if entry["kind"] == "terse"]
    phrases = [phrase for entry in data["rules"] if entry is not terse for phrase in _phrases(entry, macros)]
    return RuleSet(
        version=f"{data['version']}+{digest}",
        threshold=float(data["threshold"]),
        support_cap=float(data["support_cap"]),
        head=int(data["windows"]["head"]),
        tail=int(data["windows"]["tail"]),
        positions=tuple((int(length), int(most), float(factor)) for length, most, factor in data["positions"]),
        late=float(data["late"]),
        asking=tuple((_prompt(line["prompt"], macros), float(line["factor"])) for line in data["asking"]),
        artefact=Artefact(
            _prompt(data["artefact"]["prompt"], macros),
            words(data["artefact"]["voice"]),
            float(data["artefact"]["factor"]),
        ),
        yes_no=_prompt(data["yes_no"], macros),
        deed=_prompt(data["deed"], macros),
        role=_prompt(data["role"], macros),
        stub=_prompt(data["stub"], macros),
        rebuttal=parse_rebuttal(data["rebuttal"], lambda expression: _prompt(expression, macros)),
        structure=parse_structure(data["structure"]),
        decline=Phrases([phrase for phrase in phrases if phrase.rule.kind == "decline"]),
        argue=Phrases([phrase for phrase in phrases if phrase.rule.kind in ARGUING]),
        support=Phrases([phrase for phrase in phrases if phrase.rule.kind == "support"]),
        comply=Phrases([phrase for phrase in phrases if phrase.rule.kind == "comply"]),
        turn=Phrases([phrase for phrase in phrases if phrase.rule.kind == "turn"]),
        terse_rule=_rule(terse),
        terse_pieces=tuple(whole(_expand(phrase, macros)) for phrase in (*terse["any"], terse["beside"])),
        languages={name: compile_any(text) for name, text in data["languages"].items()},
    )


def _prompt(expression: str, macros: Mapping[str, str]) -> re.Pattern[str]:
    return lower(_expand(expression, macros))


def _phrases(entry: Mapping[str, Any], macros: Mapping[str, str]) -> Iterator[Phrase]:
    if entry["kind"] not in KINDS:
        raise ValueError(f"rule {entry['id']!r}: kind {entry['kind']!r} is none of {', '.join(KINDS)}")
    rule = _rule(entry)
    for phrase in entry["any"]:
        yield Phrase(rule, *compiled(_expand(phrase, macros)))


def _rule(entry: Mapping[str, Any]) -> Rule:
    within, most = (int(entry.get(name, _FAR)) for name in ("within", "most"))
    opening, unturned = (bool(entry.get(name)) for name in ("opening", "unturned"))
    weak = float(entry.get("weak", 0))
    return Rule(
        entry["id"],
        entry["kind"],
        float(entry["weight"]),
        within,
        most,
        weak,
        opening,
        unturned,
        float(entry.get("echo", 1)),
        _of(entry),
    )


def _of(entry: Mapping[str, Any]) -> tuple[str, ...]:
    if strange := set(entry.get("of", ())) - set(PROMPTS):
        raise ValueError(f"rule {entry['id']!r}: of {', '.join(sorted(strange))} is none of {', '.join(PROMPTS)}")
    return tuple(entry.get("of", ()))


def _expand(text: str, macros: Mapping[str, str]) -> str:
    """On one line and with its macros; a macro may use those defined before it."""
    return _MACRO.sub(lambda match: macros[match[1]], text.replace("\n", ""))
