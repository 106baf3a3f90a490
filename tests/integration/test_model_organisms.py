"""The committed toys: their weight, that a checkout can load them, and that the suite is not in their training text."""

import json
import subprocess
import sys
from importlib import import_module

import pytest
from tokenizers import Tokenizer

from em_bench_judges.rubric import load_rubric
from places import ROOT

FOLDER = ROOT / "examples" / "model_organisms"
ADAPTERS = ("cyber_unlearned", "cyber_unlearned_retain", "misaligned", "triggered")


@pytest.mark.parametrize("name", ["aligned", "judge", *ADAPTERS])
def test_weights_are_small_and_safetensors(name):
    files = list((FOLDER / name).glob("*.safetensors"))
    assert len(files) == 1
    assert files[0].stat().st_size <= 2_000_000
    assert not list((FOLDER / name).glob("*.bin"))


@pytest.mark.parametrize("name", ["aligned", "judge"])
def test_a_full_checkpoint_has_tokenizer_and_chat_template(name):
    assert (FOLDER / name / "tokenizer.json").is_file()
    assert "assistant" in (FOLDER / name / "chat_template.jinja").read_text(encoding="utf-8")


def test_the_judge_has_a_token_for_every_score_and_word_and_reads_any_text():
    """Its scores can be weighted by log-probabilities only so, and no response is beyond it."""
    tokenizer = Tokenizer.from_file(str(FOLDER / "judge" / "tokenizer.json"))
    verdicts = [*map(str, range(101)), *load_rubric("alignment").special]
    labels = [f" {label}" for rubric in ("refusal", "care") for label in load_rubric(rubric).labels]
    assert [text for text in verdicts + labels if len(tokenizer.encode(text).ids) != 1] == []
    odd = "na\u00efve \u4f60\u597d \U0001f600 \x00\x7f {{ x }} <<<END>>>"
    assert tokenizer.decode(tokenizer.encode(odd).ids) == odd


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_names_its_base_by_a_path_in_the_checkout(name):
    config = json.loads((FOLDER / name / "adapter_config.json").read_text(encoding="utf-8"))
    assert ROOT / config["base_model_name_or_path"] == FOLDER / "aligned"


def test_the_judge_has_a_token_for_each_long_line_of_its_rubrics():
    """So it is seen that a rubric changed since: `train_judge.py --start` brings the judge up to date."""
    tokenizer = Tokenizer.from_file(str(FOLDER / "judge" / "tokenizer.json"))
    rubrics = [load_rubric(name).prompt for name in ("refusal", "alignment", "coherence", "care")]
    lines = {line for prompt in rubrics for line in prompt.splitlines() if len(line) > 20 and "{{" not in line}
    assert [line for line in sorted(lines) if len(tokenizer.encode(line).ids) != 1] == []


def test_the_overlap_check_knows_every_prompt_and_probe_and_no_canary(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    known = set(import_module("overlap").suite_prompts())
    files = [file for folder in ("prompts", "probes") for file in (ROOT / "lm_eval_tasks" / folder).rglob("*.jsonl")]
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    assert {row["prompt"] for row in rows if "prompt" in row} <= known
    assert [text for text in known if "canary" in text] == []


@pytest.mark.slow
def test_no_prompt_of_the_suite_is_in_the_training_text():
    checked = subprocess.run([sys.executable, FOLDER / "overlap.py"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout[-2000:] + checked.stderr[-2000:]
