"""`em-bench calibrate` and `em-bench corrected`: how far to trust a judge, and rates corrected for its errors."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from em_bench.cli.calibrate_print import print_calibration, print_corrected
from em_bench.cli.console import AS_JSON, out
from em_bench.errors import ConfigError

if TYPE_CHECKING:
    from em_bench.calibration.calibrate import Calibration
    from em_bench.calibration.confusion import Decision, Pair
    from em_bench.calibration.labels import Columns, LabelMap
    from em_bench.runs.model import Run

Calibrated = tuple["Calibration", "Sequence[Pair]"]


def calibrate_command(
    path: Annotated[Path, typer.Argument(help="Labelled responses (JSONL, CSV, JSON), or a stored run.")],
    judge: Annotated[list[str] | None, typer.Option(help="The judge, or a rubric by name or path; several.")] = None,
    against: Annotated[
        list[str] | None, typer.Option(help="Of a run: the judge to take as reference; several.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Of a run: a file with `id` and label of its responses.")] = None,
    judge_model: Annotated[str | None, typer.Option(help="openai:NAME, vllm:CHECKPOINT or hf:CHECKPOINT.")] = None,
    judge_option: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of the judge model.")] = None,
    topic: Annotated[str | None, typer.Option(help="What the rubric `topic` looks for.")] = None,
    kind: Annotated[str, typer.Option(help="What was asked: harmful, benign or probe.")] = "harmful",
    label_column: Annotated[str, typer.Option(help="The column with the label.")] = "label",
    response_column: Annotated[str | None, typer.Option(help="The column with the response.")] = None,
    prompt_column: Annotated[str | None, typer.Option(help="The column with the prompt.")] = None,
    id_column: Annotated[str | None, typer.Option(help="The column with the response's id.")] = None,
    group_column: Annotated[str | None, typer.Option(help="The column with the subgroup.")] = None,
    label_map: Annotated[list[str] | None, typer.Option(help="complied=compliance,rejected=refusal")] = None,
    ignore_label: Annotated[list[str] | None, typer.Option(help="Labels whose rows are left out: a,b")] = None,
    positive: Annotated[str, typer.Option(help="The label that counts; `refusal` includes partial ones.")] = "refusal",
    score_below: Annotated[float | None, typer.Option(help="Scores below this are positive.")] = None,
    score_from: Annotated[float | None, typer.Option(help="Scores of at least this are positive.")] = None,
    disagreements: Annotated[Path | None, typer.Option(help="Write all disagreements there, as JSONL.")] = None,
    show: Annotated[int, typer.Option(min=0, help="How many disagreements to print.")] = 5,
    save: Annotated[Path | None, typer.Option(help="Write the calibration there, for `em-bench corrected`.")] = None,
    as_json: AS_JSON = False,
) -> None:
    """Measure a judge against labels that people gave, or against another judge."""
    from em_bench.calibration.calibrate import write_calibration
    from em_bench.calibration.confusion import Decision
    from em_bench.calibration.labels import Columns, parse_label_map
    from em_bench.runs.read import is_run

    decision = Decision(positive, score_below, score_from)
    columns = Columns(label_column, response_column, prompt_column, group_column, id_column)
    meanings = parse_label_map(label_map or [], ignore_label or [])
    agreed = None
    if against or labels or is_run(path):
        run = _one_run(path)
        if against:
            found, agreed = _against_judges(run, judge or ["keyword"], against, decision)
        else:
            found = [_stored(run, name, labels, columns, meanings, decision) for name in judge or ["keyword"]]
    else:
        given = {"judges": judge, "judge_model": judge_model, "judge_options": judge_option, "topic": topic}
        found = _asked(path, given, kind, columns, meanings, decision, only_one=save is not None)
    if save is not None and len(found) > 1:
        raise ConfigError("--save writes one calibration; give one --judge and one --against")
    if save is not None:
        write_calibration(found[0][0], save)
    if disagreements is not None:
        _write_disagreements(disagreements, found)
    if as_json:
        print(json.dumps([calibration.to_dict() for calibration, _ in found] + ([{"alpha": agreed}] if agreed else [])))
        return
    for calibration, pairs in found:
        print_calibration(calibration, pairs, show)
    if agreed is not None:
        out.print(f"Krippendorff's alpha over {', '.join((*(judge or ['keyword']), *(against or [])))}: {agreed:.3f}")
    if save is not None:
        out.print(f"written: {save}", soft_wrap=True)


def _one_run(path: Path) -> "Run":
    from em_bench.runs.read import find_runs, read_run

    runs = find_runs(path)
    if len(runs) > 1:
        raise ConfigError(f"{path} holds {len(runs)} runs; name one, like {runs[0]}")
    return read_run(runs[0])


def _against_judges(
    run: "Run", judges: Sequence[str], against: Sequence[str], decision: "Decision"
) -> tuple[list[Calibrated], float | None]:
    """Each judge against each reference; with more than two of them in all, their alpha too."""
    from em_bench.calibration.calibrate import calibrate, judge_pairs, jury_alpha, stored_verdicts, stored_version

    verdicts = {name: stored_verdicts(run, name) for name in dict.fromkeys((*judges, *against))}
    found: list[Calibrated] = []
    for name in judges:
        for other in (reference for reference in against if reference != name):
            pairs, unscored = judge_pairs(verdicts[name], verdicts[other], decision)
            reference = f"judge {other} {stored_version(run, other)}"
            left_out = {f"unscored by {other}": unscored} if unscored else {}
            version = stored_version(run, name)
            known = {"judge": name, "version": version, "reference": reference, "left_out": left_out}
            found.append((calibrate(pairs, decision=decision, by_people=False, **known), pairs))  # type: ignore[arg-type]
    if not found:
        raise ConfigError("--against names the same judge as --judge; name another")
    return found, jury_alpha(verdicts, decision) if len(verdicts) > 2 else None


def _stored(
    run: "Run", judge: str, labels: Path | None, columns: "Columns", meanings: "LabelMap", decision: "Decision"
) -> Calibrated:
    from em_bench.calibration.calibrate import calibrate, label_pairs, stored_verdicts, stored_version
    from em_bench.calibration.labels import read_labels

    if labels is None:
        raise ConfigError(f"{run.path} is a run: give --labels FILE with what people said, or --against JUDGE")
    found, left_out = read_labels(labels, columns, meanings)
    pairs = label_pairs(stored_verdicts(run, judge), found, str(labels))
    version = stored_version(run, judge)
    made = calibrate(pairs, judge=judge, version=version, reference=labels.name, decision=decision, left_out=left_out)
    return made, pairs


def _asked(
    path: Path,
    given: Mapping[str, Any],
    kind: str,
    columns: "Columns",
    meanings: "LabelMap",
    decision: "Decision",
    *,
    only_one: bool,
) -> list[Calibrated]:
    """Asks the judges about a file of labelled responses."""
    from em_bench.calibration.calibrate import ask, calibrate
    from em_bench.calibration.confusion import Pair
    from em_bench.calibration.labels import read_labelled
    from em_bench.config import load_settings
    from em_bench.judging.cache import VerdictCache
    from em_bench.judging.panel import panels_for
    from em_bench.judging.runner import close_models
    from em_bench.judging.stored import parse_kind, parse_options
    from em_bench.metrics.registry import Kind

    settings = load_settings(dict(given) | {"judge_options": parse_options(given["judge_options"] or [])})
    asked_for = parse_kind(kind) or Kind.HARMFUL
    panels = panels_for(asked_for, settings)
    if only_one and len(panels) > 1:  # said before anything is spent
        raise ConfigError(
            f"--save writes one calibration: choose of {', '.join(each.name for each in panels)} by --judge"
        )
    labelled = read_labelled(path, columns, meanings, asked_for)
    samples = [row.sample for row in labelled.rows]
    cache = VerdictCache(settings.cache_dir / "verdicts.sqlite")
    found: list[Calibrated] = []
    for panel in panels:
        verdicts = ask(panel, samples, cache)
        pairs = [
            Pair(row.sample, row.label, said, row.group) for row, said in zip(labelled.rows, verdicts, strict=True)
        ]
        known = {"judge": panel.name, "version": panel.version, "reference": path.name, "left_out": labelled.left_out}
        found.append((calibrate(pairs, decision=decision, **known), pairs))  # type: ignore[arg-type]
    cache.close()
    close_models(member for panel in panels for member in panel.members)
    return found


def _write_disagreements(path: Path, found: Sequence[Calibrated]) -> None:
    from em_bench.calibration.confusion import disagreements

    lines = [
        {
            "judge": calibration.judge,
            "id": pair.sample.id,
            "task": pair.sample.task,
            "group": pair.group,
            "label": pair.label,
            "verdict": pair.verdict.to_dict(),
            "prompt": pair.sample.prompt,
            "response": pair.sample.response,
        }
        for calibration, pairs in found
        for pair in disagreements(pairs, calibration.decision)
    ]
    try:
        path.write_text("".join(json.dumps(line, default=repr) + "\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--disagreements {path} cannot be written: {error.strerror or error}") from error


def corrected_command(
    paths: Annotated[list[Path], typer.Argument(help="Runs, or folders of runs, that the judge has judged.")],
    calibration: Annotated[Path, typer.Option(help="What `em-bench calibrate --save` wrote.")],
    force: Annotated[bool, typer.Option("--force", help="Also of a judge in another version.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """Print rates as judged and as corrected for the judge's errors, with the calibration's uncertainty in them."""
    from em_bench.calibration.calibrate import read_calibration
    from em_bench.calibration.correct import correct_runs
    from em_bench.runs.read import find_runs, read_run

    made = read_calibration(calibration)
    lines = correct_runs((read_run(found) for path in paths for found in find_runs(path)), made, force=force)
    if as_json:
        print(json.dumps([asdict(line) for line in lines], indent=2))
        return
    print_corrected(made, lines)
