"""Rubrics of installed packages, and telling question files from rubrics."""

import pytest

from em_bench.errors import ConfigError
from em_bench.judging.rubrics import installed_rubrics, is_question_file, rubric_path
from em_bench_judges.rubric import load_rubric

RUBRIC = 'name: politeness\nversion: "1"\nreading: score\nprompt: "{{ response }}"\n'
SOURCE = """
from pathlib import Path
PATH = Path(__file__).parent / "polite.yaml"
TEXT = str(PATH)
def found(): return PATH
def broken(): raise RuntimeError("no such luck")
NOTHING = None
"""


@pytest.fixture
def offered(package, tmp_path):
    """A package that offers one rubric under several names."""
    names = {name: name.upper() for name in ("path", "text", "nothing")} | {"called": "found", "broken": "broken"}
    package("polite", "polite_rubrics", SOURCE, group="em_bench.rubrics", **names)
    path = tmp_path / "site-polite" / "polite.yaml"
    path.write_text(RUBRIC)
    return path


@pytest.mark.parametrize("name", ["path", "text", "called"])
def test_a_package_offers_a_rubric_by_its_path_or_by_what_returns_it(offered, name):
    assert rubric_path(name) == offered
    assert load_rubric(name).name == "politeness"


@pytest.mark.parametrize(("name", "why"), [("broken", "RuntimeError: no such luck"), ("nothing", "TypeError: ")])
def test_a_package_without_a_path_is_named_with_the_reason(offered, name, why):
    with pytest.raises(ConfigError, match=rf"rubric '{name}' of package 'polite' has no path: {why}"):
        rubric_path(name)


def test_an_unknown_rubric_lists_the_installed_ones_too(offered):
    with pytest.raises(ConfigError, match="there are: alignment, broken, called, care, coherence, "):
        load_rubric("polteness")


def test_a_package_cannot_take_the_place_of_a_built_in_rubric(package):
    package("taker", "taker", "PATH = 'x.yaml'", group="em_bench.rubrics", refusal="PATH")
    with pytest.raises(ConfigError, match="rubric 'refusal' is built in, and an installed package offers one too"):
        load_rubric("refusal")


def test_two_packages_with_one_name_are_both_named(package):
    for name in ("one", "two"):
        package(name, name, "PATH = 'x.yaml'", group="em_bench.rubrics", same="PATH")
    with pytest.raises(ConfigError, match="rubric 'same' is offered by one and by two; uninstall one of them"):
        rubric_path("same")


def test_the_command_lists_the_rubrics_of_packages(offered, em_bench):
    assert "path" in installed_rubrics()
    assert "polite.yaml" in em_bench("judges").out
    assert "no such luck" in em_bench("judges", "--json").out  # a narrow table breaks its lines


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("- id: a\n", True), ("# x\n---\n- 1\n", True), ("\ufeff- id: a\n", True), ("[a]", True), ("[]", True),
     ("- id: a\n  bad: [", True), (RUBRIC, False), ("", False), ("text", False), ("{", False), ("\x00", False)],
)  # fmt: skip
def test_a_question_file_is_a_yaml_list(tmp_path, text, is_one):
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    assert is_question_file(path) == is_one


@pytest.mark.parametrize("name", ["nowhere.yaml", ".", "x\x00y", "x" * 5000])
def test_what_is_no_file_is_no_question_file(name):
    assert not is_question_file(rubric_path(name))
