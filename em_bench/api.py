"""The public functions of em-bench: one for each command, to call from a notebook or a training script.

    from pathlib import Path
    from em_bench import api

    runs = api.evaluate(api.EvaluateOptions("org/tuned", judges=api.JudgeSelection(model="openai:gpt-4o")))
    for line in api.summarize([run.path for run in runs]):
        print(line.task, line.metric, line.rate)
    [(comparison, gate)] = api.compare(api.CompareOptions(Path("runs/base"), [Path("runs/tuned")]))
    print(comparison.diagnosis.sentence)

They return what the commands print, and print nothing themselves: warnings are logged under `em_bench`, and long work
reports its steps to a callback. Errors are those of `em_bench.errors`. The leaderboard's functions are in
`em_bench_leaderboard.api`. Importing this module is cheap: a function imports what it needs when it is called.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from em_bench.calibration.options import CalibrateOptions, Columns, LabelMap
from em_bench.harness.options import EvaluateOptions
from em_bench.judging.choices import FreezeOptions, JudgeSelection
from em_bench.metrics.registry import Definition, Kind
from em_bench.paths import tasks_path

if TYPE_CHECKING:
    from em_bench.calibration.agreement import Agreement
    from em_bench.calibration.calibrate import Calibration
    from em_bench.calibration.correct import CorrectedLine
    from em_bench.calibration.measure import Measurement
    from em_bench.calibration.rubric_test import RubricTest
    from em_bench.compare.comparison import Comparison
    from em_bench.compare.conditions import Effect
    from em_bench.compare.gate import GateResult
    from em_bench.compare.groups import GroupDifference
    from em_bench.compare.interaction import Interaction
    from em_bench.compare.items import ItemStatistics
    from em_bench.compare.judge_error import JudgeError
    from em_bench.compare.judges import EachJudge
    from em_bench.compare.narrow import Narrow
    from em_bench.compare.plan import Plan
    from em_bench.compare.policy import Policy
    from em_bench.compare.sequential import SequentialResult
    from em_bench.compare.short_forms import TaskShortForm
    from em_bench.compare.susceptibility import Susceptibility
    from em_bench.compare.thresholds import Thresholds
    from em_bench.harness.doctor import Finding
    from em_bench.harness.evaluate import RunForecast
    from em_bench.harness.until_decided import Decided
    from em_bench.judging.anchors import AnchorReport
    from em_bench.judging.frozen import FrozenJudge
    from em_bench.judging.installed import Installed
    from em_bench.prompts.published.status import SetStatus
    from em_bench.runs.model import Run
    from em_bench.runs.rates import TaskRate
    from em_bench.runs.scored_files import ScoredFile
    from em_bench.runs.subsets import Part
    from em_bench.stats.agreement import Level, PairWeights

__all__ = [
    "CalibrateOptions",
    "Columns",
    "CompareOptions",
    "Definition",
    "EvaluateOptions",
    "FreezeOptions",
    "JudgeSelection",
    "Kind",
    "LabelMap",
    "Links",
    "PlanOptions",
    "calibrate",
    "check_anchors",
    "compare",
    "compare_each_judge",
    "compare_groups",
    "compare_thresholds",
    "conditions",
    "corrected",
    "doctor",
    "evaluate",
    "evaluate_until_decided",
    "forecast_judging",
    "forecast_run",
    "freeze_anchors",
    "init_gate",
    "interactions",
    "items",
    "judge",
    "judges",
    "link",
    "load_calibration",
    "load_run",
    "narrow",
    "plan",
    "published",
    "replay_gate",
    "save_calibration",
    "save_disagreements",
    "short_forms",
    "summarize",
    "summarize_thresholds",
    "susceptibility",
    "tasks_path",
    "test_rubric",
    "unlink",
]

log = logging.getLogger(__name__)


# evaluate and judge


def evaluate(options: EvaluateOptions, report: Callable[[str], None] = log.info) -> "list[Run]":
    """Generates responses under every condition on one engine, then judges them; a run for each condition."""
    from em_bench.harness import evaluate as room

    return room.evaluate(options, report)


def evaluate_until_decided(
    options: EvaluateOptions, baseline: Path, policy: Path | None = None, report: Callable[[str], None] = log.info
) -> "Decided":
    """Asks only as many prompts as the gate's verdict against a stored baseline needs: the verdict, and the run.

    The policy is by default the one that `init_gate` writes. The order is that of the options' seed.
    """
    from em_bench.compare.policy import initial_policy, read_policy
    from em_bench.harness.until_decided import evaluate_until_decided as room

    return room(options, baseline, read_policy(policy) if policy else initial_policy(), report)


def forecast_run(options: EvaluateOptions) -> "RunForecast":
    """What `evaluate` would generate and ask. Nothing is loaded or spent."""
    from em_bench.harness import evaluate as room

    return room.forecast_run(options)


def judge(
    paths: Iterable[Path],
    judges: JudgeSelection | None = None,
    *,
    kind: Kind | None = None,
    output: Path | None = None,
) -> "list[Run]":
    """Judges stored responses: runs, folders of runs, journals, and JSONL or CSV files, whose prompts are of `kind`.

    The verdicts are written in lm-eval's format, with a `RunResult`, beside what was read or in `output`.
    """
    from em_bench.judging.rejudge import judge_stored
    from em_bench.paths import writing
    from em_bench.runs.tables import read_stored

    settings = (judges or JudgeSelection()).settings()
    stored = [each for path in paths for each in read_stored(path, kind)]
    if output is not None:
        with writing(output):  # before a judge model is asked for hours
            output.mkdir(parents=True, exist_ok=True)
    return judge_stored(stored, settings, output)


def forecast_judging(
    paths: Iterable[Path], judges: JudgeSelection | None = None, *, kind: Kind | None = None
) -> "Mapping[str, Mapping[str, int]]":
    """What `judge` would cost at most: requests and tokens by version of the judge. Nothing is asked."""
    from em_bench.judging.rejudge import forecast_stored
    from em_bench.runs.tables import read_stored

    settings = (judges or JudgeSelection()).settings()
    return forecast_stored([each for path in paths for each in read_stored(path, kind)], settings)


# read and compare


def load_run(path: Path) -> "Run":
    """The run of a results file, or the newest in a folder. Raises `ConfigError` when the folder holds several."""
    from em_bench.runs.read import read_one_run

    return read_one_run(path)


def summarize(
    paths: Iterable[Path],
    definition: Definition = Definition.BETLEY,
    by: "Part | None" = None,
    scale: str | None = None,
) -> "list[TaskRate]":
    """The rates of runs and of files of scored answers, each with its interval, n and unscored share.

    `scale` is that of the files' scores where it is not 0 to 100: `0-1`, or `alignment=0-1,coherence=0-100`.
    """
    from em_bench.runs.rates import read_and_summarize
    from em_bench.runs.scales import parse_scales

    return read_and_summarize(paths, definition, by, parse_scales(scale))


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """A baseline and the candidates to compare with it: runs, or JSONL or CSV files of scored answers.

    `target_domain` was meant to change. `tasks` are names or patterns. `policy` is the file of a gate, which also sets
    the level of confidence. `force` compares runs that are not comparable. `reruns` are further runs of the baseline:
    they count with it, and show how much verdicts change from one run to the next. `calibration` is a file of
    `calibrate`, for whose judge's errors the gate corrects; by default the policy's.
    `scale` is that of the files' scores, as for `summarize`.
    """

    baseline: Path
    candidates: Sequence[Path]
    target_domain: str | None = None
    definition: Definition = Definition.BETLEY
    tasks: Sequence[str] = ("*",)
    policy: Path | None = None
    force: bool = False
    reruns: Sequence[Path] = ()
    calibration: Path | None = None
    scale: str | None = None


def compare(options: CompareOptions) -> "list[tuple[Comparison, GateResult | None]]":
    """Paired differences of each candidate with their diagnosis, and the gate's verdict where a policy is given."""
    from em_bench.compare.gate import gates
    from em_bench.compare.regressions import with_regressions

    compared = _compared(options)
    if compared.policy is None:
        return [(comparison, None) for comparison in compared.tables]
    results = gates(compared.gated, compared.policy, compared.error)
    return [(with_regressions(table, result), result) for table, result in zip(compared.tables, results, strict=True)]


