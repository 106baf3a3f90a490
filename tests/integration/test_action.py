"""`action.yml`: it parses, passes inputs through the environment alone, and its shell steps do what they say."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from places import ROOT

ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="bash is not there")
# stands in for the command: keeps what it was called with, writes the reports, exits with the code that the test sets
FAKE = """#!/bin/bash
printf '%s\\n' "$@" "--end--" >> "$CALLS"
while [ $# -gt 0 ]; do
  case "$1" in --markdown|--junit|--json-file) echo report > "$2" ;; esac
  shift
done
exit "${FAKE_CODE:-0}"
"""


@pytest.fixture
def step(tmp_path):
    """`step("Compare", BASELINE="x")`: runs a step's script, and returns how it ended and what it called."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("em-bench", "fakepython"):
        (commands / name).write_text(FAKE)
        (commands / name).chmod(0o755)
    files = {name: tmp_path / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH", "CALLS")}

    def run(name, **inputs):
        wanted = dict.fromkeys(STEPS[name]["env"], "") | inputs
        environment = {"PATH": f"{commands}:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path / "temp")}
        environment |= {key: str(path) for key, path in files.items()} | wanted
        for path in files.values():
            path.write_text("")
        script = ["-c", STEPS[name]["run"]]
        ended = subprocess.run(
            [BASH, *script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        ended.calls = [call.split("\n")[:-1] for call in files["CALLS"].read_text().split("--end--\n") if call]
        ended.output, ended.summary = (files[key].read_text() for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"))
        return ended

    return run


def test_no_expression_stands_in_a_script():
    scripts = [step["run"] for step in STEPS.values() if "run" in step]
    assert len(scripts) == 3
    assert not any("${{" in script for script in scripts)


def test_every_input_that_is_used_is_declared_and_described():
    used = set(re.findall(r"inputs\.([\w-]+)", yaml.safe_dump(ACTION["runs"])))
    assert used == set(ACTION["inputs"])
    assert all(each["description"] and isinstance(each["default"], str) for each in ACTION["inputs"].values())


def test_stored_runs_are_compared_and_told(step):
    ended = step("Compare", BASELINE="runs/a", CANDIDATE="runs/b", POLICY="gate.yaml", TARGET_DOMAIN="bias")
    assert ended.returncode == 0, ended.stderr
    (call,) = ended.calls
    assert call[:4] == ["compare", "--github", "--gate", "gate.yaml"]
    assert call[-4:] == ["--target-domain=bias", "--", "runs/a", "runs/b"]
    assert "outcome=pass" in ended.output
    assert ended.summary == "report\n"


@pytest.mark.parametrize(
    ("code", "fails", "outcome", "ends"),
    [
        (1, "true", "regress", 1),
        (3, "true", "inconclusive", 3),
        (3, "false", "inconclusive", 0),
        (2, "false", "error", 2),
    ],
)
def test_the_exit_code_is_the_gates(step, code, fails, outcome, ends):
    ended = step("Compare", BASELINE="a", CANDIDATE="b", POLICY="p", FAKE_CODE=str(code), FAIL_IF_INCONCLUSIVE=fails)
    assert ended.returncode == ends
    assert f"outcome={outcome}\n" in ended.output


def test_without_a_policy_the_initial_one_is_taken(step, tmp_path):
    ended = step("Compare", BASELINE="a", CANDIDATE="b")
    first, second = ended.calls
    assert first[:2] == ["gate", "init"]
    assert second[second.index("--gate") + 1] == first[2]


HOSTILE = "x\"; touch pwned; $(touch pwned) `touch pwned` '\n::set-output name=a::b"


@pytest.mark.parametrize("name", list(STEPS)[:3])
def test_an_input_is_never_run(step, tmp_path, name):
    if name == "Install em-bench":
        inputs = {"EXTRAS": HOSTILE, "SOURCE": HOSTILE, "PYTHON": "fakepython"}
    else:
        inputs = dict.fromkeys(STEPS[name]["env"], HOSTILE)
    ended = step(name, **inputs)
    assert ended.calls
    assert not list(tmp_path.rglob("pwned"))


def test_checkpoints_are_evaluated_with_their_arguments(step):
    ended = step(
        "Evaluate the checkpoints",
        BASELINE_CHECKPOINT="org/base",
        CHECKPOINT="--help",
        ADAPTER="org/lora",
        RUN_ARGS="--limit=10\n--judge-model=openai:x y\n",
    )
    assert ended.returncode == 0, ended.stderr
    before, after = ended.calls
    assert before[:3] == ["run", "--limit=10", "--judge-model=openai:x y"]
    assert before[-2:] == ["--", "org/base"]
    assert "--adapter=org/lora" in after
    assert after[-2:] == ["--", "--help"]
    first, last = ended.stdout.splitlines()
    assert f"::{first.removeprefix('::stop-commands::')}::" == last


def test_it_is_installed_with_its_extras(step, tmp_path):
    ended = step("Install em-bench", PYTHON="fakepython", SOURCE="/src", EXTRAS="vllm")
    assert ended.calls[0][:2] == ["-m", "venv"]
