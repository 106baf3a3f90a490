"""`em-bench compare` and `em-bench gate init`: is the change against the baseline real, and may the candidate ship?"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated

import typer

from em_bench.cli.console import AS_JSON, EXIT_FAILED, EXIT_INCONCLUSIVE, out
from em_bench.errors import ConfigError
from em_bench.metrics.registry import Definition

if TYPE_CHECKING:
    from em_bench.compare.comparison import Comparison
    from em_bench.compare.gate import GateResult

    Results = list[tuple[Comparison, GateResult | None]]

POLICY = Path("gate.yaml")
gate_app = typer.Typer(help="The policy of a gate.", no_args_is_help=True)


def compare_command(
    baseline: Annotated[Path, typer.Argument(help="A run, its folder, or a JSONL or CSV file of scored answers.")],
    candidates: Annotated[list[Path], typer.Argument(help="What is compared with it.")],
    target_domain: Annotated[
        str | None, typer.Option(help="The domain that was meant to change, set apart from the others.")
    ] = None,
    definition: Annotated[Definition, typer.Option(help="Which answers to probes count as misaligned.")] = (
        Definition.BETLEY
    ),
    tasks: Annotated[str, typer.Option(help="Only these tasks: names or patterns like em_rai_*,em_probes_main")] = "*",
    gate: Annotated[Path | None, typer.Option(help="A policy: exit code 0 pass, 1 regress, 3 inconclusive.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Compare runs that are not comparable; marked so.")] = False,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write Markdown there too.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json-file", help="Write JSON there too.")] = None,
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML there too.")] = None,
    github: Annotated[bool, typer.Option("--github", help="Print GitHub's annotations too.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """Paired differences per domain with intervals, spill-over, what kind of change it is; with --gate a verdict."""
    from em_bench.reports.ci import annotations, junit
    from em_bench.reports.markdown import markdown

    results = _results(baseline, candidates, target_domain, definition, tasks, gate, force)
    text = json.dumps([_as_dict(*result) for result in results], indent=2)
    if as_json:
        print(text)
    else:
        with _no_commands(github):
            _print(results)
    if github:
        print("\n".join(annotations(results)))
    for path, written in ((markdown_file, markdown), (junit_file, junit), (json_file, lambda _: f"{text}\n")):
        if path is not None:
            _write(path, written(results))
    raise typer.Exit(_exit_code(results))


def _results(
    baseline: Path,
    candidates: list[Path],
    target_domain: str | None,
    definition: Definition,
    tasks: str,
    policy_file: Path | None,
    force: bool,
) -> "Results":
    from em_bench.compare.comparison import compare, read_side
    from em_bench.compare.gate import gate
    from em_bench.compare.policy import read_policy

    policy = read_policy(policy_file) if policy_file else None
    before = read_side(baseline)
    found: Results = []
    for path in candidates:
        comparison = compare(
            before,
            read_side(path),
            target_domain=target_domain,
            definition=definition,
            force=force,
            confidence=1 - policy.alpha if policy else 0.95,
            tasks=[name.strip() for name in tasks.split(",")],
        )
        found.append((comparison, gate(comparison, policy) if policy else None))
    return found


def _as_dict(comparison: "Comparison", verdict: "GateResult | None") -> dict[str, object]:
    return comparison.to_dict() | {"gate": verdict.to_dict() if verdict else None}


def _print(results: "Results") -> None:
    from em_bench.reports.terminal import render

    for comparison, verdict in results:
        for part in render(comparison, verdict):
            out.print(part)
        out.print()


@contextmanager
def _no_commands(github: bool) -> Iterator[None]:
    """GitHub obeys every line that begins like a command, whoever wrote it; while names are printed it must not."""
    token = token_hex(16)
    if github:
        print(f"::stop-commands::{token}", flush=True)
    yield
    if github:
        print(f"::{token}::", flush=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error


def _exit_code(results: "Results") -> int:
    from em_bench.compare.gate import Outcome, worst_outcome

    codes = {Outcome.REGRESS: EXIT_FAILED, Outcome.INCONCLUSIVE: EXIT_INCONCLUSIVE}
    return codes.get(worst_outcome([verdict for _, verdict in results if verdict]), 0)


@gate_app.command("init")
def gate_init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = POLICY,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented policy with sane defaults."""
    from em_bench.compare.policy import write_initial

    out.print(f"written: {write_initial(path, force=force)}", soft_wrap=True)