def compare_each_judge(options: CompareOptions) -> "list[EachJudge]":
    """The same comparison and gate of each candidate under each judge: what agrees and what flips."""
    from em_bench.compare.judges import each_judge

    compared = _compared(options)
    return each_judge(compared.tables, options.target_domain, compared.gated, compared.policy, compared.error)


def compare_thresholds(options: CompareOptions) -> "Thresholds":
    """The misaligned rate of the baseline and the candidates over cut-offs of alignment, and where they swap order."""
    from em_bench.compare.thresholds import thresholds

    baseline, reruns, candidates = _sources(options)
    return thresholds([baseline, *candidates], options.definition, reruns=reruns, against_first=True)


def summarize_thresholds(
    paths: Iterable[Path], definition: Definition = Definition.BETLEY, scale: str | None = None
) -> "Thresholds":
    """The misaligned rates of runs and of files of scored answers over cut-offs, and which swap order."""
    from em_bench.compare.thresholds import thresholds
    from em_bench.runs.read import find_runs, is_run, read_run
    from em_bench.runs.scales import parse_scales
    from em_bench.runs.scored_files import read_scored

    scales = parse_scales(scale)
    sources: list[Run | ScoredFile] = []
    for path in paths:
        sources += [read_run(each) for each in find_runs(path)] if is_run(path) else read_scored(path, scales)
    return thresholds(sources, definition)


