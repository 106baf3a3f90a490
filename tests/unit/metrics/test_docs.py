"""docs/metrics.md lists every metric as the registry has it."""

from em_bench.metrics.registry import METRICS, Kind, Metric
from places import ROOT

PAGE = ROOT / "docs" / "metrics.md"
HEAD = ("| metric | what it is | of, and which direction is better | scale |", "| --- | --- | --- | --- |")
DIRECTIONS = {True: "higher", False: "lower", None: "only describes"}


def row(metric: Metric) -> str:
    kinds = "; ".join(f"{kind.prompts}: {DIRECTIONS[better]}" for kind, better in metric.higher_is_better.items())
    if metric.kinds == tuple(Kind) and len(set(metric.higher_is_better.values())) == 1:
        kinds = f"all: {DIRECTIONS[metric.higher_is_better[Kind.HARMFUL]]}"
    scale = f"{metric.unit}, {metric.scale[0]:g} to {metric.scale[1]:g}" if metric.scale else "the judge's own"
    name = f"`{metric.name}`" + (f" ({metric.qualified_by})" if metric.qualified_by else "")
    return f"| {name} | {metric.definition} | {kinds} | {scale} |"


def test_the_page_of_metrics_has_the_registrys_table():
    """When it fails: `PYTHONPATH=tests/support python tests/unit/metrics/test_docs.py` prints the table."""
    assert "\n".join(table()) in PAGE.read_text(encoding="utf-8")


def table() -> list[str]:
    return [*HEAD, *map(row, METRICS.values())]


if __name__ == "__main__":
    print("\n".join(table()))
