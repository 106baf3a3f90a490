"""Every package that is imported is declared in pyproject.toml."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN = {"em_bench", "em_bench_judges", "em_bench_leaderboard"}
FILES = [path for folder in ("em_bench", "judges", "leaderboard") for path in sorted((ROOT / folder).rglob("*.py"))]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def declared():
    requirements = sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"])
    return {normal(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}


def imported():
    """Top-level names of third-party imports, wherever in a file they are, with one file each."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in (each.partition(".")[0] for each in names):
                if name not in OWN and name not in sys.stdlib_module_names:
                    yield name, path


@pytest.mark.parametrize(("name", "path"), sorted(dict(imported()).items()))
def test_an_imported_package_is_declared(name, path):
    # a package that is not installed here, or only as another build, goes by its own name
    distributions = [name, *packages_distributions().get(name, [])]
    assert {normal(each) for each in distributions} & declared(), f"{path} imports {name}"
