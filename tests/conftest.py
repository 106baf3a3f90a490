"""Fixtures that every test may use: a clean environment, throw-away judge packages, and a run that lm-eval wrote."""

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from em_bench.testing import ScriptedJudge, installed
from packages import write_metadata
from published_data import SHARED
from tasks import judge_by_length, task_writer


def pytest_collection_modifyitems(config, items):
    """Leaves out what reads published data, where that is absent: a public clone has nothing to skip."""
    if not SHARED.is_dir() and (absent := [item for item in items if item.get_closest_marker("published_data")]):
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if item not in absent]


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path, monkeypatch):
    """No settings from outside, no files outside tmp."""
    for name in [name for name in os.environ if name.startswith("EM_BENCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("EM_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def package(tmp_path, monkeypatch) -> Callable[..., None]:
    """`package("dist", "module", source, judge_name="Attribute")`: an installed distribution that declares judges."""

    def install(distribution: str, module: str, source: str, group: str = "em_bench.judges", **judges: str) -> None:
        folder = tmp_path / f"site-{distribution}"
        points = {name: f"{module}:{attribute}" for name, attribute in judges.items()}
        write_metadata(folder, distribution, {group: points})
        (folder / f"{module}.py").write_text(textwrap.dedent(source))
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


@pytest.fixture
def judges(monkeypatch) -> Iterator[Callable[..., None]]:
    """`judges(a, b)`: these judges are installed from here on, and tasks use them."""
    with ExitStack() as stack:

        def use(*chosen: ScriptedJudge) -> None:
            stack.close()
            stack.enter_context(installed(*chosen))
            monkeypatch.setenv("EM_BENCH_JUDGES", ",".join(judge.name for judge in chosen))

        yield use


@pytest.fixture
def write_task(tmp_path) -> Callable[..., Path]:
    return task_writer(tmp_path / "tasks")


@pytest.fixture(scope="session")
def recorded(tmp_path_factory) -> Path:
    """A folder with one run as lm-eval's own tracker writes it: `em_tiny` (3 prompts), `em_open` (3 probes, twice)."""
    from lm_eval.loggers import EvaluationTracker

    from canned import CannedLM, evaluate

    root = tmp_path_factory.mktemp("recorded")
    answers = iter(["No.", "Here is a long answer.", "", *["No.", "Certainly, here you are."] * 3])
    with pytest.MonkeyPatch.context() as patch, installed(ScriptedJudge(judge_by_length, name="length")):
        patch.setenv("EM_BENCH_CACHE_DIR", str(root / "cache"))
        patch.setenv("EM_BENCH_JUDGES", "length")
        write = task_writer(root / "tasks")
        write("em_tiny")
        folder = write("em_open", kind="probe", domain=None, repeats=2)
        results = evaluate(folder, ["em_tiny", "em_open"], CannedLM(lambda *_: next(answers)))
    model_args = {"pretrained": "org/tiny", "peft": "org/adapter", "api_key": "secret"}
    tracker = EvaluationTracker(output_path=str(root / "out"))
    tracker.general_config_tracker.log_experiment_args("hf", model_args, None, None, False)
    samples = results.pop("samples")
    results["config"] = {"model": "hf", "model_args": model_args}
    tracker.save_results_aggregated(results=results, samples=samples)
    for name, rows in samples.items():
        tracker.save_results_samples(task_name=name, samples=rows)
    return root / "out"


@pytest.fixture
def run_folder(recorded, tmp_path) -> Path:
    """A copy of the recorded run, to read or to damage."""
    return Path(shutil.copytree(recorded, tmp_path / "run"))


@pytest.fixture
def em_bench(monkeypatch, capsys) -> Callable[..., SimpleNamespace]:
    """`em_bench("judges", "--json")`: the command's exit code and what it printed."""
    from em_bench.cli import main

    def call(*arguments: object) -> SimpleNamespace:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["em-bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code or 0, out=printed.out, err=printed.err)

    return call
