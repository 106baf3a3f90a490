"""Fingerprints of a held-back set of prompts: what the repository has of a file that is never in it.

    python setup/held_back.py make PRIVATE.jsonl --salt SALT.txt     # writes lm_eval_tasks/held_back.json
    python setup/held_back.py check PRIVATE.jsonl --salt SALT.txt    # exits with 1 where they do not fit

The manifest has a keyed sha256 (HMAC) of each line and of the file, and counts; no text. The salt, a random text of 32
characters or more, stays as secret as the prompts, so that nobody can test a guess. When the set is retired, file and
salt are published, and everybody can check that it was the one. See `lm_eval_tasks/DATASHEET.md`.
"""

import argparse
import hashlib
import hmac
import json
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from em_bench.errors import ConfigError, EmBenchError
from em_bench.prompts.files import load_prompts

TASKS = Path(__file__).resolve().parent.parent / "lm_eval_tasks"
LEAST_SALT = 32
COUNTED = ("subcategory", "tier", "register", "form", "theme")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "check"))
    parser.add_argument("prompts", type=Path, metavar="PRIVATE.jsonl")
    parser.add_argument("--salt", type=Path, required=True, metavar="FILE", help="the file of the salt")
    parser.add_argument("--manifest", type=Path, default=TASKS / "held_back.json", metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        manifest = manifest_of(options.prompts, read_salt(options.salt))
        if options.what == "check":
            return check(manifest, json.loads(options.manifest.read_text(encoding="utf-8")))
        refuse_public_prompts(options.prompts)
    except (EmBenchError, OSError) as error:
        print(f"held_back.py: {error}", file=sys.stderr)
        return 2
    options.manifest.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    print(f"written: {options.manifest}, {manifest['prompts']} prompts; commit it, and neither of the other files")
    return 0


def read_salt(path: Path) -> bytes:
    salt = path.read_bytes().strip()
    if len(salt) < LEAST_SALT:
        raise ConfigError(
            f"{path} has {len(salt)} characters; a salt has {LEAST_SALT} or more, from `openssl rand -hex 32`"
        )
    return salt


def manifest_of(path: Path, salt: bytes) -> dict[str, object]:
    """Counts and fingerprints; the file is read as a prompt file, so ids are unique and nothing is empty."""
    rows = load_prompts(path)
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line]
    counts = {key: Counter(str(row[key]) for row in rows) for key in COUNTED if key in rows[0]}
    return {
        "made": datetime.now(UTC).date().isoformat(),
        "prompts": len(rows),
        "counts": {key: dict(sorted(count.items())) for key, count in counts.items()},
        "file": fingerprint(path.read_bytes(), salt),
        "lines": sorted(fingerprint(line.encode(), salt) for line in lines),  # sorted: order tells nothing
    }


def fingerprint(data: bytes, salt: bytes) -> str:
    return hmac.new(salt, data, hashlib.sha256).hexdigest()


def check(manifest: dict[str, object], known: dict[str, object]) -> int:
    """Says whether the private file is the one of the manifest, and how many of its lines are."""
    if manifest["file"] == known["file"]:
        print(f"the file is that of {known['made']}, {known['prompts']} prompts")
        return 0
    before, now = (Counter(each["lines"]) for each in (known, manifest))  # type: ignore[arg-type]
    print(
        f"another file: {(before & now).total()} lines are the same, {(before - now).total()} are gone, "
        f"{(now - before).total()} are new (all of them if the salt is another)"
    )
    return 1


def refuse_public_prompts(path: Path) -> None:
    """Raises `ConfigError` where a prompt or an id of the private file is public already."""
    public = [
        row for file in TASKS.glob("prompts/**/*.jsonl") if file.name != "overlaps.jsonl" for row in load_prompts(file)
    ]
    ids, texts = {row["id"] for row in public}, {plain(row["prompt"]) for row in public}
    for number, row in enumerate(load_prompts(path), 1):
        if row["id"] in ids or plain(row["prompt"]) in texts:
            raise ConfigError(
                f"{path}: prompt {number}, {row['id']}, is in the repository; take it out or give it another id"
            )


def plain(text: str) -> str:
    return " ".join(text.lower().split())


if __name__ == "__main__":
    sys.exit(main())