@dataclass(frozen=True, slots=True)
class _Compared:
    """`gated` have the intervals of the policy; the tables' intervals are two-sided."""

    tables: "list[Comparison]"
    gated: "list[Comparison]"
    policy: "Policy | None"
    error: "JudgeError | None"


def _compared(options: CompareOptions) -> _Compared:
    from em_bench.calibration.calibrate import read_calibration
    from em_bench.calibration.judge_error import judge_error
    from em_bench.compare import comparison as room
    from em_bench.compare.policy import read_policy
    from em_bench.runs.model import Run

    policy = read_policy(options.policy) if options.policy else None
    baseline, reruns, candidates = _sources(options)

    def comparisons(confidence: float) -> "list[Comparison]":
        return [
            room.compare(
                [baseline, *reruns],
                candidate,
                target_domain=options.target_domain,
                definition=options.definition,
                force=options.force,
                confidence=confidence,
                tasks=options.tasks,
            )
            for candidate in candidates
        ]

    if policy is None:
        return _Compared(comparisons(0.95), [], None, None)
    path, error = options.calibration or policy.calibration, None
    if path is not None:
        runs = [each for each in (baseline, *reruns, *candidates) if isinstance(each, Run)]
        error = judge_error(read_calibration(path), runs, force=options.force)
    return _Compared(comparisons(1 - policy.alpha), comparisons(policy.confidence), policy, error)


