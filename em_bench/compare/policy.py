"""Reads a gate's policy, and writes one to begin with."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path

import yaml

from em_bench.compare.policy_file import GATED, INITIAL, DomainLimits, Limits, MetricRule, PolicyFile
from em_bench.errors import ConfigError
from em_bench.judge import installed_judges
from em_bench.metrics.probe_sets import set_of
from em_bench.metrics.registry import Kind, Metric
from em_bench.readers import YamlTree, read_yaml
from em_bench.readers.model import nearest, validate
from em_bench.runs.scored_files import ALL_QUESTIONS
from em_bench.text import shown

BUILT_IN_RUBRICS = ("refusal", "alignment", "coherence", "harmfulness", "topic", "care")


class PassSide(StrEnum):
    """On which side of a change a pass spends its alpha."""

    ONE = "one-sided"
    TWO = "two-sided"


@dataclass(frozen=True, slots=True)
class Rule:
    """The checks of one metric. `domains` are exceptions; None in it skips the domain. `probes`: the sets of probes
    that are checked; None for all.
    """

    metric: str
    higher_is_better: bool
    kinds: tuple[Kind, ...]
    limits: Limits
    required: bool = True
    per_domain: Limits | None = None
    domains: Mapping[str, Limits | None] = field(default_factory=dict)
    probes: tuple[str, ...] | None = None

    def is_on(self, kind: Kind, task: str) -> bool:
        """Whether the rule checks a task: one of probes only if it names no set, or the task's.

        A file of scored answers is checked whatever sets are named, as it does not say of which it is.
        """
        if kind is not Kind.PROBE or self.probes is None:
            return kind in self.kinds
        return kind in self.kinds and (set_of(task) in self.probes or task == ALL_QUESTIONS)


@dataclass(frozen=True, slots=True)
class Policy:
    """`where` is what messages call the file."""

    alpha: float
    judges: tuple[str, ...]
    rules: tuple[Rule, ...]
    where: str = field(default="policy", compare=False)
    side: PassSide = PassSide.ONE
    calibration: Path | None = None

    @property
    def pass_level(self) -> float:
        """How often a check may pass at its margin: alpha, or half of it for a two-sided policy."""
        return self.alpha if self.side is PassSide.ONE else self.alpha / 2

    @property
    def confidence(self) -> float:
        """Of the two-sided interval whose worse end decides a pass."""
        return 1 - 2 * self.pass_level


def read_policy(path: Path) -> Policy:
    """The policy in a file. Raises `ConfigError` (file, line, key, what is wrong)."""
    policy = _policy(read_yaml(path, "policy", hint=f"write one with: em-bench gate init {path}"))
    return policy if policy.calibration is None else replace(policy, calibration=path.parent / policy.calibration)


def initial_policy() -> Policy:
    """The policy that `em-bench gate init` writes."""
    return parse_policy(yaml.safe_load(INITIAL), "the policy of em-bench gate init")


def parse_policy(values: object, where: str) -> Policy:
    """The policy that these values are. Raises `ConfigError` naming `where`."""
    return _policy(YamlTree(where, values))


def _policy(tree: YamlTree) -> Policy:
    file = validate(PolicyFile, tree)
    rules = tuple(_rule(metric, rule, tree) for metric, rule in file.metrics.items())
    calibration = Path(file.calibration) if file.calibration else None
    return Policy(file.alpha, tuple(file.judges), rules, tree.where, PassSide(file.side), calibration)


def _rule(name: str, rule: MetricRule, tree: YamlTree) -> Rule:
    metric = GATED[name]
    base = rule.per_domain or Limits()
    domains = {domain: _exception(base, own) for domain, own in rule.domains.items()}
    _check_limits(metric, rule, (), tree)
    if rule.per_domain is not None:
        _check_limits(metric, rule.per_domain, ("per_domain",), tree)
    for domain, own in domains.items():
        if own is not None:
            _check_limits(metric, own, ("domains", domain), tree)
    if rule.probes is not None and Kind.PROBE not in metric.kinds:
        steps = ("metrics", metric.name, "probes")
        raise tree.error(f"`{'.'.join(steps)}` names sets of probes, and {metric.name} is of none; take it out", steps)
    limits = Limits(**rule.model_dump(include=set(Limits.model_fields), exclude_none=True))
    direction = _direction(metric, rule.direction, tree)
    kinds = metric.directed_kinds or metric.kinds
    probes = None if rule.probes is None else tuple(rule.probes)
    return Rule(name, direction, kinds, limits, rule.required, rule.per_domain, domains, probes)


def _exception(base: Limits, own: DomainLimits) -> Limits | None:
    given = {name: getattr(own, name) for name in own.model_fields_set - {"skip"}}
    return None if own.skip else base.model_copy(update=given)


def _check_limits(metric: Metric, limits: Limits, steps: tuple[str, ...], tree: YamlTree) -> None:
    steps = ("metrics", metric.name, *steps)
    bounds = {name: getattr(limits, name) for name in ("margin", "floor", "ceiling")}
    if all(bound is None for bound in bounds.values()):
        raise tree.error(f"`{'.'.join(steps)}` has no `margin`, `floor` or `ceiling`, so it checks nothing", steps)
    for name, bound in bounds.items():
        # a margin of 5 on a share, meant in points, would pass everything
        if bound is not None and bound > metric.highest:
            key = ".".join((*steps, name))
            raise tree.error(f"`{key}` is {bound:g}; give a number from 0 to {metric.highest:g}", (*steps, name))


def _direction(metric: Metric, stated: str | None, tree: YamlTree) -> bool:
    """Whether higher is better: known for metrics of ours, stated in the policy for those of a user's rubric."""
    known = {metric.higher_is_better[kind] for kind in metric.directed_kinds}
    key, steps = f"`metrics.{metric.name}.direction`", ("metrics", metric.name, "direction")
    if not known and stated is None:
        raise tree.error(f"{key} is missing; add higher or lower, whichever is better", steps)
    if known and stated is not None and {stated == "higher"} != known:
        better = "higher" if True in known else "lower"
        raise tree.error(f"{key} is {stated}, but {better} {metric.name} is better; take the line out", steps)
    return True in known if known else stated == "higher"


def refuse_unknown_judges(policy: Policy, judges: Collection[str]) -> None:
    """Raises `ConfigError` when the policy names a judge that is none of the runs' `judges` and not installed."""
    rubrics = (point.name for point in entry_points(group="em_bench.rubrics"))
    known = list(dict.fromkeys([*judges, *installed_judges(), *rubrics, *BUILT_IN_RUBRICS]))
    for name in policy.judges:
        if name not in known:
            hint = nearest(name, known)
            raise ConfigError(f"{policy.where}: `judges` names {shown(name, 80)}, which is no judge here; {hint}")


def write_initial(path: Path, *, force: bool = False) -> Path:
    """Writes a commented policy. Raises `ConfigError` rather than overwrite a file."""
    if path.exists() and not force:
        raise ConfigError(f"{path} exists; give another name, or --force to overwrite it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(INITIAL, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error
    return path
