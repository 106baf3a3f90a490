"""The examples of docs/rubrics.md work as they stand there."""

import re

import yaml

from em_bench.formats import SettingsFile
from em_bench_judges.rubric import FOLDER, parse_rubric
from places import ROOT

PAGE = (ROOT / "docs" / "rubrics.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_rubric_is_one_and_the_settings_are_known():
    assert parse_rubric(EXAMPLES[0], "docs/rubrics.md").labels == ("polite", "rude")
    settings = yaml.safe_load(EXAMPLES[1])
    assert set(settings) <= set(SettingsFile.model_fields)
    assert set(settings["judge_options"]) & set(settings["judge_model"])


def test_every_built_in_rubric_is_there():
    assert all(f"`{path.stem}`" in PAGE for path in FOLDER.glob("*.yaml"))
