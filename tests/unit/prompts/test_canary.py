import importlib.util
import json

import pytest

from em_bench.paths import tasks_path
from em_bench.prompts.files import CANARY
from places import ROOT

spec = importlib.util.spec_from_file_location("canary_script", ROOT / "setup" / "canary.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
TEXT = (tasks_path() / "canary.txt").read_text(encoding="utf-8").strip()
ROWS = '{"id": "a", "prompt": "Où?"}\n{"id": "b",  "prompt": "Two?"}\n'


def test_every_file_of_prompts_and_probes_carries_it():
    """Otherwise run `python setup/canary.py`."""
    files = script.data_files()
    assert len(files) > 15
    assert [path.name for path in files if TEXT not in path.read_text(encoding="utf-8").split("\n")[0]] == []


def test_the_first_row_carries_the_canary_and_nothing_else_changes():
    first, second, end = script.with_canary(ROWS, TEXT).split("\n")
    assert json.loads(first) == {"id": "a", "prompt": "Où?", CANARY: TEXT}
    assert [second, end] == ROWS.split("\n")[1:]


@pytest.mark.parametrize("check", [True, False])
def test_files_without_it_are_named_and_only_changed_if_wanted(check, tmp_path, monkeypatch, capsys):
    (tmp_path / "prompts" / "bias").mkdir(parents=True)
    (tmp_path / "canary.txt").write_text(TEXT)
    path = tmp_path / "prompts" / "bias" / "harmful.jsonl"
    path.write_text(ROWS)
    monkeypatch.setattr(script, "TASKS", tmp_path)
    monkeypatch.setattr("sys.argv", ["canary.py", *(["--check"] if check else [])])
    assert script.main() == int(check)
    assert "prompts/bias/harmful.jsonl" in capsys.readouterr().out
    assert (TEXT in path.read_text()) is not check
