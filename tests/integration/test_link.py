import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from em_bench import tasks_path
from em_bench.errors import PrerequisiteError
from em_bench.harness.link import MARK, is_linked, link, lm_eval_tasks_folder, unlink, wanted_stubs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the links go in a folder of tasks that stands in for lm_eval's."""
    tasks = tmp_path / "lm_eval" / "tasks"
    tasks.mkdir(parents=True)
    monkeypatch.setattr("em_bench.harness.link.lm_eval_tasks_folder", lambda: tasks)
    return tasks / "em_bench"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_each_task_and_group_has_a_stub_that_leads_to_it(folder):
    assert link() == folder
    for name in names(folder):
        (target,) = [path for path in tasks_path().rglob("*.yaml") if path.name == name]
        assert yaml.safe_load((folder / name).read_text()) == {"include": str(target.resolve())}


def test_every_task_has_a_file_name_of_its_own():
    files = [path.name for path in tasks_path().rglob("*.yaml") if not path.name.startswith("_")]
    assert sorted(wanted_stubs()) == sorted(files)


def test_linking_again_changes_nothing(folder):
    link()
    before = {name: (folder / name).read_text() for name in names(folder)}
    link()
    assert {name: (folder / name).read_text() for name in names(folder)} == before
    assert is_linked()


def test_before_linking_nothing_is_linked(folder):
    assert not is_linked()


def test_stubs_of_an_older_version_are_replaced(folder):
    folder.mkdir()
    (folder / "em_gone.yaml").write_text(f"{MARK}include: /old/place/em_gone.yaml\n")
    (folder / "em_rai_suite.yaml").write_text(f"{MARK}include: /old/place/em_rai_suite.yaml\n")
    assert not is_linked()
    link()
    assert names(folder) == sorted(wanted_stubs())
    assert is_linked()


def test_removing_leaves_no_folder_behind(folder):
    link()
    (folder / "__pycache__").mkdir()
    assert unlink() == folder
    assert not folder.exists()


def test_removing_what_was_never_linked_is_fine(folder):
    assert unlink() == folder


@pytest.mark.parametrize("foreign", ["mine.yaml", "notes.txt", "my_tasks/mine.yaml"])
@pytest.mark.parametrize("text", [b"task: mine\n", b"\xff\xfe"], ids=["text", "bytes"])
def test_files_that_linking_did_not_write_are_kept(folder, foreign, text):
    (folder / foreign).parent.mkdir(parents=True, exist_ok=True)
    (folder / foreign).write_bytes(text)
    link()
    assert is_linked()
    unlink()
    assert (folder / foreign).read_bytes() == text
    assert not list(folder.glob("em_*.yaml"))


def test_a_task_file_of_the_same_name_that_linking_did_not_write_is_not_overwritten(folder):
    folder.mkdir()
    (folder / "em_rai_suite.yaml").write_text("group: mine\n")
    with pytest.raises(PrerequisiteError, match=r"em_rai_suite\.yaml"):
        link()
    assert (folder / "em_rai_suite.yaml").read_text() == "group: mine\n"


def test_a_path_with_characters_that_mean_something_in_yaml_is_linked(folder, tmp_path, monkeypatch):
    odd = tmp_path / "it's #1: a place"
    odd.mkdir()
    (odd / "em_x.yaml").write_text("group: em_x\n")
    monkeypatch.setattr("em_bench.harness.link.tasks_path", lambda: odd)
    link()
    assert yaml.safe_load((folder / "em_x.yaml").read_text()) == {"include": str(odd / "em_x.yaml")}


def test_a_place_that_cannot_be_written_is_one_line_with_the_other_way(folder):
    folder.write_text("a file where the folder should be")
    with pytest.raises(PrerequisiteError) as error:
        link()
    assert str(folder) in str(error.value)
    assert f"--include_path {tasks_path()}" in str(error.value)
    assert "\n" not in str(error.value)


def test_links_that_cannot_be_removed_are_one_line(folder, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    link()
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(PrerequisiteError, match="Permission denied"):
        unlink()


def test_without_lm_eval_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setattr("em_bench.harness.link.find_spec", lambda _: None)
    with pytest.raises(PrerequisiteError, match=r"not installed; .*pip install 'em-bench\[vllm\]'"):
        lm_eval_tasks_folder()


SCRIPT = """
import json, lm_eval
from em_bench.harness.link import link, unlink
from lm_eval.tasks import TaskManager
link(); link()
found = TaskManager().all_tasks
tasks = TaskManager().load(["em_rai_suite"])["tasks"]
unlink()
print(json.dumps([lm_eval.__file__, found, sorted(tasks), TaskManager().all_tasks]))
"""


def test_an_editable_lm_eval_finds_the_tasks_by_name_and_no_more_after_removal(tmp_path):
    import json

    checkout = tmp_path / "checkout"
    source = Path(find_spec("lm_eval").origin).parent

    def beside_the_code(folder, entries):
        in_tasks = Path(folder) == source / "tasks"
        return [name for name in entries if name == "__pycache__" or (in_tasks and not name.endswith(".py"))]

    shutil.copytree(source, checkout / "lm_eval", ignore=beside_the_code)
    environment = os.environ | {"PYTHONPATH": str(checkout), "EM_BENCH_JUDGES": "keyword"}
    ended = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    used, found, tasks, after = json.loads(ended.stdout)
    assert used.startswith(str(checkout))
    assert found == sorted(name.removesuffix(".yaml") for name in wanted_stubs())
    assert len(tasks) == 19
    assert after == []
