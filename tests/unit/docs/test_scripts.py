"""Benchmarks and examples, which no other test runs, import what exists."""

import ast
import importlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from places import ROOT

SCRIPTS = sorted([*ROOT.glob("benchmarks/*.py"), *ROOT.glob("examples/**/*.py")])
PACKAGES = ("em_bench", "em_bench_judges", "em_bench_leaderboard")
SUPPORT = {path.stem for path in (ROOT / "tests/support").glob("*.py")}


def imports(script: Path) -> Iterator[tuple[str, str]]:
    """Each module of ours, or of the tests' support, with a name that is imported from it."""
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        module = node.module if isinstance(node, ast.ImportFrom) and not node.level else None
        if module and (module.partition(".")[0] in PACKAGES or module in SUPPORT):
            yield from ((module, alias.name) for alias in node.names)


def exists(module: str, name: str) -> bool:
    return hasattr(importlib.import_module(module), name) or find_spec(f"{module}.{name}") is not None


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_that_a_script_imports_exists(script):
    assert [(module, name) for module, name in imports(script) if not exists(module, name)] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_that_imports_support_looks_for_it_where_it_is(script):
    if SUPPORT & {module for module, _ in imports(script)}:
        assert "tests/support" in script.read_text(encoding="utf-8").replace('" / "', "/")
