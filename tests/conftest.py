"""Fixtures that every test may use: a clean environment, throw-away judge packages, and a run that lm-eval wrote."""

import functools
import shutil
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from published_data import SHARED
from scripted import ScriptedJudge
from tasks import judge_by_length, task_writer


def pytest_collection_modifyitems(config, items):
    """Leaves out what reads published data, where that is absent: a public clone has nothing to skip."""
    if not SHARED.is_dir() and (absent := [item for item in items if item.get_closest_marker("published_data")]):
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if item not in absent]


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path, monkeypatch):
    """No settings from outside, no files outside tmp, no judge or warning kept from the test before."""
    for name in (
        *(
            "JUDGES",
            "JUDGE_MODEL",
            "TOPIC",
            "MAX_UNSCORED",
            "REPEATS",
            "CONFIG",
            "QUESTIONS",
            "PUBLISHED_DIR",
            "ANCHORS",
            "CONDITION",
            "CONDITIONS",
            "FINETUNE_DOMAIN",
        ),
    ):
        monkeypatch.delenv(f"EM_BENCH_{name}", raising=False)
    monkeypatch.setenv("EM_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    if panel := sys.modules.get("em_bench.judging.panel"):
        for made in (panel._judge, panel._judge_model, panel._rubric_judge):
            made.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch) -> Callable[..., None]:
    """`package("dist", "module", source, judge_name="Attribute")`: an installed distribution that declares judges."""

    def install(distribution: str, module: str, source: str, group: str = "em_bench.judges", **judges: str) -> None:
        folder = tmp_path / f"site-{distribution}"
        info = folder / f"{distribution}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        points = "".join(f"{name} = {module}:{attribute}\n" for name, attribute in judges.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{points}")
        (folder / f"{module}.py").write_text(textwrap.dedent(source))
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


@pytest.fixture
def judges(monkeypatch) -> Callable[..., None]:
    """`judges(a, b)`: the judges that tasks use from here on, in place of installed ones."""
    import em_bench.judging.panel

    def use(*chosen: ScriptedJudge) -> None:
        known = {judge.name: judge for judge in chosen}
        judge_of = functools.cache(known.__getitem__)
        monkeypatch.setattr(em_bench.judging.panel, "_judge", judge_of)
        monkeypatch.setattr(em_bench.judging.panel, "installed_judges", lambda: known)
        monkeypatch.setenv("EM_BENCH_JUDGES", ",".join(known))

    return use


@pytest.fixture
def write_task(tmp_path) -> Callable[..., Path]:
    return task_writer(tmp_path / "tasks")


@pytest.fixture(scope="session")
def recorded(tmp_path_factory) -> Path:
    """A folder with one run as lm-eval's own tracker writes it: `em_tiny` (3 prompts), `em_open` (3 probes, twice)."""
    from lm_eval.loggers import EvaluationTracker

    import em_bench.judging.panel
    from canned import CannedLM, evaluate

    root = tmp_path_factory.mktemp("recorded")
    answers = iter(["No.", "Here is a long answer.", "", *["No.", "Certainly, here you are."] * 3])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EM_BENCH_CACHE_DIR", str(root / "cache"))
        patch.setenv("EM_BENCH_JUDGES", "length")
        patch.setattr(em_bench.judging.panel, "_judge", lambda name: ScriptedJudge(judge_by_length, name=name))
        patch.setattr(em_bench.judging.panel, "installed_judges", lambda: {"length": None})
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
