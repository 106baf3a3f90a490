"""Measures `em-bench compare`: its speed, and how often its gate is right.

    python benchmarks/compare.py speed        # two runs of 2,000 prompts, as a whole process
    python benchmarks/compare.py gate         # false alarms under no change, and what is found

Everything is seeded. Results: docs/validation.md.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("", "tests/support")]

# ruff: noqa: E402 - the folders of the checkout come first
from em_bench.compare.comparison import compare
from em_bench.compare.gate import Outcome, gate
from em_bench.compare.policy import Policy, parse_policy
from em_bench.compare.policy_file import INITIAL
from em_bench.metrics.registry import Kind
from em_bench.runs.read import Run
from em_bench.types import DOMAINS
from made_runs import label, pair, run_of, task

SEED = 20_251_114
Random = np.random.Generator


def speed(rounds: int) -> None:
    """2,000 prompts: once as seven domains answered greedily, once as probes with 10 responses each."""
    with tempfile.TemporaryDirectory() as folder:
        for name, write in (
            ("2,000 prompts, one response", _write_prompts),
            ("2,000 probes, ten responses", _write_probes),
        ):
            paths = [write(Path(folder) / f"{write.__name__}{side}", side) for side in (0, 1)]
            command = [sys.executable, "-m", "em_bench", "compare", *map(str, paths), "--json"]
            seconds = []
            for _ in range(rounds):
                begin = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                seconds.append(time.perf_counter() - begin)
            print(f"{name}: median {statistics.median(seconds):.2f} s, best {min(seconds):.2f} s of {rounds}")


def _write_prompts(folder: Path, seed: int) -> Path:
    random = np.random.default_rng(seed)
    tasks = {f"em_rai_{domain}": {"kind": "harmful", "domain": domain} for domain in DOMAINS}
    words = np.array(["compliance", "refusal"])
    rows = {name: [[_text({"label": str(words[int(random.random() < 0.8)])})] for _ in range(286)] for name in tasks}
    return _write(folder, tasks, rows, "keyword")


def _write_probes(folder: Path, seed: int) -> Path:
    random = np.random.default_rng(seed)
    chances = np.random.default_rng(9).beta(0.5, 4, 2000)
    rows = [[_text(_scores(float(hit))) for hit in random.random(10) < chance] for chance in chances]
    return _write(folder, {"em_probes_main": {"kind": "probe", "domain": ""}}, {"em_probes_main": rows}, "llm")


def _scores(misaligned: float) -> dict[str, object]:
    score = 95.0 - 90.0 * misaligned
    return {"score": score, "parts": {"alignment": {"score": score}, "coherence": {"score": 90.0}}}


def _text(verdict: dict[str, object]) -> str:
    return json.dumps(verdict)


def _write(folder: Path, tasks: dict[str, dict[str, str]], rows: dict[str, list[list[str]]], judge: str) -> Path:
    folder.mkdir()
    date = "2026-01-01T00-00-00.000000"
    configs = {
        name: {
            "metadata": {
                "version": 1.0,
                "em_bench": record | {"chat_template": True, "judges": {judge: {"version": "1"}}},
            }
        }
        for name, record in tasks.items()
    }
    (folder / f"results_{date}.json").write_text(json.dumps({"configs": configs, "config": {"model_args": {}}}))
    for name, documents in rows.items():
        lines = (
            json.dumps({
                "doc": {"id": f"{name}-{number}", "prompt": f"Question {number}? " * 10},
                "resps": [["An answer of some words. " * 20] * len(verdicts)],
                "filter": judge,
                "filtered_resps": [verdicts],
                "metrics": [],
            })
            for number, verdicts in enumerate(documents)
        )  # fmt: skip
        (folder / f"samples_{name}_{date}.jsonl").write_text("\n".join(lines))
    return folder


def drawn_run(random: Random, chances: NDArray[np.float64], lost: float, probe_rates: NDArray[np.float64]) -> Run:
    """Seven domains of harmful prompts, as many benign ones, and probes, each answered anew."""
    tasks = []
    for domain, row in zip(DOMAINS, chances, strict=True):
        for kind, rates in ((Kind.HARMFUL, row * (1 - lost)), (Kind.BENIGN, 1 - row)):
            words = ["refusal" if hit else "compliance" for hit in random.random(len(rates)) < rates]
            tasks.append(task(f"em_rai_{domain}_{kind}", kind, [[label(word)] for word in words], domain))
    if not len(probe_rates):
        return run_of(*tasks)
    hits = random.random((len(probe_rates), 10)) < probe_rates[:, None]
    probes = [[pair(5.0 if hit else 95.0) for hit in row] for row in hits]
    return run_of(*tasks, task("em_probes_main", Kind.PROBE, probes, judge="llm"))


def gates(experiments: int) -> None:
    """How often the gate says what, with the initial policy and with margins of 0, by how much refusal is lost."""
    initial = parse_policy(yaml.safe_load(INITIAL), "initial")
    print("| policy | prompts a domain | refusals lost | pass | regress | inconclusive |\n|---|---|---|---|---|---|")
    for name, policy, probes in (("margins 0, no probes", no_margins(), 0), ("initial", initial, 32)):
        for n in (20, 108):
            for lost in (0.0, 0.1):
                shares = gate_shares(policy, n, lost, experiments, probes)
                print(f"| {name} | {n} | {100 * lost:g} % | {' | '.join(shares)} |", flush=True)


def no_margins() -> Policy:
    """Where every significant worsening is a regression: the hardest case for false alarms."""
    asked = {"margin": 0.0, "per_domain": {"margin": 0.0}}
    metrics = {"refusal_rate": asked, "over_refusal_rate": asked}
    return parse_policy({"version": 1, "alpha": 0.05, "metrics": metrics}, "margins 0")


def gate_shares(policy: Policy, n: int, lost: float, experiments: int, probes: int) -> list[str]:
    random = np.random.default_rng(SEED)
    counts = dict.fromkeys((Outcome.PASS, Outcome.REGRESS, Outcome.INCONCLUSIVE), 0)
    for _ in range(experiments):
        # a prompt is nearly always or nearly never refused, as greedy answers of two checkpoints mostly agree
        chances, probe_rates = random.beta(0.9 * 0.5, 0.1 * 0.5, (7, n)), random.beta(0.3, 6, probes)
        before, after = (drawn_run(random, chances, loss, probe_rates) for loss in (0.0, lost))
        counts[gate(compare(before, after, confidence=policy.confidence), policy).outcome] += 1
    return [f"{100 * count / experiments:.1f} %" for count in counts.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=["speed", "gate"])
    parser.add_argument("--times", type=int, help="rounds, or simulated experiments a row (5, 2000, 300)")
    options = parser.parse_args()
    measure, times = {"speed": (speed, 5), "gate": (gates, 300)}[options.what]
    measure(options.times or times)


if __name__ == "__main__":
    main()
