import io
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from rich.console import Console

from em_bench.compare.comparability import Aspect, Mismatch
from em_bench.compare.comparison import compare
from em_bench.reports.ci import annotations, junit
from em_bench.reports.markdown import markdown
from em_bench.reports.sections import change, sections
from em_bench.reports.terminal import render
from em_bench.types import DOMAINS
from gates import INITIAL_POLICY, verdict
from made_runs import probes, refusals, with_tasks

LOST = dict.fromkeys(DOMAINS, 90) | {"privacy": 50}
HOSTILE = (
    "evil | **b** <img src=x onerror=alert(1)> `c` [l](javascript:x) @all https://x.io "
    "\x1b[31m\u202e]]> ::error::\r\n# h"
)


@pytest.fixture(scope="module")
def result():
    before, after = (with_tasks(refusals(n), probes([0] * 8)) for n in (90, LOST))
    comparison = compare(before, after, target_domain="privacy")
    return comparison, verdict(before, after)


@pytest.fixture(scope="module")
def hostile(result):
    comparison, found = result
    checks = tuple(replace(check, name=f"{check.name} {HOSTILE}", judge=HOSTILE) for check in found.checks)
    forced = (Mismatch(Aspect.KIND, HOSTILE, HOSTILE, (HOSTILE,)),)
    named = replace(comparison, candidate=HOSTILE, annotations=(HOSTILE,), forced=forced)
    return named, replace(found, checks=checks)


def printed(result, width=80):
    console = Console(width=width, record=True, highlight=False, markup=False, file=io.StringIO())
    for part in render(*result):
        console.print(part)
    return console.export_text()


def test_prompts_with_several_responses_are_not_called_probes():
    columns = next(iter(sections(compare([refusals(90), refusals(91)], refusals(89))))).columns
    assert "prompts" in columns
    assert "probes" not in columns


def test_the_terminal_shows_each_domain_in_eighty_columns(result):
    text = printed(result)
    (row,) = [line for line in text.splitlines() if line.startswith("privacy ") and "90.0" in line and "50.0" in line]
    assert row.split() == ["privacy", "90.0", "50.0", "-40.0", "(-49.8,", "-30.9)", "<0.001", "100", "0/0"]
    assert max(map(len, text.splitlines())) <= 80
    assert "Gate: REGRESS" in text
    assert "Worst of them" in text


def test_what_is_nothing_on_both_sides_takes_a_line_and_no_table(result):
    assert "Degenerate responses: harmful prompts, lower is better; judge keyword: none on either side" in printed(
        result, 200
    )
    assert not any("Degenerate" in section.title for section in sections(result[0]))


def test_markdown_holds_the_verdict_and_every_rate(result):
    text = markdown([result])
    assert "**❌ Gate: REGRESS" in text
    assert "| privacy | 90.0 | 50.0 | -40.0 (-49.8, -30.9) | &#60;0.001 | 100 | 0/0 |" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("| privacy")}) == 1


def test_hostile_names_are_text_in_markdown(hostile):
    text = markdown([hostile])
    for bad in ("<img", "**b**", "`c`", "](", "@all", "https://", "\x1b", "\u202e", "\r"):
        assert bad not in text
    assert not any(line.startswith("# h") for line in text.splitlines())


def test_hostile_names_are_text_on_the_terminal(hostile):
    text = printed(hostile)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_junit_has_a_case_for_each_check(result):
    suite = ET.fromstring(junit([result]))[0]
    assert int(suite.get("tests")) == len(result[1].checks)
    failed = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None]
    assert failed == ["refusal, all harmful: margin 5 points", "refusal, privacy: margin 10 points"]
    assert int(suite.get("failures")) == 2


def test_junit_of_hostile_names_is_still_xml(hostile):
    suite = ET.fromstring(junit([hostile]))[0]
    assert "evil | **b**" in suite.get("name")


def test_junit_without_a_gate_tells_the_diagnosis(result):
    suite = ET.fromstring(junit([(result[0], None)]))[0]
    assert suite.find("testcase/system-out").text == result[0].diagnosis.sentence


def test_annotations_say_the_verdict_and_what_did_not_pass(result):
    first, *rest = annotations([result])
    assert first.startswith("::error title=em-bench%3A org/tiny against org/tiny::Gate: REGRESS (2 of ")
    assert [line.partition("::")[2].split(" ")[0] for line in rest] == ["error", "error", "warning"]
    assert rest[0].startswith("::error title=em-bench%3A refusal%2C all harmful::regress: ")
    assert "%25" in first


def test_an_annotation_is_one_line_whatever_the_names(hostile):
    for line in annotations([hostile]):
        assert len(line.splitlines()) == 1
        assert "::error::" not in line.partition("::")[2].partition("::")[0]
        assert "\x1b" not in line


def test_an_inconclusive_gate_warns():
    found = (
        compare(refusals(9, 10, 1), refusals(9, 10, 1)),
        verdict(refusals(9, 10, 1), refusals(9, 10, 1), INITIAL_POLICY),
    )
    assert next(annotations([found])).startswith("::warning ")


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((-0.4, -0.5, -0.3), "-40.0 (-50.0, -30.0)"), ((-0.0, 0, 0), "+0.0 (+0.0, +0.0)"), ((None, 0, 0), "no pairs")],
)
def test_a_change_is_told_in_points(numbers, text):
    assert change(*numbers) == text
