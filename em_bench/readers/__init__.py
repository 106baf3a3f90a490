"""One reader for each format of file: text, JSON, JSONL, CSV and YAML.

Each names the file, the line and what to do in an error of one line. `em_bench.readers.model` checks what a YAML file
says against a pydantic model; it is not imported here, as pydantic takes time to load.
"""

from em_bench.readers.csv_table import csv_rows
from em_bench.readers.json_text import json_lines, numbered_lines, parse_json, parse_object, read_object
from em_bench.readers.text_file import read_text
from em_bench.readers.yaml_tree import YamlTree, parse_yaml, read_yaml

__all__ = [
    "YamlTree",
    "csv_rows",
    "json_lines",
    "numbered_lines",
    "parse_json",
    "parse_object",
    "parse_yaml",
    "read_object",
    "read_text",
    "read_yaml",
]
