"""Writes the JSON Schemas of the YAML formats: python docs/schemas/write.py"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import NullableSchema, WithDefaultSchema

from em_bench.calibration.case_file import CaseFile
from em_bench.compare.policy_file import PolicyFile
from em_bench.formats import ConditionsFile, SettingsFile
from em_bench.prompts.published.catalogue import Catalogue
from em_bench.prompts.questions import QuestionFile
from em_bench_judges.guards.format import GuardFile
from em_bench_judges.rubric import RubricFile

FOLDER = Path(__file__).parent
FORMATS: dict[str, TypeAdapter] = {
    "cases": TypeAdapter(CaseFile),
    "catalogue": Catalogue,
    "conditions": ConditionsFile,
    "guard": TypeAdapter(GuardFile),
    "policy": TypeAdapter(PolicyFile),
    "questions": QuestionFile,
    "rubric": TypeAdapter(RubricFile),
    "settings": TypeAdapter(SettingsFile),
}


class Editors(GenerateJsonSchema):
    """Schemas for people who write files: a key that may be left out needs no null, and its name is its title."""

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        value = super().default_schema(schema)
        return {key: each for key, each in value.items() if key != "default" or each is not None}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schemas() -> Iterator[tuple[Path, str]]:
    """Each schema's file and its text."""
    for name, adapter in FORMATS.items():
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | adapter.json_schema(
            schema_generator=Editors
        )
        yield FOLDER / f"{name}.schema.json", json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    for path, text in schemas():
        path.write_text(text, encoding="utf-8")
