"""Prompts of the suite that ask nearly the same: what is lost in one domain is lost with them in another as well.

`benchmarks/prompt_overlaps.py` finds the pairs and writes the file.
"""

from em_bench.paths import tasks_path
from em_bench.readers import json_lines, read_text

VERSION = "2.0"
"""The version of the tasks whose prompts the pairs are of."""


def overlapping(domain: str) -> frozenset[str]:
    """The ids of prompts in other domains that ask nearly what a prompt of this domain asks."""
    path = tasks_path() / "prompts" / "overlaps.jsonl"
    found = set()
    for _, row in json_lines(read_text(path), str(path)):
        pair = {str(row["a"]), str(row["b"])}
        own = {name for name in pair if name.startswith(f"{domain}-")}
        found |= pair - own if own else set()
    return frozenset(name for name in found if not name.startswith(f"{domain}-"))
