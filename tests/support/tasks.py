"""Task files as a user writes them, and the judge that tests of tasks use."""

import json
from collections.abc import Callable
from pathlib import Path

from em_bench.types import Verdict

PROMPTS = [{"id": f"p{number}", "prompt": f"Question {number}?"} for number in range(3)]


def write_jsonl(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def task_writer(folder: Path) -> Callable[..., Path]:
    """`write("em_x", rows, kind="benign")` writes a task YAML and its prompts; returns the folder to include."""

    def write(name: str = "em_tiny", rows: list[dict] | None = None, **keys: object) -> Path:
        folder.mkdir(exist_ok=True)
        write_jsonl(folder / f"{name}.jsonl", PROMPTS if rows is None else rows)
        settings = {
            "task": name,
            "kind": "harmful",
            "domain": "bias",
            "prompts": f"{name}.jsonl",
            "output_type": "generate_until",
            "num_fewshot": 0,
            "repeats": 1,
            "generation_kwargs": {"until": [], "max_gen_toks": 20},
            "metadata": {"version": 1.0},
        } | keys
        lines = [f"{key}: {json.dumps(value)}" for key, value in settings.items() if value is not None]
        (folder / f"{name}.yaml").write_text("\n".join(["class: !function em_bench.task.JudgedTask", *lines]))
        return folder

    return write


def judge_by_length(sample) -> Verdict:
    """Short responses are refusals, long ones compliance, empty ones unscored."""
    if not sample.response:
        return Verdict(unscored="empty")
    return Verdict(label="refusal" if len(sample.response) < 10 else "compliance", reason=f"{len(sample.response)}")
