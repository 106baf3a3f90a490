"""Published samples as scripts that a page loads one by one: a page opened from disk may not fetch files, but it may
load scripts.

`samples.js` holds what filters need, a few bytes a sample; the texts are in `samples-<number>.js`, some hundred
kilobytes each. Each script calls `emBench` with JSON that is ASCII and free of `<`, `>` and `&`.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from em_bench_leaderboard.published import disagree, verdict_word

CHUNK_SAMPLES, CHUNK_CHARACTERS = 200, 400_000


def script(function: str, *arguments: Any) -> str:
    """A call that no text in its arguments can end or turn into markup."""
    text = ",".join(json.dumps(argument, separators=(",", ":"), sort_keys=True) for argument in arguments)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f"emBench.{function}({text});\n"


def sample_scripts(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """File name to content: the index, and the chunks of texts."""
    chunks = list(_chunks(rows))
    index = _index(rows, [len(chunk) for chunk in chunks])
    files = {"samples.js": script("index", index)}
    for number, chunk in enumerate(chunks):
        files[f"samples-{number}.js"] = script("chunk", number, [_text(row) for row in chunk])
    return files


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        length = len(row["prompt"]) + len(row["response"])
        if chunk and (len(chunk) == CHUNK_SAMPLES or size + length > CHUNK_CHARACTERS):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += length
    if chunk:
        yield chunk


def _index(rows: Sequence[dict[str, Any]], sizes: list[int]) -> dict[str, Any]:
    """Columns, a number a sample: its task, its verdict by each judge (-1: none), and whether judges disagree."""
    tasks = _numbered(row["task"] for row in rows)
    judges = _numbered(judge for row in rows for judge in row["verdicts"])
    words = _numbered(verdict_word(verdict) for row in rows for verdict in row["verdicts"].values())
    domains = {row["task"]: row.get("domain") or "" for row in rows}
    kinds = {row["task"]: row.get("kind") or "" for row in rows}
    verdicts = {
        judge: [words[verdict_word(row["verdicts"][judge])] if judge in row["verdicts"] else -1 for row in rows]
        for judge in judges
    }
    return {
        "tasks": list(tasks),
        "domains": [domains[task] for task in tasks],
        "kinds": [kinds[task] for task in tasks],
        "judges": list(judges),
        "words": list(words),
        "sizes": sizes,
        "task": [tasks[row["task"]] for row in rows],
        "verdicts": verdicts,
        "disagree": "".join("1" if disagree(row["verdicts"]) else "0" for row in rows),
    }


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(names))}


def _text(row: dict[str, Any]) -> dict[str, Any]:
    verdicts = {judge: _shown(verdict) for judge, verdict in row["verdicts"].items()}
    return {"d": row["document"], "r": row.get("repeat", 0), "p": row["prompt"], "a": row["response"], "v": verdicts}


def _shown(verdict: dict[str, Any]) -> str:
    """The verdict beside its label, in one line: scores by name, why it is unscored, the reason."""
    parts = verdict.get("parts") or {}
    scores = [f"{name} {_value(part)}" for name, part in parts.items()]
    if not parts and not verdict.get("label"):
        scores = [_value(verdict)]
    return ": ".join(text for text in ("; ".join(scores), verdict.get("reason") or "") if text)


def _value(verdict: dict[str, Any]) -> str:
    if verdict.get("unscored"):
        return f"unscored ({verdict['unscored']})"
    score = verdict.get("score")
    return (
        str(verdict.get("label"))
        if verdict.get("label")
        else f"{score:.1f}"
        if isinstance(score, float)
        else str(score)
    )
