"""Puts the canary of `lm_eval_tasks/canary.txt` into the first row of every prompt and probe file.

    python setup/canary.py            # adds it where it is missing
    python setup/canary.py --check    # names the files without it, and exits with 1

Only the first row of a file changes. `em_bench.prompts.files` leaves the canary out of what is asked and out of the
hash of a set, so results from before and after it compare.
"""

import argparse
import json
import sys
from pathlib import Path

TASKS = Path(__file__).resolve().parent.parent / "lm_eval_tasks"
KEY = "canary"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args().check
    canary = (TASKS / "canary.txt").read_text(encoding="utf-8").strip()
    missing = [path for path in data_files() if canary not in path.read_text(encoding="utf-8")]
    for path in missing:
        print(f"{path.relative_to(TASKS)}: {'no canary' if check else 'canary added'}")
        if not check:
            path.write_text(with_canary(path.read_text(encoding="utf-8"), canary), encoding="utf-8")
    return 1 if check and missing else 0


def data_files() -> list[Path]:
    """Every file of prompts and probes; a list of overlaps holds no texts."""
    files = [*TASKS.glob("prompts/**/*.jsonl"), *TASKS.glob("probes/*.jsonl")]
    return sorted(file for file in files if file.name != "overlaps.jsonl")


def with_canary(text: str, canary: str) -> str:
    """The text of a JSONL file with the canary as the last key of its first row."""
    first, newline, rest = text.partition("\n")
    return json.dumps({**json.loads(first), KEY: canary}, ensure_ascii=False) + newline + rest


if __name__ == "__main__":
    sys.exit(main())
