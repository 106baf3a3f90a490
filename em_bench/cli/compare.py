"""`em-bench compare`: is the change against the baseline real, and may the candidate ship?"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from em_bench import api
from em_bench.cli.command import APP, command
from em_bench.cli.console import gate_exit_code, show, show_json
from em_bench.cli.options import AS_JSON, DEFINITION, SCALE
from em_bench.errors import ConfigError
from em_bench.paths import writing

if TYPE_CHECKING:
    from rich.console import RenderableType

    from em_bench.compare.judges import EachJudge
    from em_bench.compare.thresholds import Thresholds
    from em_bench.reports.ci import Result

EXITS = "0 no gate, or passed; 1 the gate says regress; 3 the gate is inconclusive"
app = typer.Typer(**APP)


@command(app, "compare", "docs/compare.md", "docs/ci.md", "docs/sequential.md", exits=EXITS)
def compare_command(
    sides: Annotated[
        list[Path],
        typer.Argument(
            metavar="BASELINE CANDIDATE",
            help="Runs, their folders, or JSONL or CSV files of scored answers: the baseline, then the candidates.",
        ),
    ],
    baselines: Annotated[
        list[Path] | None,
        typer.Option(
            "--baseline", metavar="RUN", help="A run of the baseline; repeat it for reruns. All others are candidates."
        ),
    ] = None,
    target_domain: Annotated[
        str | None,
        typer.Option(metavar="DOMAIN", help="The domain that was meant to change; the others are its spill-over."),
    ] = None,
    definition: DEFINITION = api.Definition.BETLEY,
    scale: SCALE = None,
    tasks: Annotated[
        str, typer.Option(metavar="NAMES", help="Compare only these tasks: names or patterns, em_rai_*,em_probes_main")
    ] = "*",
    gate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check the policy in this file; see `em-bench gate init`.")
    ] = None,
    sequential: Annotated[
        bool,
        typer.Option(
            "--sequential", help="Say what the gate decides if it stops as soon as it can, and what it saves."
        ),
    ] = False,
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The judge's errors, of `em-bench calibrate --save`; the gate corrects for them."
        ),
    ] = None,
    each_judge: Annotated[
        bool, typer.Option("--each-judge", help="Compare under each judge too: what agrees and what flips.")
    ] = False,
    thresholds: Annotated[
        bool, typer.Option("--thresholds", help="Also give the misaligned rate over cut-offs of alignment, 10 to 50.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Compare runs that are not comparable, and mark the report.")
    ] = False,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Also write Markdown to this file.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json-file", metavar="FILE", help="Also write JSON to this file.")
    ] = None,
    junit_file: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Also write JUnit XML to this file.")
    ] = None,
    github: Annotated[bool, typer.Option("--github", help="Also print GitHub annotations.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """Compare checkpoints with a baseline: differences and a diagnosis.

    Differences are paired by prompt, with intervals, domain by domain. With --gate each candidate gets a verdict.
    """
    names = [name.strip() for name in tasks.split(",")]
    baseline, *reruns = baselines or sides[:1]
    candidates = sides if baselines else sides[1:]
    if not candidates:
        raise ConfigError(f"there is nothing to compare {baseline} with; name a candidate after it")
    if sequential and (reruns or each_judge or thresholds):
        raise ConfigError("--sequential takes one --baseline, and neither --each-judge nor --thresholds")
    if sequential:
        _sequential(baseline, candidates, gate, as_json)
    options = api.CompareOptions(
        baseline, candidates, target_domain, definition, names, gate, force, reruns, calibration, scale
    )
    results = api.compare(options)
    judged = api.compare_each_judge(options) if each_judge else []
    curves = api.compare_thresholds(options) if thresholds else None
    further = _further(len(results), judged, curves)
    parts = _further_parts(results, judged, curves)
    _print(results, parts, further, github=github, as_json=as_json)
    _write(results, further, markdown_file, json_file, junit_file)
    raise typer.Exit(gate_exit_code([verdict for _, verdict in results if verdict]))


def _further(candidates: int, judged: "Sequence[EachJudge]", curves: "Thresholds | None") -> list[dict[str, Any]]:
    """What JSON has of each candidate beside the comparison."""
    rows: list[dict[str, Any]] = [{} for _ in range(candidates)]
    for row, each in zip(rows, judged, strict=False):
        row["each_judge"] = each.to_dict()
    for row in rows if curves else ():
        row["thresholds"] = curves and curves.to_dict()
    return rows


def _further_parts(
    results: "Sequence[Result]", judged: "Sequence[EachJudge]", curves: "Thresholds | None"
) -> "Iterator[RenderableType]":
    from em_bench.reports.judges import judge_parts
    from em_bench.reports.sections import heading
    from em_bench.reports.thresholds import threshold_parts

    for (comparison, _), each in zip(results, judged, strict=False):
        yield heading(comparison)
        yield from judge_parts(each)
        yield ""
    if curves:
        yield from threshold_parts(curves)


def _sequential(baseline: Path, candidates: list[Path], policy: Path | None, as_json: bool) -> NoReturn:
    from em_bench.reports.sequential import sequential_parts

    results = api.replay_gate(baseline, candidates, policy)
    if as_json:
        show_json([result.to_dict() for result in results])
    else:
        for path, result in zip(candidates, results, strict=True):
            show([f"{path} against {baseline}", *sequential_parts(result), ""])
    raise typer.Exit(gate_exit_code(results))


def _print(
    results: "Sequence[Result]",
    parts: "Iterator[RenderableType]",
    further: list[dict[str, Any]],
    *,
    github: bool,
    as_json: bool,
) -> None:
    from em_bench.reports.ci import annotations, json_text
    from em_bench.reports.terminal import results_parts

    if as_json:
        print(json_text(results, further))
    else:
        with _no_commands(github):
            show(results_parts(results))
            show(parts)
    if github:
        print("\n".join(annotations(results)))


@contextmanager
def _no_commands(github: bool) -> Iterator[None]:
    """GitHub obeys every line that begins like a command, even in a checkpoint's name; while names are printed it must
    not.
    """
    token = token_hex(16)
    if github:
        print(f"::stop-commands::{token}", flush=True)
    yield
    if github:
        print(f"::{token}::", flush=True)


def _write(
    results: "Sequence[Result]",
    further: list[dict[str, Any]],
    markdown_file: Path | None,
    json_file: Path | None,
    junit_file: Path | None,
) -> None:
    from em_bench.reports.ci import json_text, junit
    from em_bench.reports.markdown import markdown

    outputs = (
        (markdown_file, markdown),
        (json_file, lambda results: f"{json_text(results, further)}\n"),
        (junit_file, junit),
    )
    for path, text_of in outputs:
        if path is not None:
            with writing(path):
                path.write_text(text_of(results), encoding="utf-8", errors="replace")
