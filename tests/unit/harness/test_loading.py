"""What is known of a checkpoint before an engine is loaded."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file

from em_bench.errors import ConfigError, PrerequisiteError
from em_bench.harness import loading as module
from em_bench.harness.loading import check_adapter, loading, require_chat_template
from tiny_checkpoint import make_checkpoint

CPU_VARIABLES = ("VLLM_CPU_KVCACHE_SPACE", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "VLLM_ENABLE_V1_MULTIPROCESSING")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "tiny"
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"max_position_embeddings": 512}))
    return path


def adapter(tmp_path, value=1.0, base="somewhere/tiny", rank=12, name="adapter"):
    path = tmp_path / name
    path.mkdir()
    (path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base, "r": rank}))
    weights = {"q.lora_A.weight": torch.ones(2, 2), "q.lora_B.weight": torch.full((2, 2), value)}
    save_file(weights, path / "adapter_model.safetensors")
    return path


@pytest.fixture
def engines(monkeypatch):
    """`engines("vllm")`: those packages and no others are installed, as a build for the CPU."""
    for name in CPU_VARIABLES:  # which are set for good
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def install(*names, cpu=True):
        known = {"lm_eval", *names, *(["torch", "transformers", "accelerate"] if "hf" in names else [])}
        monkeypatch.setattr(module, "find_spec", lambda name: name if name in known else None)
        monkeypatch.setattr(module, "is_cpu_build", lambda: cpu)
        monkeypatch.setattr(module, "can_merge", lambda: "hf" in names)

    return install


def test_vllm_is_taken_where_it_is_installed_and_transformers_elsewhere(engines, folder):
    engines("vllm", "hf")
    assert (loading(str(folder)).model, loading(str(folder)).batch_size) == ("vllm", "auto")
    engines("hf")
    assert (loading(str(folder)).model, loading(str(folder)).batch_size) == ("hf", "16")


def test_without_an_engine_the_command_to_type_is_said(engines, folder):
    engines()
    with pytest.raises(PrerequisiteError, match=r"pip install 'em-bench\[vllm\]'"):
        loading(str(folder))
    with pytest.raises(PrerequisiteError, match=r"hf is not installed .*em-bench\[hf\]"):
        loading(str(folder), engine="hf")


def test_on_a_cpu_build_vllm_gets_what_it_needs_and_says_so(engines, folder):
    engines("vllm")
    made = loading(str(folder), arguments={"dtype": "bfloat16"})
    assert made.arguments["enforce_eager"] is True
    assert made.arguments["max_model_len"] == 512  # the checkpoint can read no more
    assert made.arguments["dtype"] == "bfloat16"
    assert "enforce_eager=True" in made.filled
    assert not any(text.startswith("dtype") for text in made.filled)
    assert os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert "VLLM_ENABLE_V1_MULTIPROCESSING=0" in made.filled


def test_on_a_gpu_build_nothing_is_filled_in(engines, folder):
    engines("vllm", cpu=False)
    assert loading(str(folder)).filled == ()
    assert not [name for name in CPU_VARIABLES if name in os.environ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("./nowhere", "neither a folder here nor a Hugging Face id"),
        ("/nowhere/at/all", "neither a folder here nor a Hugging Face id"),
        ("a b", "neither a folder here"),
        ("empty", r"has no config\.json"),
    ],
)
def test_a_checkpoint_that_is_not_there_is_one_clear_line(engines, tmp_path, name, expected):
    engines("vllm")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=expected):
        loading(name)


def test_an_unknown_engine_is_refused(folder):
    with pytest.raises(ConfigError, match="--model 'gguf' is unknown; known: vllm, hf"):
        loading(str(folder), engine="gguf")


def test_what_names_the_checkpoint_is_no_model_argument(engines, folder):
    engines("vllm")
    with pytest.raises(ConfigError, match="--model-arg pretrained"):
        loading(str(folder), arguments={"pretrained": "other"})


def test_results_get_no_argument_that_may_be_a_secret(engines, folder):
    engines("vllm")
    made = loading(str(folder), arguments={"api_key": "s3cret", "hf_token": "s3cret", "dtype": "float16"})
    assert made.arguments["api_key"] == "s3cret"
    assert "s3cret" not in json.dumps(made.recorded)
    assert made.recorded["dtype"] == "float16"


# Adapters


def test_an_adapter_goes_where_the_engine_wants_it_with_room_for_its_rank(engines, tmp_path, folder):
    engines("vllm", "hf", cpu=False)
    path = adapter(tmp_path)
    made = loading(str(folder), str(path))
    assert made.arguments["lora_local_path"] == str(path)
    assert made.arguments["max_lora_rank"] == 16
    assert loading(str(folder), str(path), "hf").arguments["peft"] == str(path)


def test_on_a_cpu_build_an_adapter_is_to_be_merged_and_recorded_as_one(engines, tmp_path, folder):
    engines("vllm", "hf")
    path = adapter(tmp_path)
    made = loading(str(folder), str(path))
    assert made.merge == path
    assert "lora_local_path" not in made.arguments
    assert made.recorded["lora_local_path"] == str(path)
    assert made.recorded["adapter_merged"] is True


@pytest.mark.parametrize(("installed", "lora"), [(("vllm", "hf"), True), (("vllm",), False)])
def test_with_lora_or_without_peft_it_is_not_merged(engines, tmp_path, folder, installed, lora):
    engines(*installed)
    path = adapter(tmp_path)
    made = loading(str(folder), str(path), lora=lora)
    assert made.merge is None
    assert made.arguments["lora_local_path"] == str(path)
    assert "adapter_merged" not in made.recorded


def test_lora_without_an_adapter_is_refused(folder):
    with pytest.raises(ConfigError, match="--lora is about an adapter"):
        loading(str(folder), lora=True)


def test_an_adapter_of_zeros_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no weights other than zero"):
        check_adapter(adapter(tmp_path, 0.0), "somewhere/tiny")


def test_an_adapter_of_another_base_is_said(tmp_path, caplog):
    check_adapter(adapter(tmp_path, base="org/big"), "org/tiny")
    assert "was trained on org/big and is put on org/tiny" in caplog.text


def test_an_adapter_of_this_base_is_not_talked_about(tmp_path, caplog):
    check_adapter(adapter(tmp_path, base="elsewhere/tiny"), "here/tiny")
    assert caplog.text == ""


@pytest.mark.parametrize("damage", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_that_is_damaged_is_one_clear_line(tmp_path, damage):
    path = adapter(tmp_path)
    (path / damage).write_bytes(b"\xff not it\nat all")
    with pytest.raises(ConfigError, match="adapter") as error:
        check_adapter(path, "tiny")
    assert "\n" not in str(error.value)


# The chat template


def test_a_checkpoint_with_a_chat_template_passes_and_a_base_model_is_told_what_to_do(tmp_path):
    require_chat_template(str(make_checkpoint(tmp_path / "chat")), {})
    with pytest.raises(ConfigError, match="--no-chat-template"):
        require_chat_template(str(make_checkpoint(tmp_path / "base", chat_template=None)), {})


def test_a_folder_without_a_tokenizer_is_one_clear_line(folder):
    with pytest.raises(ConfigError, match=r"the tokenizer of checkpoint .* cannot be loaded") as error:
        require_chat_template(str(folder), {})
    assert "\n" not in str(error.value)
