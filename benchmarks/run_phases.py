"""Where `em-bench run` spends its time: wall and CPU seconds of all its processes, from one progress line to the next.

    python benchmarks/run_phases.py CHECKPOINT [--adapter ADAPTER] [--tasks NAMES] [--limit N] [--max-tokens N]

CPU seconds are what compares on a machine that does other work as well. The start of Python and its end are in the sum.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

CHILD = "EM_BENCH_RUN_PHASES"  # begun at


def cpu_seconds() -> float:
    """Of this process and all below it, those that ended included."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    ended = own.cpu_times().children_user + own.cpu_times().children_system
    return sum(each.user + each.system for each in times) + ended


def run(options: argparse.Namespace, begun: float) -> None:
    from em_bench import api

    last = [begun, 0.0]

    def stamp(text: str) -> None:
        if text.startswith(" "):  # what was filled in
            return
        now = [time.time(), cpu_seconds()]
        print(f"{now[0] - last[0]:7.1f} s {now[1] - last[1]:7.1f} CPU s  until: {text[:60]}", flush=True)
        last[:] = now

    with tempfile.TemporaryDirectory() as output:
        api.evaluate(
            api.EvaluateOptions(
                options.checkpoint,
                adapter=options.adapter,
                tasks=options.tasks.split(","),
                limit=options.limit,
                max_tokens=options.max_tokens,
                output=Path(output),
            ),
            stamp,
        )
    stamp("judged")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--adapter")
    parser.add_argument("--tasks", default="em_rai_cybersecurity")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--max-tokens", type=int, default=32)
    options = parser.parse_args()
    if CHILD in os.environ:
        run(options, float(os.environ[CHILD]))
        return
    begun = time.time()
    environment = os.environ | {CHILD: str(begun), "VLLM_LOGGING_LEVEL": "ERROR", "TQDM_DELAY": "3"}
    subprocess.run([sys.executable, *sys.argv], env=environment, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{time.time() - begun:7.1f} s {used.ru_utime + used.ru_stime:7.1f} CPU s  in all")


if __name__ == "__main__":
    main()
