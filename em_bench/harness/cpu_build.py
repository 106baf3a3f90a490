"""vLLM's CPU build: what makes it work on this machine, and fast.

By itself it starts two more processes, each of which imports vLLM and torch again; it keeps a core free for them; and
its threads spin while they wait for each other, which costs six times as much where another process wants a core. Here
the engine runs in this process, with a thread on every core it may use. What the user set in the environment holds.
"""

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from em_bench.errors import ResultError
from em_bench.readers import read_object

CONTEXT = 2048
# with any of these vLLM needs workers of its own
SEVERAL_WORKERS = (
    *("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"),
    "distributed_executor_backend",
)
PROCESSES, BINDING = "VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_CPU_OMP_THREADS_BIND"


def is_cpu_build() -> bool:
    """Whether the vLLM that is installed is a build for the CPU."""
    try:
        return "cpu" in version("vllm")
    except PackageNotFoundError:
        return False


def cpu_arguments(checkpoint: str) -> dict[str, Any]:
    """The engine arguments that the CPU build needs. bfloat16 is several times slower on most processors."""
    context = min(CONTEXT, _context(checkpoint))
    return {"dtype": "float32", "enforce_eager": True, "gpu_memory_utilization": 0.3, "max_model_len": context}


def cpu_environment(arguments: Mapping[str, Any]) -> dict[str, str]:
    """The variables to set before torch is imported; none that is set already."""
    # threads that sleep while they wait leave the core to whatever else runs
    wanted = {"VLLM_CPU_KVCACHE_SPACE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    cores = usable_cores()
    several = any(str(arguments.get(name) or 1) != "1" for name in SEVERAL_WORKERS)
    if cores and not several and BINDING not in os.environ:
        if os.environ.get(PROCESSES, "0") == "0":
            wanted |= {PROCESSES: "0", "OMP_NUM_THREADS": str(len(cores))}
        else:
            wanted[BINDING] = ",".join(map(str, cores))
    return {name: value for name, value in wanted.items() if name not in os.environ}


def usable_cores() -> list[int]:
    """The cores that this process may run on; empty where the system does not say."""
    affinity = getattr(os, "sched_getaffinity", None)
    return sorted(affinity(0)) if affinity else []


def _context(checkpoint: str) -> int:
    """How many tokens the checkpoint can read, where its folder is here."""
    try:
        return int(read_object(Path(checkpoint) / "config.json")["max_position_embeddings"])
    except (ResultError, ValueError, KeyError, TypeError):
        return CONTEXT
