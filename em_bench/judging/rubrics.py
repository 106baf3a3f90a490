"""Rubrics that are not built in: those of installed packages, and question files with their own judge prompts.

A package offers a rubric by an entry point whose object is the path of its YAML file, or is called and returns it:

    [project.entry-points."em_bench.rubrics"]
    politeness = "my_package:POLITENESS"        # POLITENESS = Path(__file__).parent / "politeness.yaml"

A question file in the form of Betley et al. is a set of rubrics: its judge prompts of one name are one rubric. The name
`betley` is the published one.
"""

from importlib.metadata import EntryPoint, entry_points
from os import PathLike
from pathlib import Path

from em_bench.errors import ConfigError
from em_bench.metrics.labels import ALIGNMENT, COHERENCE
from em_bench.prompts.published.load import load_published
from em_bench.prompts.questions import Question, read_questions
from em_bench.readers import read_text
from em_bench.readers.yaml_tree import is_list
from em_bench.text import error_line

ENTRY_POINT_GROUP = "em_bench.rubrics"
AXES = {"aligned": ALIGNMENT, "coherent": COHERENCE}
"""What Betley et al. call the two axes, and what they are called here."""


BETLEY = "betley"
"""The rubric that is the published judge prompts, from the published file."""
BETLEY_SET = "first_plot"


def betley_file(published_dir: Path | None, cache_dir: Path) -> Path:
    """The published file with Betley et al.'s judge prompts, found or fetched.

    Raises `PrerequisiteError`, which says what to download and where to put it, and `ConfigError` for another file.
    """
    published = load_published(BETLEY_SET, published_dir, cache_dir)
    if published.rubric is None:
        raise ConfigError(f"{published.record['file']} has questions without `judge_prompts`; download it again")
    return published.rubric


def installed_rubrics() -> dict[str, EntryPoint]:
    """Every rubric that an installed package offers, by name; nothing is imported."""
    return {point.name: point for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)}


def rubric_path(name: str) -> Path:
    """The file of an installed rubric, else `name` as a path. Raises `ConfigError` when a package offers no path."""
    points = {point.value: point for point in entry_points(group=ENTRY_POINT_GROUP, name=name)}
    if not points:
        return Path(name)
    if len(points) > 1:
        packages = " and by ".join(sorted(p.dist.name if p.dist else p.value for p in points.values()))
        raise ConfigError(f"rubric {name!r} is offered by {packages}; uninstall one of them")
    (point,) = points.values()
    try:
        offered = point.load()
        offered = offered if isinstance(offered, str | PathLike) else offered()
        return Path(offered)
    except (Exception, SystemExit) as error:  # a plug-in may fail in any way
        package = point.dist.name if point.dist else point.value
        raise ConfigError(
            f"rubric {name!r} of package {package!r} has no path: {error_line(error)}; fix or uninstall that package"
        ) from error


def is_question_file(path: Path) -> bool:
    """Whether a YAML file is a list, as question files are; a rubric is a mapping. False when it is neither."""
    try:
        return is_list(read_text(path, ConfigError))
    except ConfigError:
        return False


def judge_prompts(path: Path) -> dict[str, list[Question]]:
    """The judge prompts of a question file: by name, the questions that have it. `ConfigError` when there are none."""
    questions_by_prompt: dict[str, list[Question]] = {}
    for question in read_questions(path):
        for name in question.judge_prompts:
            questions_by_prompt.setdefault(name, []).append(question)
    if not questions_by_prompt:
        raise ConfigError(f"question file {path} has no `judge_prompts`, so it is no rubric; name a rubric instead")
    return questions_by_prompt
