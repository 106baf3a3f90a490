"""What tables call a metric, which direction they say is better, and in which order metrics come."""

from em_bench.metrics.registry import METRICS, Kind, MetricKey, Unit, higher_is_better

DIRECTIONS = {True: "higher is better", False: "lower is better", None: ""}


def direction(kind: Kind, name: str) -> str:
    """Empty where a metric only describes."""
    return DIRECTIONS[higher_is_better(kind, name)]


def heading(kind: Kind, key: MetricKey) -> str:
    """`Refusal of harmful prompts (higher is better)`: stands over a table of rates."""
    ends = f", {_scale(key.name)}" if _scale(key.name) else ""
    better = f" ({direction(kind, key.name)})" if direction(kind, key.name) else ""
    return f"{subject(kind, key.name)}{ends}{better}{key.suffix}"


def subject(kind: Kind, name: str) -> str:
    """`Refusal of harmful prompts`: what a metric measures, of what."""
    return METRICS[name].heading.format(prompts=kind.prompts)


def judge_name(judge: str, rubric: str = "") -> str:
    """`judge llm`, or `judge llm, em-bench rubric` where a rate must not be read as one by another rubric."""
    return f"judge {judge}, {rubric}" if rubric else f"judge {judge}"


def title(name: str) -> str:
    """`Refusal`, `Harm score (0 to 1)`."""
    ends = f" ({_scale(name)})" if _scale(name) else ""
    return f"{METRICS[name].title}{ends}"


def reading_order(kind: Kind, name: str) -> tuple[int, int, int]:
    """What is measured of probes alone comes first, what is measured of every kind of task last."""
    metric, place = METRICS[name], list(METRICS).index(name)
    by_kind = list(Kind).index(kind)
    if metric.kinds == (Kind.PROBE,):
        return 0, place, by_kind
    return (2, place, by_kind) if len(metric.kinds) == len(Kind) else (1, by_kind, place)


def _scale(name: str) -> str:
    """`0 to 100` of scores; a share needs none."""
    metric = METRICS[name]
    return f"{metric.scale[0]:g} to {metric.scale[1]:g}" if metric.unit is Unit.SCORE and metric.scale else ""
