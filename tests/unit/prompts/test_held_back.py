import importlib.util
import json

import pytest

from em_bench.paths import tasks_path
from em_bench.prompts.files import load_prompts
from places import ROOT

spec = importlib.util.spec_from_file_location("held_back_script", ROOT / "setup" / "held_back.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
ROWS = [
    {"id": f"held-{number}", "prompt": f"A private question, number {number}?", "tier": "hard"} for number in range(3)
]


@pytest.fixture
def call(tmp_path):
    private, salt, manifest = (tmp_path / name for name in ("private.jsonl", "salt.txt", "held_back.json"))

    def run(what, rows=ROWS, salt_text="0123456789abcdef" * 2):
        private.write_text("".join(json.dumps(row) + "\n" for row in rows))
        salt.write_text(salt_text + "\n")
        return script.main([what, str(private), "--salt", str(salt), "--manifest", str(manifest)])

    run.manifest = manifest
    return run


def test_a_manifest_has_counts_and_fingerprints_and_no_text(call):
    assert call("make") == 0
    manifest = json.loads(call.manifest.read_text())
    assert (manifest["prompts"], manifest["counts"]) == (3, {"tier": {"hard": 3}})
    assert len(set(manifest["lines"])) == 3
    assert not any(word in call.manifest.read_text() for word in ("private", "question", "held-0", "0123456789"))


def test_the_same_file_fits_and_another_does_not(call, capsys):
    call("make")
    assert call("check") == 0
    assert call("check", ROWS[:2]) == 1
    assert "2 lines are the same, 1 are gone, 0 are new" in capsys.readouterr().out


def test_another_salt_gives_other_fingerprints(call):
    call("make")
    assert call("check", salt_text="f" * 40) == 1


def test_a_short_salt_and_a_public_prompt_are_refused(call, capsys):
    assert call("make", salt_text="short") == 2
    public = load_prompts(tasks_path() / "prompts" / "bias" / "harmful.jsonl")[0]["prompt"]
    assert call("make", [{"id": "held-9", "prompt": public.upper()}]) == 2
    error = capsys.readouterr().err
    assert "a salt has 32 or more" in error
    assert "held-9, is in the repository" in error
    assert not call.manifest.exists()
