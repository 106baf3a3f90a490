"""What continuous integration reads: JSON, JUnit XML, and the annotations of GitHub's workflow commands."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from em_bench.compare.comparison import Comparison
from em_bench.compare.gate import Check, GateResult, Outcome
from em_bench.reports.sections import LONGEST, change, gate_line, heading
from em_bench.text import shown

# what XML 1.0 cannot hold, even escaped
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LEVELS = {Outcome.PASS: "notice", Outcome.REGRESS: "error", Outcome.INCONCLUSIVE: "warning"}

Result = tuple[Comparison, GateResult | None]


def json_text(results: Iterable[Result], further: Sequence[dict[str, Any]] = ()) -> str:
    """A list with an object for each candidate; `further` are more keys of each."""
    rows = [comparison.to_dict() | {"gate": verdict.to_dict() if verdict else None} for comparison, verdict in results]
    return json.dumps([row | more for row, more in zip(rows, further or [{}] * len(rows), strict=True)], indent=2)


def junit(results: Iterable[Result]) -> str:
    """A suite for each candidate, a case for each check of the gate; without a gate, one for the diagnosis.

    A regression is a failure, what is inconclusive an error: most systems show both as red and tell them apart.
    """
    root = ET.Element("testsuites", name="em-bench")
    for comparison, result in results:
        cases = [_case(comparison, check) for check in result.checks] if result else [_told(comparison)]
        counts = {
            "tests": len(cases),
            "failures": sum(case.find("failure") is not None for case in cases),
            "errors": sum(case.find("error") is not None for case in cases),
            "skipped": sum(case.find("skipped") is not None for case in cases),
        }
        numbers = {name: str(count) for name, count in counts.items()}
        suite = ET.SubElement(root, "testsuite", {"name": _xml(heading(comparison))} | numbers)
        suite.extend(cases)
        ET.SubElement(suite, "system-out").text = _xml(comparison.diagnosis.sentence)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _told(comparison: Comparison) -> ET.Element:
    case = ET.Element("testcase", classname="em-bench", name="diagnosis")
    ET.SubElement(case, "system-out").text = _xml(comparison.diagnosis.sentence)
    return case


def _case(comparison: Comparison, check: Check) -> ET.Element:
    name = f"{check.name}: {check.limit}" if check.limit else check.name
    case = ET.Element("testcase", classname=_xml(shown(comparison.candidate, LONGEST)), name=_xml(shown(name, LONGEST)))
    tags = {Outcome.REGRESS: "failure", Outcome.INCONCLUSIVE: "error", Outcome.SKIPPED: "skipped"}
    if tag := tags.get(check.outcome):
        element = ET.SubElement(case, tag, message=_xml(_message(check)))
        if tag != "skipped":
            element.set("type", str(check.outcome))
    return case


def _message(check: Check) -> str:
    worse = change(check.worse, check.low, check.high, is_mean=check.is_mean) if check.worse is not None else ""
    numbers = f" Worse by {worse}, n={check.n}, judge {shown(check.judge, LONGEST)}." if worse else ""
    return f"{check.outcome}: {check.reason}.{numbers}"


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def annotations(results: Iterable[Result]) -> Iterator[str]:
    """Workflow commands: the result of each candidate, and every check that did not pass."""
    for comparison, result in results:
        title = f"em-bench: {heading(comparison)}"
        if result is None:
            yield _command("notice", title, comparison.diagnosis.sentence)
            continue
        yield _command(LEVELS[result.outcome], title, f"{gate_line(result)}. {comparison.diagnosis.sentence}")
        for check in result.checks:
            if check.outcome in (Outcome.REGRESS, Outcome.INCONCLUSIVE):
                yield _command(LEVELS[check.outcome], f"em-bench: {shown(check.name, LONGEST)}", _message(check))


def _command(level: str, title: str, message: str) -> str:
    """Escaped as GitHub's runner reads it back: data, and in properties `:` and `,` too."""
    return f"::{level} title={_escaped(title).replace(':', '%3A').replace(',', '%2C')}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
