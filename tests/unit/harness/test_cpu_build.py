"""What vLLM's CPU build gets on this machine."""

import os

import pytest

from em_bench.harness import cpu_build
from em_bench.harness.cpu_build import cpu_environment, usable_cores

NAMES = (
    *("VLLM_CPU_KVCACHE_SPACE", "OMP_WAIT_POLICY", "OMP_NUM_THREADS"),
    *("VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_CPU_OMP_THREADS_BIND"),
)


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Four cores, three of them for this process, and nothing that a user set."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 0, 1}, raising=False)


def test_the_engine_is_in_this_process_with_a_thread_on_every_core_it_may_use():
    assert cpu_environment({}) == {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "OMP_NUM_THREADS": "3",
    }


@pytest.mark.parametrize("name", ["VLLM_CPU_KVCACHE_SPACE", "OMP_WAIT_POLICY", "OMP_NUM_THREADS"])
def test_what_the_user_set_holds(monkeypatch, name):
    monkeypatch.setenv(name, "own")
    assert name not in cpu_environment({})


def test_processes_that_the_user_wants_are_bound_to_every_core(monkeypatch):
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    environment = cpu_environment({})
    assert environment["VLLM_CPU_OMP_THREADS_BIND"] == "0,1,3"
    assert "OMP_NUM_THREADS" not in environment


def test_a_binding_of_the_users_own_needs_vllms_processes(monkeypatch):
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "0")
    assert set(cpu_environment({})) == {"VLLM_CPU_KVCACHE_SPACE", "OMP_WAIT_POLICY"}


@pytest.mark.parametrize(
    "arguments", [{"tensor_parallel_size": "2"}, {"data_parallel_size": 2}, {"distributed_executor_backend": "mp"}]
)
def test_several_workers_are_left_to_vllm(arguments):
    assert set(cpu_environment(arguments)) == {"VLLM_CPU_KVCACHE_SPACE", "OMP_WAIT_POLICY"}


def test_one_worker_that_is_asked_for_is_one_worker():
    assert cpu_environment({"tensor_parallel_size": 1}) == cpu_environment({})


def test_a_system_that_does_not_say_its_cores_keeps_vllms_way(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == []
    assert set(cpu_environment({})) == {"VLLM_CPU_KVCACHE_SPACE", "OMP_WAIT_POLICY"}


def test_a_checkpoint_that_is_not_here_gets_the_usual_context():
    assert cpu_build.cpu_arguments("org/elsewhere")["max_model_len"] == cpu_build.CONTEXT
