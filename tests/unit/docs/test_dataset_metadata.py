"""The data's card, Croissant file, licence and datasheet fit the files that they describe."""

import hashlib
import importlib.util
import json
import re
from collections import Counter

import pytest

from em_bench.paths import tasks_path
from em_bench.prompts.files import load_prompts
from em_bench.types import DOMAINS
from places import ROOT

spec = importlib.util.spec_from_file_location("croissant_script", ROOT / "setup" / "croissant.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
CROISSANT = json.loads((tasks_path() / "croissant.json").read_text(encoding="utf-8"))
DATASHEET = (tasks_path() / "DATASHEET.md").read_text(encoding="utf-8")


def rows(pattern):
    return [row for file in sorted(tasks_path().glob(pattern)) for row in load_prompts(file)]


def test_the_croissant_file_is_up_to_date():
    """Otherwise run `python setup/croissant.py`."""
    assert script.croissant() == CROISSANT


def test_every_record_set_names_a_file_that_is_there_with_its_sha256():
    files = {each["@id"]: each for each in CROISSANT["distribution"]}
    for each in files.values():
        assert hashlib.sha256((tasks_path() / each["contentUrl"]).read_bytes()).hexdigest() == each["sha256"]
    sources = {field["source"]["fileObject"]["@id"] for each in CROISSANT["recordSet"] for field in each["field"]}
    assert sources == set(files)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of rdflib, in mlcroissant
def test_mlcroissant_accepts_the_file_and_reads_records():
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(jsonld=str(tasks_path() / "croissant.json"))
    assert dataset.metadata.ctx.issues.errors == set()
    assert dataset.metadata.ctx.issues.warnings == set()
    record = next(iter(dataset.records("bias_harmful")))
    assert record["bias_harmful/prompt"].decode() == rows("prompts/bias/harmful.jsonl")[0]["prompt"]


def test_the_dataset_card_is_valid_and_its_configs_name_files():
    hub = pytest.importorskip("huggingface_hub")
    card = hub.DatasetCard((tasks_path() / "dataset_card.md").read_text(encoding="utf-8")).data
    assert (card.license, card.language) == ("cc-by-4.0", ["en"])
    patterns = [each["path"] for config in card.configs for each in config["data_files"]]
    found = [file for pattern in patterns for file in tasks_path().glob(pattern)]
    described = {file.relative_to(tasks_path()).as_posix() for file in found}
    assert described == {each["contentUrl"] for each in CROISSANT["distribution"]}


@pytest.mark.parametrize("name", ["DATASHEET.md", "dataset_card.md"])
def test_the_counts_in_the_text_are_those_of_the_files(name):
    text = (tasks_path() / name).read_text(encoding="utf-8")
    harmful, benign = rows("prompts/*/harmful.jsonl"), rows("prompts/*/benign.jsonl")
    counts = [f"{len(harmful):,}", len(benign), len(rows("prompts/care.jsonl")), len(rows("probes/main.jsonl"))]
    counts.append(len(rows("probes/agentic.jsonl")))
    if name == "DATASHEET.md":
        tiers = Counter(row["tier"] for row in harmful + benign)
        counts += [f"{tiers['explicit']} explicit, {tiers['obscured']} obscured", f"{tiers['lookalike']} look-alikes"]
    assert [count for count in counts if not re.search(rf"\b{count}\b", text)] == []


def test_the_changelog_has_the_counts_of_every_domain():
    log = (tasks_path() / "CHANGELOG.md").read_text(encoding="utf-8")
    for domain in DOMAINS:
        tiers = Counter(row["tier"] for row in rows(f"prompts/{domain}/*.jsonl"))
        last = " | ".join(str(tiers[tier]) for tier in ("explicit", "obscured", "lookalike", "hard"))
        assert re.search(rf"^\| {domain} \|.*\| {re.escape(last)} \|$", log, re.MULTILINE), domain


def test_the_datasheet_shows_the_canary_of_the_files():
    canary = (tasks_path() / "canary.txt").read_text(encoding="utf-8").strip()
    assert f"    {canary}\n" in DATASHEET
