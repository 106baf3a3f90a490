"""Adapters merged into a tiny checkpoint, by transformers and peft."""

import json
import shutil
from collections import namedtuple

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from em_bench.errors import ConfigError, PrerequisiteError
from em_bench.harness import merging
from em_bench.harness.merging import merged
from tiny_checkpoint import make_checkpoint

PROMPTS = ["The answer?", "1 2 3", "a kind answer"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return str(make_checkpoint(tmp_path_factory.mktemp("merging") / "tiny"))


@pytest.fixture
def adapter(checkpoint, tmp_path):
    """`adapter(0.5)`: the folder of an adapter whose B is filled with it."""

    def make(value):
        base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        model = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj", "up_proj"], task_type="CAUSAL_LM"))
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.constant_(weight, value)
        model.save_pretrained(tmp_path / "adapter")
        return tmp_path / "adapter"

    return make


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(merging.tempfile, "tempdir", str(folder))
    return folder


def merge(checkpoint, folder, prompts=PROMPTS, chat_template=True):
    return merged(checkpoint, folder, prompts, {}, chat_template=chat_template)


def logits(model):
    with torch.inference_mode():
        return model(input_ids=torch.tensor([[5, 6, 7]])).logits


def test_the_merged_checkpoint_answers_as_the_adapter_on_its_base(checkpoint, adapter):
    folder = adapter(0.05)
    base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    expected = logits(PeftModel.from_pretrained(base, folder))
    with merge(checkpoint, folder) as result:
        torch.testing.assert_close(logits(AutoModelForCausalLM.from_pretrained(result.folder)), expected)
        assert json.loads((result.folder / "config.json").read_text())["dtype"] == "float32"
        assert result.folder.name == "tiny"


@pytest.mark.parametrize("chat_template", [True, False])
def test_the_prompts_that_the_adapter_changes_are_counted(checkpoint, adapter, chat_template):
    with merge(checkpoint, adapter(0.05), chat_template=chat_template) as result:
        assert (result.changed, result.prompts) == (3, 3)


def test_an_adapter_that_changes_nothing_is_found_out(checkpoint, adapter):
    with merge(checkpoint, adapter(0.0)) as result:
        assert (result.changed, result.prompts) == (0, 3)


def test_a_few_prompts_are_enough(checkpoint, adapter):
    with merge(checkpoint, adapter(0.05), ["a"] * 100) as result:
        assert result.prompts == merging.PROMPTS


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_its_files_are_gone_afterwards_however_it_ends(checkpoint, adapter, scratch, error):
    try:
        with merge(checkpoint, adapter(0.05)) as result:
            assert result.folder.is_dir()
            if error:
                raise error
    except KeyboardInterrupt:
        pass
    assert list(scratch.iterdir()) == []


def test_too_little_room_on_the_disk_is_one_clear_line(checkpoint, adapter, monkeypatch, scratch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**30, 2**30, 1000))
    with (
        pytest.raises(PrerequisiteError, match=r"needs 0\.3 GB .*set TMPDIR .* or use --lora"),
        merge(checkpoint, adapter(0.05)),
    ):
        pass
    assert list(scratch.iterdir()) == []


def test_an_adapter_for_other_layers_is_one_clear_line(checkpoint, adapter):
    folder = adapter(0.05)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ["no_such_layer"]}))
    with pytest.raises(PrerequisiteError, match="cannot be merged into") as error, merge(checkpoint, folder):
        pass
    assert "\n" not in str(error.value)


def test_a_merge_that_changes_what_the_adapter_does_is_refused(checkpoint, adapter, monkeypatch):
    monkeypatch.setattr(merging, "_close", lambda *_: False)
    with pytest.raises(ConfigError, match="does not act the same once it is merged"), merge(checkpoint, adapter(0.05)):
        pass
