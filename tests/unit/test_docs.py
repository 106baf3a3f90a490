"""The pages for people name files that exist."""

import re
import subprocess
from pathlib import Path

import pytest

from places import ROOT

CONTRIBUTOR_PAGES = ("CONTRIBUTING.md", "docs/architecture.md")
TRACKED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False)
PAGES = sorted({*TRACKED.stdout.split(), "README.md", *CONTRIBUTOR_PAGES})
CODE_BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|py|toml|yaml|yml|cff))`")
ELSEWHERE = {"build/docs"}  # what commands write


def prose(page: str) -> str:
    return CODE_BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8"))


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
