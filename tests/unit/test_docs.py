"""The pages for people name files, Python names and options that exist."""

import functools
import pkgutil
import re
import subprocess
from pathlib import Path

import pytest
import typer

from em_bench.cli import app
from places import ROOT

CONTRIBUTOR_PAGES = ("CONTRIBUTING.md", "docs/architecture.md")
TRACKED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False)
PAGES = sorted({*TRACKED.stdout.split(), "README.md", *CONTRIBUTOR_PAGES})
CODE_BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|py|toml|yaml|yml|cff))`")
ENTRY_POINT_GROUPS = {"em_bench.judges", "em_bench.judge_models", "em_bench.rubrics"}
ELSEWHERE = {"build/docs"}  # what commands write
COMMAND = re.compile(
    r"(?:^ +|`)em-bench ([a-z]+(?:-path)?(?: (?:init|freeze|check|test|add|build|serve)\b)?)((?:\\\n|[^\n`])*)",
    re.MULTILINE,
)
OPTION = re.compile(r"(?<=\s)--[a-z][\w-]*")
COMMANDS = typer.main.get_command(app)


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(page: str) -> str:
    return CODE_BLOCK.sub("", text(page))


@functools.cache
def options(command: str) -> set[str]:
    """The options of `compare` or `gate init`."""
    found = COMMANDS
    for word in command.split():
        found = found.get_command(typer.Context(found), word)
    return {"--help"} | {option for each in found.params for option in (*each.opts, *each.secondary_opts)}


@pytest.mark.parametrize("page", CONTRIBUTOR_PAGES)
def test_every_path_that_a_contributors_page_names_exists(page):
    paths = set(PATH.findall(prose(page))) - ELSEWHERE
    assert paths
    assert {path for path in paths if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_to_a_file(page):
    folder = (ROOT / page).parent
    generated = {Path("docs/reference/commands.md")}
    missing = {link for link in LINK.findall(prose(page)) if not (folder / link).exists()}
    assert {link for link in missing if (folder / link).resolve().relative_to(ROOT) not in generated} == set()


def test_the_architecture_page_has_a_row_for_every_room():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "em_bench").glob("*/__init__.py")}
    assert {room for room in rooms if f"`{room}/`" not in page} == set()


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_every_python_name_on_a_page_exists(page):
    """`resolve_name` raises for a module or an attribute that is not there."""
    for name in {*re.findall(r"`(em_bench(?:_judges)?(?:\.\w+)+)`", prose(page))} - ENTRY_POINT_GROUPS:
        assert pkgutil.resolve_name(name)


@pytest.mark.parametrize("page", PAGES)
def test_every_option_on_a_page_is_one_of_a_command(page):
    """Of em-bench's commands, as they stand in examples: `em-bench compare ... --gate gate.yaml`."""
    words = {(match[1], option) for match in COMMAND.finditer(text(page)) for option in OPTION.findall(match[2])}
    assert {f"{command} {option}" for command, option in words if option not in options(command)} == set()
