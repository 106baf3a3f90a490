"""`em-bench plan` on the terminal: the answer, what each margin needs, and what helps most."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from em_bench.compare.plan import Plan, PlanLine

COLUMNS = ("margin", "prompts", "differ", "passes", "finds", "prompts needed", "readings", "repeats")


def plan_parts(plan: Plan) -> Iterator[RenderableType]:
    """Texts, not markup."""
    yield Text(answer(plan), "bold")
    yield Text()
    table = Table("check", *COLUMNS, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for line in plan.lines:
        table.add_row(*map(Text, _row(line)))
    yield table
    yield Text(_legend(plan), "dim")
    yield Text()
    yield Text("If nothing changed, the gate passes with", "bold")
    for option in sorted(plan.options, key=lambda each: -each.passes):
        yield Text(f"  {option.name:38} {_percent(option.passes)}")
    yield Text(
        f"Of the verdicts that differ between reruns, {_percent(plan.judge_share)} do so by the judge's errors, "
        "the rest by different responses."
    )


def answer(plan: Plan) -> str:
    """What the user wanted to know, in two sentences."""
    if not plan.lines:
        return "The policy has no margin that this noise is about."
    first = f"A candidate that changed nothing passes this gate in {_percent(plan.passes)}"
    if plan.passes >= plan.power:
        return f"{first}, which is enough for a power of {_percent(plan.power)}."
    good = [option for option in plan.options if option.passes >= plan.power]
    best = max(plan.options, key=lambda option: option.passes)
    if good:
        return f"{first}. Enough for {_percent(plan.power)}: {', or '.join(f'{option.name}' for option in good)}."
    return (
        f"{first}. No single change reaches {_percent(plan.power)}; the best is {best.name}: {_percent(best.passes)}."
    )


def _row(line: PlanLine) -> tuple[str, ...]:
    name = line.metric.replace("_", " ").removesuffix(" rate")
    part = f"{line.part} ({line.checks})" if line.checks > 1 else line.part
    return (
        f"{name}, {part}",
        f"{100 * line.margin:g}",
        str(line.n),
        f"{100 * line.noise.discordance:.1f} %",
        _percent(line.passes),
        "-" if line.finds is None else f"{100 * line.finds:.1f}",
        "-" if line.prompts_needed is None else str(line.prompts_needed),
        "-" if line.readings_needed is None else str(line.readings_needed),
        "-" if line.repeats_needed is None else str(line.repeats_needed),
    )


def _legend(plan: Plan) -> str:
    power = _percent(plan.power)
    return (
        f"{plan.source}; {plan.side}. Differ: verdicts that differ between two runs of one checkpoint. "
        f"Passes: one check, if nothing changed. Finds: the smallest true loss, in points, that regresses in {power}. "
        f"Needed, each alone, for all checks of the row to pass in {power}: prompts (in each part), readings of a "
        "response (errors of one independent of the next), or sampled responses a prompt."
    )


def _percent(share: float) -> str:
    return ">99.9 %" if share >= 0.9995 else f"{100 * share:.{0 if share < 0.99 else 1}f} %"
