"""What every command's `--help` says, and what `em-bench --help` does not import."""

import json
import re
import subprocess
import sys

import pytest
import typer

from em_bench.cli import Commands, app
from places import ROOT

COMMANDS = {name: summary for section in Commands.sections.values() for name, (_, summary) in section.items()}
ROOT_COMMAND = typer.main.get_command(app)
NOT_FOR_HELP = (
    *("rich", "yaml", "jinja2", "pydantic", "numpy", "scipy", "lm_eval", "torch", "transformers", "openai", "altair"),
    *(
        "em_bench.api",
        "em_bench.config",
        "em_bench.metrics",
        "em_bench.runs",
        "em_bench.judging",
        "em_bench_leaderboard",
    ),
    *("em_bench.cli.run", "em_bench.cli.judge", "em_bench.cli.options"),
)


def leaves(path=()):
    """The names of each command that does work: `("judge",)`, `("anchors", "freeze")`."""
    command = command_of(path)
    children = getattr(command, "commands", None)
    if children is None:
        return [path]
    return [leaf for name in children for leaf in leaves((*path, name))]


def command_of(path):
    command = ROOT_COMMAND
    for name in path:
        command = command.get_command(None, name)
    return command


def help_of(em_bench, path):
    ended = em_bench(*path, "--help")
    assert (ended.code, ended.err) == (0, "")
    return ended.out


@pytest.mark.parametrize("path", leaves(), ids=" ".join)
def test_the_help_of_a_command_is_plain_and_says_where_to_read_on(em_bench, path):
    text = help_of(em_bench, path)
    assert re.search(r"<\w", text) is None  # typer's <bool> and <list[Path]>
    pages = re.findall(r"docs/[\w./]+", text.rpartition("Read on: ")[2])
    assert pages
    assert all((ROOT / page).is_file() for page in pages)


@pytest.mark.parametrize("path", leaves(), ids=" ".join)
def test_every_option_has_a_help_text(path):
    options = [option for option in command_of(path).params if option.name != "help"]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_the_command_says(name):
    assert command_of((name,)).help.partition("\n")[0] == COMMANDS[name]


def test_the_help_lists_every_command_and_the_exit_codes(em_bench):
    words = " ".join(help_of(em_bench, ()).split())
    assert all(f"{name} {summary}" in words for name, summary in COMMANDS.items())
    assert "1 a gate or a check failed; 2 wrong usage" in words


def test_a_misspelt_command_is_answered_with_the_nearest(em_bench):
    ended = em_bench("sumarize")
    assert (ended.code, "Did you mean 'summarize'" in ended.err) == (2, True)


def test_the_help_imports_no_command_and_nothing_heavy():
    script = (
        "import json, sys\n"
        "sys.argv = ['em-bench', '--help']\n"
        "from em_bench.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(json.dumps([name for name in {NOT_FOR_HELP!r} if name in sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout.splitlines()[-1]) == []
