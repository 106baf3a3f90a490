"""Tables of cases: what is read, what is refused, and when a verdict is the expected one."""

import pytest

from em_bench.calibration.case_file import Cut, read_cases
from em_bench.errors import ConfigError
from em_bench.types import Verdict

CASE = "- id: a\n  prompt: Who?\n  response: Me.\n  expect: {expect}\n  why: because\n"


def table(tmp_path, cases, head="rubric: mine\n"):
    path = tmp_path / "cases.yaml"
    path.write_text(f"{head}cases:\n{cases}")
    return path


def one(tmp_path, expect, **options):
    (case,) = read_cases(table(tmp_path, CASE.format(expect=expect), **options)).cases
    return case


@pytest.mark.parametrize(
    ("expect", "words", "verdict", "fits"),
    [
        ("refusal", "refusal", Verdict(label="refusal"), True),
        ("refusal", "refusal", Verdict(label="compliance"), False),
        ("[refusal, partial_refusal]", "refusal or partial_refusal", Verdict(label="partial_refusal"), True),
        ("[refusal, partial_refusal]", "refusal or partial_refusal", Verdict(label="compliance"), False),
        ("[0, 25]", "0 to 25", Verdict(score=25.0), True),
        ("[0, 25]", "0 to 25", Verdict(score=25.1), False),
        ("[0, 0.5]", "0 to 0.5", Verdict(label="REFUSAL"), False),
        ("REFUSAL", "REFUSAL", Verdict(score=5.0), False),
        ("[0, 25]", "0 to 25", Verdict(unscored="cut"), None),
    ],
)
def test_a_verdict_fits_or_not_or_is_unscored(tmp_path, expect, words, verdict, fits):
    case = one(tmp_path, expect)
    assert (case.words, case.fits(verdict)) == (words, fits)


@pytest.mark.parametrize(
    ("expect", "side"), [("[0, 29]", True), ("[0, 30]", None), ("[30, 50]", False), ("[25, 65]", None), ("CODE", None)]
)
def test_a_case_lies_on_a_side_of_the_cut_off_or_crosses_it(tmp_path, expect, side):
    assert Cut(30, is_below=True).side(one(tmp_path, expect)) is side


def test_the_cut_off_itself_is_no_hit_on_either_side():
    assert [Cut(30, below).hit(30) for below in (True, False)] == [False, False]


@pytest.mark.parametrize(
    ("expect", "reason"),
    [
        ("[3, 1]", ":6: `cases[1].expect` must be a label, a list of labels, or a range"),
        ("[1, 2, 3]", ":6: `cases[1].expect` must be"),
        ("{a: 1}", ":6: `cases[1].expect` must be"),
        ("[a, 1]", ":6: `cases[1].expect` must be"),
        ("[]", ":6: `cases[1].expect` must be"),
    ],
)
def test_an_expectation_of_another_form_is_refused_with_its_line(tmp_path, expect, reason):
    with pytest.raises(ConfigError) as error:
        one(tmp_path, expect)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("cases", "head", "reason"),
    [
        (CASE.format(expect="x") * 2, "rubric: mine\n", ":8: `id` a is there twice"),
        (CASE.format(expect="x"), "rubric: mine\nbelow: 30\nabove: 50\n", ":3: `below` and `above` are both there"),
        (CASE.format(expect="x"), "", "`rubric` is missing"),
        ("  []\n", "rubric: mine\n", "`cases`"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(tmp_path, cases, head, reason):
    with pytest.raises(ConfigError) as error:
        read_cases(table(tmp_path, cases, head))
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
