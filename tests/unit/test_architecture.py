"""The import rules of docs/architecture.md: a room imports only from rooms below it."""

import ast
import graphlib
import inspect
import json
import re
import subprocess
import sys

import pytest

import em_bench
from em_bench import errors
from places import ROOT

CONTRACT = ("types", "errors", "judge", "judge_model", "testing")
BASE = ("readers", "formats", "config", "conditions", "tiers", "paths", "notices")
# A room a line, from the ground up: what stands in one line does not know of each other.
FLOORS = (
    ("text",),
    CONTRACT,
    BASE,
    ("stats",),
    ("metrics",),
    ("prompts", "runs"),
    ("judging", "compare"),
    ("calibration", "harness", "representations"),
    ("reports", "sweep", "training", "task"),
    ("api",),
    ("judges",),  # em_bench_judges: an ordinary plug-in; see JUDGES_MAY_IMPORT
    ("leaderboard",),  # em_bench_leaderboard
    ("cli",),
)
JUDGES_MAY_IMPORT = {"text", *CONTRACT, *BASE, "metrics", "prompts", "judging", "judges"}
ONLY_LEADERBOARD_USER = "cli"
HEAVY = ("lm_eval", "vllm", "torch", "transformers", "datasets", "scipy", "numpy", "pydantic", "openai", "altair")
ENGINES = {"lm_eval", "vllm", "torch", "transformers", "datasets", "peft"}

MOST_LINES, MOST_PARAMETERS = 40, 8

FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
PACKAGES = {"em_bench": ROOT, "em_bench_judges": ROOT / "judges", "em_bench_leaderboard": ROOT / "leaderboard"}
ALIAS = {"em_bench_judges": "judges", "em_bench_leaderboard": "leaderboard"}
FILES = {
    ".".join(path.relative_to(parent).with_suffix("").parts).removesuffix(".__init__"): path
    for package, parent in PACKAGES.items()
    for path in sorted((parent / package).rglob("*.py"))
}


def room(module):
    """The room of a module; None of the package's own front, which re-exports."""
    package, _, rest = module.partition(".")
    if package in ALIAS:
        return ALIAS[package]
    return rest.partition(".")[0].replace("__main__", "cli") or None


def imports(path, *, module_level_only=False):
    """The full names that a file imports: `a.b` for `import a.b`, `a` and `a.b` for `from a import b`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if module_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(module, **options):
    return {name for name in imports(FILES[module], **options) if name in FILES and name not in PACKAGES}


def test_the_architecture_page_lists_the_same_floors():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert [tuple(line.split()) for line in listed.splitlines()] == list(FLOORS)


def test_every_module_is_in_a_room():
    assert {room(module) for module in FILES} - set(FLOOR) == {None}


@pytest.mark.parametrize("module", [module for module in FILES if room(module)])
def test_a_room_imports_only_from_the_floors_below_it(module):
    own = room(module)
    above = {name for name in own_imports(module) if room(name) != own and FLOOR[room(name)] >= FLOOR[own]}
    if own in (*CONTRACT, *BASE):  # modules, not folders: each may use another of its floor
        above = {name for name in above if FLOOR[room(name)] > FLOOR[own]}
    assert above == set()


def test_no_two_modules_import_each_other():
    """`prepare` raises `CycleError` with the circle."""
    graphlib.TopologicalSorter({module: own_imports(module) for module in FILES if room(module)}).prepare()


@pytest.mark.parametrize("module", [module for module in FILES if room(module) == "judges"])
def test_the_built_in_judges_are_an_ordinary_plug_in(module):
    assert {room(name) for name in own_imports(module)} <= JUDGES_MAY_IMPORT


@pytest.mark.parametrize("module", [module for module in FILES if room(module) not in ("judges", "leaderboard", None)])
def test_em_bench_imports_no_judge_and_only_the_command_line_the_leaderboard(module):
    used = {name.partition(".")[0] for name in imports(FILES[module])} & set(ALIAS)
    assert used <= ({"em_bench_leaderboard"} if room(module) == ONLY_LEADERBOARD_USER else set())


@pytest.mark.parametrize("module", [module for module in FILES if module not in ("em_bench.harness.task",)])
def test_only_the_task_imports_lm_eval_or_an_engine_at_module_level(module):
    assert {name.partition(".")[0] for name in imports(FILES[module], module_level_only=True)} & ENGINES == set()


@pytest.mark.parametrize("module", ["em_bench", "em_bench.cli", "em_bench_judges"])
def test_starting_loads_nothing_heavy(module):
    script = f"import sys, json, {module}; print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == []


@pytest.mark.parametrize("module", FILES)
def test_a_function_is_at_most_40_lines_and_has_at_most_8_parameters(module):
    """Options apart: those of a command, and the keyword-only ones of a judge model, which are its `judge_options`."""
    has_options = room(module) == "cli" or module.startswith("em_bench_judges.models.")
    assert [each.name for each in functions(FILES[module]) if length(each, has_options) > MOST_LINES] == []
    assert [each.name for each in functions(FILES[module]) if parameters(each, has_options) > MOST_PARAMETERS] == []


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(function, has_options):
    """With its signature and docstring; of a function that has options, without its signature."""
    return function.end_lineno - (function.body[0] if has_options else function).lineno + 1


def parameters(function, has_options):
    own = function.args
    positional, keyword_only = [*own.posonlyargs, *own.args], own.kwonlyargs
    if has_options and function.decorator_list:
        return 0
    return len(positional if has_options and function.name == "__init__" else [*positional, *keyword_only])


def test_every_error_is_an_em_bench_error_and_drawn_in_the_tree():
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]
    assert all(issubclass(each, errors.EmBenchError) for each in classes)
    assert all(each.__name__ in errors.__doc__ for each in classes)


def test_no_name_that_is_offered_is_missing():
    assert all(hasattr(em_bench, name) for name in em_bench.__all__)
