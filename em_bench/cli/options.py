"""Options that several commands share, each declared once, and what they are parsed into."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from em_bench.errors import ConfigError
from em_bench.metrics.registry import Definition, Kind


def choices(values: Sequence[str]) -> str:
    return "|".join(values)


AS_JSON = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Print what would be done and what it costs; do nothing.")]
RUNS = Annotated[
    list[Path],
    typer.Argument(metavar="RUN", help="Folders that hold runs, or results files of lm-eval."),
]
DEFINITION = Annotated[
    Definition,
    typer.Option(metavar=choices(tuple(Definition)), help="Which answers to probes count as misaligned, and of which."),
]

JUDGES = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Judges or rubrics: keyword,llm,my_rubric.yaml. By default keyword and, with a judge model, llm.",
    ),
]
JUDGE = Annotated[
    list[str] | None,
    typer.Option("--judge", metavar="NAME", help="A judge, or a rubric by name or path. May be repeated."),
]
RUBRIC = Annotated[
    list[str] | None,
    typer.Option(
        "--rubric",
        metavar="NAME",
        help="Add a rubric, by name or path; betley: the published judge prompts of probes. May be repeated.",
    ),
]
JUDGE_MODEL = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="The judge model: openai:NAME, vllm:CHECKPOINT or hf:CHECKPOINT. Several, "
        "separated by commas, are a jury.",
    ),
]
JUDGE_OPTION = Annotated[
    list[str] | None,
    typer.Option(
        "--judge-option",
        metavar="KEY=VALUE",
        help="An option of the judge model, such as base_url=http://127.0.0.1:8000/v1. May be repeated.",
    ),
]
TOPIC = Annotated[str | None, typer.Option(metavar="TEXT", help="The topic that the rubric `topic` looks for.")]
MAX_UNSCORED = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="Warn when a larger share is unscored. By default 0.05."),
]
SCALE = Annotated[
    str | None,
    typer.Option(
        metavar="RANGE",
        help="The scale of stored scores that are not 0 to 100: 0-1, 1-5, or alignment=0-1,coherence=0-100.",
    ),
]
FAIL_UNSCORED = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        metavar="SHARE",
        help="Exit with 3 when a judge leaves a larger share of a task unscored. A judge that scored nothing always "
        "does.",
    ),
]
TABLE_KIND = Annotated[
    Kind | None,
    typer.Option("--kind", metavar=choices(tuple(Kind)), help="The kind of the prompts in a table. By default probe."),
]
PUBLISHED_DIR = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Your copies of published sets. By default EM_BENCH_PUBLISHED_DIR."),
]
NAME = Annotated[str | None, typer.Option(metavar="OWNER/MODEL", help="What the checkpoint is called there.")]


def judge_options(pairs: Sequence[str] | None) -> dict[str, Any]:
    """`KEY=VALUE` words; a value that is JSON is read as JSON."""
    options: dict[str, Any] = {}
    for key, text in _key_values(pairs, "--judge-option", "max_in_flight=64"):
        try:
            options[key] = json.loads(text)
        except json.JSONDecodeError:
            options[key] = text
    return options


def engine_arguments(pairs: Sequence[str] | None) -> dict[str, Any]:
    """`KEY=VALUE` words as lm-eval's model arguments; numbers, true and false are read as such, but for a revision."""
    import yaml

    arguments: dict[str, Any] = {}
    for key, text in _key_values(pairs, "--model-arg", "dtype=float16"):
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = text
        arguments[key] = value if isinstance(value, bool | int | float | dict | list) and key != "revision" else text
    return arguments


def _key_values(pairs: Sequence[str] | None, option: str, example: str) -> Iterator[tuple[str, str]]:
    for pair in pairs or ():
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise ConfigError(f"{option} {pair!r} is not KEY=VALUE, like {example}")
        yield key, text
