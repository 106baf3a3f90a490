"""The files of a stored run: where they are, and how a test damages them."""

import json

from em_bench.runs.read import find_runs


def results_file(folder):
    return find_runs(folder)[-1]


def samples_file(folder, task="em_tiny"):
    (path,) = folder.rglob(f"samples_{task}_*.jsonl")
    return path


def edit(path, change):
    """Rewrites a JSON file, or each line of a JSONL file, by what `change` does to it."""
    texts = path.read_text(encoding="utf-8").split("\n") if path.suffix == ".jsonl" else [path.read_text()]
    values = [json.loads(text) for text in texts if text]
    for value in values:
        change(value)
    path.write_text("\n".join(json.dumps(value, ensure_ascii=False) for value in values), encoding="utf-8")