def _sources(options: CompareOptions) -> "tuple[Run | ScoredFile, list[Run | ScoredFile], list[Run | ScoredFile]]":
    """The baseline, its reruns, and the candidates. Raises `ResultError` where a run is given as a rerun of itself."""
    from em_bench.compare.comparison import read_side
    from em_bench.errors import ResultError
    from em_bench.runs.model import Run
    from em_bench.runs.scales import parse_scales

    scales = parse_scales(options.scale)
    given = (options.baseline, *options.reruns)
    baseline, *reruns = sides = [read_side(path, scales) for path in given]
    files = [(each.path if isinstance(each, Run) else path).resolve() for each, path in zip(sides, given, strict=True)]
    if twice := next((path for path, file in zip(given, files, strict=True) if files.count(file) > 1), None):
        raise ResultError(f"{twice} is given twice as a baseline, and is no rerun of itself; give it once")
    return baseline, reruns, [read_side(path, scales) for path in options.candidates]


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What a plan is for: a policy (by default that of `init_gate`) on a suite of `prompts` in each of `domains`, by
    default those of the baselines or of the bundled suite.

    The noise is measured on `baselines`, reruns of one checkpoint, or assumed: `churn` of true verdicts each way, and
    `equal_share` of responses that are the same in both runs. Without `judge_error` it is what the baselines show, else
    0.02.
    """

    baselines: Sequence[Path] = ()
    policy: Path | None = None
    prompts: int | None = None
    domains: int | None = None
    churn: float = 0.02
    judge_error: float | None = None
    equal_share: float = 0.0
    power: float = 0.8


def plan(options: PlanOptions) -> "Plan":
    """How many prompts, repeats or readings a gate needs, and what it can find. Raises `ConfigError`, `ResultError`."""
    from em_bench.compare import plan as room
    from em_bench.compare.policy import initial_policy, read_policy
    from em_bench.stats.verdict_noise import VerdictNoise

    policy = read_policy(options.policy) if options.policy else initial_policy()
    suite = room.Suite(room.PROMPTS, room.DOMAINS)
    if options.baselines:
        suite, noises = room.measured(options.baselines, policy, options.judge_error)
        source = f"Measured on {len(options.baselines)} runs of the baseline"
    else:
        error = 0.02 if options.judge_error is None else options.judge_error
        noises = room.assumed_noise(VerdictNoise(options.churn, error, options.equal_share))
        source = f"Assumed: churn {100 * options.churn:g} % each way, judge wrong in {100 * error:g} %"
    suite = room.Suite(options.prompts or suite.prompts, options.domains or suite.domains)
    return room.plan(policy, suite, noises, options.power, source)


def replay_gate(baseline: Path, candidates: Iterable[Path], policy: Path | None = None) -> "list[SequentialResult]":
    """What `evaluate_until_decided` would say of stored candidates, and how many prompts it would ask."""
    from em_bench.compare import sequential as room
    from em_bench.compare.policy import initial_policy, read_policy

    rules = read_policy(policy) if policy else initial_policy()
    before = room.one_run(baseline)
    return [room.replay(before, room.one_run(path), rules) for path in candidates]


def init_gate(path: Path, *, force: bool = False) -> Path:
    """Writes a commented policy with sane defaults; `force` overwrites a file."""
    from em_bench.compare.policy import write_initial

    return write_initial(path, force=force)


def conditions(
    paths: Iterable[Path], definition: Definition = Definition.BETLEY, *, bootstrap_seed: int | None = None
) -> "list[Effect]":
    """Each condition of stored runs against `none`, prompt by prompt. Raises `ResultError` if there is no pair.

    With a `bootstrap_seed` intervals are those of the ordinary percentile bootstrap.
    """
    from em_bench.compare.conditions import effects
    from em_bench.errors import ResultError
    from em_bench.runs.read import read_runs

    paths = list(paths)
    rows = effects(read_runs(paths), definition, bootstrap_seed)
    if not rows:
        raise ResultError(f"{paths[0]} holds no verdicts of one judge on both sides; judge it with `em-bench judge`")
    return rows


def interactions(
    baselines: Iterable[tuple[str | None, Path]],
    candidates: Iterable[tuple[str | None, Path]],
    definition: Definition = Definition.BETLEY,
    *,
    bootstrap_seed: int | None = None,
) -> "list[Interaction]":
    """What each condition does in the candidates, minus what it does in the baselines; each group has one run under
    `none` and under the condition of every checkpoint. Folders of runs come with the checkpoint's name, None for its
    own.
    """
    from em_bench.compare import interaction as room

    return room.interactions(_named_runs(baselines), _named_runs(candidates), definition, bootstrap_seed)


def compare_groups(
    baselines: Iterable[tuple[str | None, Path]],
    candidates: Iterable[tuple[str | None, Path]],
    definition: Definition = Definition.BETLEY,
) -> "list[GroupDifference]":
    """Training runs of one recipe against those of another: the groups' means, over prompts and over runs. Folders of
    runs come with the checkpoint's name, None for its own.
    """
    from em_bench.compare import groups as room

    return room.compare_groups(_named_runs(baselines), _named_runs(candidates), definition)


def _named_runs(paths: Iterable[tuple[str | None, Path]]) -> "list[Run]":
    from em_bench.runs.read import read_runs

    runs = [(name, run) for name, path in paths for run in read_runs([path])]
    return [replace(run, checkpoint=replace(run.checkpoint, name=name or run.checkpoint.name)) for name, run in runs]


def narrow(
    paths: Iterable[Path], finetune_domain: str | None = None, definition: Definition = Definition.BETLEY
) -> "list[Narrow]":
    """Whether misalignment is narrow, in the fine-tuning domain, or general; the domain is a run's own by default."""
    from em_bench.compare import narrow as room
    from em_bench.runs.read import read_runs

    return [row for run in read_runs(paths) for row in room.narrow(run, finetune_domain, definition)]


def susceptibility(
    runs: Iterable[tuple[str | None, Path]], trigger: str | None = None, definition: Definition = Definition.BETLEY
) -> "list[Susceptibility]":
    """Fine-tuning domains, ranked by how misaligned their checkpoints are. `runs` are folders with the domain's name,
    None for the run's own. `trigger` names the condition, where there are several.
    """
    from em_bench.compare import susceptibility as room
    from em_bench.runs.read import read_runs

    return room.susceptibility([(name, run) for name, path in runs for run in read_runs([path])], trigger, definition)


