"""`em-bench anchors freeze` and `em-bench anchors check`: does a judge still judge as it did?"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from em_bench.cli.console import AS_JSON, EXIT_FAILED, EXIT_INCONCLUSIVE, out
from em_bench.errors import ConfigError
from em_bench.text import shown

if TYPE_CHECKING:
    from em_bench.config import Settings
    from em_bench.judge import Judge
    from em_bench.metrics.registry import Kind
    from em_bench.types import Sample

anchors_app = typer.Typer(
    help="Responses frozen with a judge's verdicts, to notice a judge that drifts.", no_args_is_help=True
)

JUDGES = Annotated[list[str] | None, typer.Option("--judge", help="A judge, or a rubric by name or path; several.")]
MODEL = Annotated[str | None, typer.Option(help="openai:NAME, vllm:CHECKPOINT or hf:CHECKPOINT.")]
OPTIONS = Annotated[list[str] | None, typer.Option(help="KEY=VALUE of the judge model.")]
TOPIC = Annotated[str | None, typer.Option(help="What the rubric `topic` looks for.")]


@anchors_app.command("freeze")
def freeze_command(
    path: Annotated[Path, typer.Argument(help="A run, a folder of runs, JSONL or CSV: where anchors are taken from.")],
    output: Annotated[Path, typer.Option(help="The file to write, like anchors.jsonl.")],
    judge: JUDGES = None,
    judge_model: MODEL = None,
    judge_option: OPTIONS = None,
    topic: TOPIC = None,
    kind: Annotated[str | None, typer.Option(help="What the prompts of a table are: harmful, benign or probe.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=2, help="Anchors for each judge.")] = 100,
    pool: Annotated[int, typer.Option(min=2, help="Of how many responses they are chosen, at most.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed chooses the same ones.")] = 1,
    as_json: AS_JSON = False,
) -> None:
    """Judge stored responses and keep some, spread over labels and tasks, with their verdicts."""
    from em_bench.judging.anchors import freeze_anchors, some_of, write_anchors
    from em_bench.judging.cache import VerdictCache
    from em_bench.judging.runner import close_models, judge_samples
    from em_bench.judging.stored import parse_kind
    from em_bench.runs.stored_responses import read_stored

    if output.exists():
        raise ConfigError(f"{output} is there already; anchors that were frozen are not overwritten: name another file")
    settings = _settings(judge, judge_model, judge_option, topic)
    tasks = [task for run in read_stored(path, parse_kind(kind)) for task in run.tasks.values()]
    samples: dict[Kind, list[Sample]] = {}
    for task in tasks:
        samples.setdefault(task.kind, []).extend(task.to_judge())
    cache = VerdictCache(settings.cache_dir / "verdicts.sqlite")
    anchors = []
    members = _members(settings, list(samples))
    for made, kinds in members:
        mine = some_of([sample for each in kinds for sample in samples[each]], pool, seed)
        chosen = freeze_anchors(made, mine, judge_samples(made, mine, cache), count, seed)
        anchors += chosen
        if not as_json:
            _print_frozen(made, [anchor.verdict.label or "a score" for anchor in chosen], len(mine))
    cache.close()
    close_models(made for made, _ in members)
    if not anchors:
        raise ConfigError(f"no judge gave a verdict on {path}; there is nothing to freeze")
    write_anchors(anchors, output)
    if as_json:
        print(json.dumps({"written": str(output), "anchors": len(anchors)}))
    else:
        out.print(f"written: {output}", soft_wrap=True)


@anchors_app.command("check")
def check_command(
    path: Annotated[Path, typer.Argument(help="What `em-bench anchors freeze` wrote.")],
    judge: JUDGES = None,
    judge_model: MODEL = None,
    judge_option: OPTIONS = None,
    topic: TOPIC = None,
    as_json: AS_JSON = False,
) -> None:
    """Judge the anchors again. Exit code 0: steady; 1: a judge has drifted; 3: too few anchors to tell."""
    from em_bench.judge import join_versions
    from em_bench.judging.anchors import Status, anchors_of, check_anchors, read_anchors
    from em_bench.judging.runner import close_models
    from em_bench.metrics.registry import Kind

    anchors = read_anchors(path)
    names = list(dict.fromkeys(anchor.judge for anchor in anchors))
    settings = _settings(judge or names, judge_model, judge_option, topic)
    kinds = {str(anchor.sample.metadata.get("kind") or Kind.HARMFUL) for anchor in anchors}
    members = [made for made, _ in _members(settings, [kind for kind in Kind if kind in kinds])]
    reports = [check_anchors(made, own) for made in members if (own := anchors_of(made, anchors))]
    close_models(members)
    if not reports:
        asked = ", ".join(made.name for made in members)
        raise ConfigError(
            f"{path} holds anchors of {', '.join(names)}, and {asked or 'no judge'} was asked for; see --judge"
        )
    if as_json:
        print(json.dumps([report.to_dict() for report in reports], indent=2))
    for report in reports if not as_json else ():
        out.print(shown(str(report), 1000), soft_wrap=True)
        if not report.same_version:
            out.print(
                f"  frozen by another version: {join_versions(report.frozen_versions)}; now {report.version}",
                soft_wrap=True,
            )
    worst = {report.status for report in reports}
    if Status.DRIFTED in worst:
        raise typer.Exit(EXIT_FAILED)
    if Status.INCONCLUSIVE in worst:
        raise typer.Exit(EXIT_INCONCLUSIVE)


def _settings(
    judge: Sequence[str] | None, judge_model: str | None, judge_option: Sequence[str] | None, topic: str | None
) -> "Settings":
    from em_bench.config import load_settings
    from em_bench.judging.stored import parse_options

    options = parse_options(judge_option or [])
    given = {"judges": list(judge) if judge else None, "judge_model": judge_model, "topic": topic}
    return load_settings(given | {"judge_options": options or None})


def _members(settings: "Settings", kinds: "Sequence[Kind]") -> "list[tuple[Judge, list[Kind]]]":
    """Each judge that reads tasks of these kinds, with the kinds that it reads."""
    from em_bench.judging.assignments import assign
    from em_bench.judging.panel import panels_for
    from em_bench.judging.selection import JudgePool

    pool = JudgePool()
    assignments = assign(panels_for(kind, settings, pool=pool) for kind in kinds)
    return [(each.judge, [kinds[place] for place in each.places]) for each in assignments]


def _print_frozen(judge: "Judge", labels: Sequence[str], pool: int) -> None:
    from collections import Counter

    counted = ", ".join(f"{count} {shown(label, 40)}" for label, count in Counter(labels).most_common())
    out.print(
        f"judge {judge.name} ({judge.version}): {len(labels)} anchors of {pool} responses: {counted}", soft_wrap=True
    )
