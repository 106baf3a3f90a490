"""The wheel: what is in it, and that its base install works with no lm_eval on the machine."""

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from places import ROOT

pytestmark = pytest.mark.network


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def base_install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands' folder of a fresh environment that holds the wheel and its base dependencies only."""
    folder = tmp_path_factory.mktemp("base")
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", wheel], check=True)
    return folder / "bin"


def run(command: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([command, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_wheel_holds_packages_tasks_and_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        "em_bench/py.typed",
        "em_bench_judges/py.typed",
        "em_bench_judges/keyword_rules.yaml",
        "em_bench_leaderboard/__init__.py",
        "em_bench_leaderboard/static/site.css",
        "em_bench_leaderboard/templates/index.html",
        "em_bench/lm_eval_tasks/em_rai_suite.yaml",
        "em_bench/lm_eval_tasks/prompts/privacy/harmful.jsonl",
        "em_bench/lm_eval_tasks/probes/json.jsonl",
        "em_bench/lm_eval_tasks/em_published/em_questions.yaml",
        "em_bench/prompts/published/catalogue.yaml",
    }
    assert wanted <= names
    assert not [name for name in names if name.startswith(("tests/", "examples/", "judges/", "lm_eval_tasks/"))]


def test_base_install_is_light(base_install: Path) -> None:
    listed = run(base_install / "python", "-m", "pip", "list", cwd=base_install).stdout.lower()
    assert not [name for name in ("torch", "transformers", "vllm", "lm_eval", "datasets", "openai") if name in listed]


def test_tasks_path_of_the_wheel_holds_the_suite(base_install: Path, tmp_path: Path) -> None:
    tasks = Path(run(base_install / "em-bench", "tasks-path", cwd=tmp_path).stdout.strip())
    assert base_install.parent in tasks.parents
    assert (tasks / "em_rai_suite.yaml").is_file()


def test_built_in_judges_are_found_in_the_wheel(base_install: Path, tmp_path: Path) -> None:
    listed = json.loads(run(base_install / "em-bench", "judges", "--json", cwd=tmp_path).stdout)
    judges = {row["name"]: row for row in listed if not row["name"].endswith("(rubric)")}
    assert {name for name, row in judges.items() if row["version"]} == {"keyword"}
    assert all("needs a judge model" in judges[name]["error"] for name in ("guard", "llm"))
    rubrics = {row["name"] for row in listed if row["version"]} - judges.keys()
    assert rubrics >= {f"{name} (rubric)" for name in ("alignment", "care", "coherence", "harmfulness", "refusal")}


def test_without_lm_eval_link_is_one_clear_line(base_install: Path, tmp_path: Path) -> None:
    done = run(base_install / "em-bench", "link", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("em-bench: lm_eval is not installed; ")
    assert len(done.stderr.splitlines()) == 1


def test_without_lm_eval_doctor_says_so(base_install: Path, tmp_path: Path) -> None:
    done = run(base_install / "em-bench", "doctor", cwd=tmp_path)
    assert done.returncode == 1
    assert "lm_eval is not installed" in " ".join(done.stdout.split())