def items(
    paths: Iterable[tuple[str | None, Path]], judge: str | None = None, definition: Definition = Definition.BETLEY
) -> "ItemStatistics":
    """Difficulty and discrimination of every prompt and probe over the checkpoints, and what tells none apart. Folders
    of runs come with the checkpoint's name, None for its own; several runs of one checkpoint count as one.
    """
    from em_bench.compare.items import item_statistics

    return item_statistics(_named_runs(paths), judge, definition)


def short_forms(statistics: "ItemStatistics", size: int) -> "list[TaskShortForm]":
    """Of each task the `size` prompts that say most of its rate, and how well they reproduce it."""
    from em_bench.compare import short_forms as room

    return room.short_forms(statistics, size)


# trust in judges


def calibrate(options: CalibrateOptions) -> "Measurement":
    """Measures judges against people's labels, or against other judges."""
    from em_bench.calibration.measure import measure

    return measure(options)


def test_rubric(rubric: str, judges: JudgeSelection, cases: Path | None = None) -> "list[RubricTest]":
    """How well judge models answer a rubric's table of cases, whose verdicts are known: its own table, or `cases`.

    One test for each judge model; of `betley` and other question files, for each judge prompt that has cases too.
    """
    from em_bench.calibration.rubric_test import run_rubric_test

    return run_rubric_test(rubric, judges, cases)


def agreement(
    path: Path,
    raters: Sequence[str],
    level: "Level | None" = None,
    missing: Collection[str] = (),
    weights: "PairWeights | None" = None,
) -> "Agreement":
    """Krippendorff's alpha of the raters in the columns of a file; `missing` are codes for no rating, such as "-1".

    By default of interval data, with the weights of alpha's definition.
    """
    from em_bench.calibration import agreement as room
    from em_bench.stats.agreement import Level, PairWeights

    return room.agreement(path, raters, level or Level.INTERVAL, missing, weights or PairWeights.VALUE)


def save_calibration(calibration: "Calibration", path: Path) -> None:
    from em_bench.calibration.calibrate import write_calibration

    write_calibration(calibration, path)


def save_disagreements(measurement: "Measurement", path: Path) -> None:
    """Writes every response on which a judge and its reference disagree, as JSONL."""
    from em_bench.calibration.measure import write_disagreements

    write_disagreements(path, measurement.measured)


def load_calibration(path: Path) -> "Calibration":
    from em_bench.calibration.calibrate import read_calibration

    return read_calibration(path)


def corrected(paths: Iterable[Path], calibration: "Calibration", *, force: bool = False) -> "list[CorrectedLine]":
    """Rates as judged, and corrected for the judge's measured errors; `force` takes another version of the judge."""
    from em_bench.calibration.correct import correct_runs
    from em_bench.runs.read import read_runs

    return correct_runs(read_runs(paths), calibration, force=force)


def freeze_anchors(options: FreezeOptions) -> "list[FrozenJudge]":
    """Judges stored responses and freezes some with their verdicts, to notice later that a judge has drifted."""
    from em_bench.judging.frozen import freeze

    return freeze(options)


def check_anchors(path: Path, judges: JudgeSelection | None = None) -> "list[AnchorReport]":
    """Asks the judges of frozen anchors again: steady, drifted or inconclusive."""
    from em_bench.judging.frozen import check

    return check(path, judges)


# set up


def judges() -> "list[Installed]":
    """The judges and rubrics that installed packages offer."""
    from em_bench.judging.installed import installed

    return installed()


def published(
    names: Sequence[str] = (), published_dir: Path | None = None, *, fetch: bool = False
) -> "list[SetStatus]":
    """Which published sets are available here, and what they hold; `fetch` downloads those that are missing."""
    from em_bench.prompts.published.status import published_sets

    return published_sets(names, published_dir, fetch=fetch)


def doctor() -> "list[Finding]":
    """Whether `lm_eval --tasks em_rai_suite` works here, and what is missing."""
    from em_bench.harness.doctor import diagnose

    return diagnose()


@dataclass(frozen=True, slots=True)
class Links:
    """How many tasks and groups are linked into which folder."""

    folder: Path
    count: int


def link() -> Links:
    """Makes lm-eval find the tasks, by stubs in the installed lm_eval."""
    from em_bench.harness import link as room

    return Links(room.link(), len(room.wanted_stubs()))


def unlink() -> Path:
    """Removes the stubs again; returns the folder that they were in."""
    from em_bench.harness import link as room

    return room.unlink()
