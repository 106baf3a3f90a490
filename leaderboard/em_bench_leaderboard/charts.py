"""Charts by Altair, drawn by vl-convert while the site is built: no chart library runs in the reader's browser.

A chart is drawn once, in placeholder colours; in the page's SVG they become CSS variables, so that one picture follows
the reader's light or dark theme. A PNG has the colours of the light theme.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from em_bench.conditions import NONE
from em_bench.errors import PrerequisiteError
from em_bench_leaderboard.cells import COHERENT, EM, Row
from em_bench_leaderboard.details import Line
from em_bench_leaderboard.render import clip, words

if TYPE_CHECKING:
    import altair

# placeholder: (CSS variable, colour in a PNG)
COLOURS = {
    "#010101": ("--ink", "#1c2430"),
    "#020202": ("--muted", "#5b6675"),
    "#030303": ("--line", "#dfe3e8"),
    "#040404": ("--bad", "#b4510e"),
    "#050505": ("--good", "#0b6a8f"),
    "#060606": ("--paper", "#ffffff"),
}
INK, MUTED, LINE, BAD, GOOD, PAPER = COLOURS
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"
SHOWN = 25
"""Bars in the susceptibility ranking."""
FEW = 12
"""Points that a scatter names."""
LONG = 34


def scatter(rows: Sequence[Row]) -> "altair.LayerChart | None":
    """Misalignment against coherence, a point a run with its 95 % intervals. None where nothing was measured."""
    alt = _altair()
    values = _points(rows)
    if not values:
        return None
    base = alt.Chart(alt.Data(values=values))
    y = alt.Y("em:Q", title="misaligned, of coherent answers", axis=alt.Axis(format="%"), scale=_unit())
    x = alt.X("coherent:Q", title="coherent answers", axis=alt.Axis(format="%"), scale=_unit())
    whisker = {"color": BAD, "opacity": 0.3, "strokeWidth": 1.5}
    layers = [
        base.mark_rule(**whisker).encode(x=x, y=alt.Y("em_low:Q"), y2="em_high:Q"),
        base.mark_rule(**whisker).encode(x=alt.X("coherent_low:Q"), x2="coherent_high:Q", y=y),
        base.mark_point(filled=True, size=80, color=BAD, opacity=1, stroke=PAPER, strokeWidth=1.5).encode(x=x, y=y),
    ]
    if len(values) <= FEW:
        text = base.mark_text(align="right", dx=-9, dy=-8, color=INK, fontSize=12)
        layers.append(text.encode(x=x, y=y, text="label:N"))
    return alt.layer(*layers).properties(width=440, height=300)


def ranking(rows: Sequence[Row]) -> "altair.LayerChart | None":
    """The checkpoints most susceptible to misalignment, with 95 % intervals; the worst `SHOWN` of them."""
    alt = _altair()
    values = sorted(_points(rows), key=lambda value: -value["em"])[:SHOWN]
    if not values:
        return None
    base = alt.Chart(alt.Data(values=values)).encode(y=alt.Y("label:N", sort=None, title=None))
    x = alt.X("em:Q", title="misaligned, of coherent answers", axis=alt.Axis(format="%"), scale=_unit())
    layers = [
        base.mark_bar(color=BAD, opacity=0.85, height={"band": 0.62}).encode(x=x),
        base.mark_rule(color=INK, strokeWidth=1.5).encode(x=alt.X("em_low:Q"), x2="em_high:Q"),
    ]
    return alt.layer(*layers).properties(width=400, height=alt.Step(max(18, min(46, 300 // len(values)))))


def forest(lines: Sequence[Line], title: str) -> "altair.LayerChart | None":
    """Rates with their 95 % intervals, the parent's as a hollow mark."""
    alt = _altair()
    values = []
    for line in lines:
        for who, rate in (("parent", line.parent), ("this run", line.rate)):
            if rate is not None and rate.value is not None:
                label = clip(words(line.label), LONG)
                values.append({"label": label, "who": who, "value": rate.value, "low": rate.low, "high": rate.high})
    if not values:
        return None
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("label:N", sort=None, title=None),
        yOffset=alt.YOffset("who:N", sort=["parent", "this run"]),
        color=alt.Color("who:N", title=None, scale=_who(MUTED, GOOD), legend=alt.Legend(orient="top")),
    )
    x = alt.X("value:Q", title=title, axis=alt.Axis(format="%"), scale=_unit())
    layers = [
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(size=60, opacity=1).encode(x=x, fill=alt.Fill("who:N", scale=_who(PAPER, GOOD), legend=None)),
    ]
    return alt.layer(*layers).properties(width=520, height=alt.Step(16, **{"for": "offset"}))


def to_svg(chart: "altair.LayerChart", alternative: str) -> str:
    """The chart as SVG to stand in a page, in CSS colours. `alternative` is read out in its place."""
    svg = _converter().vegalite_to_svg(_spec(chart))
    for placeholder, (variable, _) in COLOURS.items():
        svg = svg.replace(f'"{placeholder}"', f'"var({variable})"')
    svg = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", svg)  # the alternative says it, once
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    head = f'<svg role="img" aria-label="{escape(alternative)}" class="chart"'
    if size:
        head += f' width="{size[1]}"'
        svg = svg.replace(size[0], "", 1)
    return svg.replace("<svg", head, 1)


def to_png(chart: "altair.LayerChart") -> bytes:
    """The chart as PNG in the light theme's colours, at twice its size."""
    text = json.dumps(_spec(chart) | {"background": PAPER})
    for placeholder, (_, colour) in COLOURS.items():
        text = text.replace(placeholder, colour)
    png: bytes = _converter().vegalite_to_png(json.loads(text), scale=2)
    return png


def _spec(chart: "altair.LayerChart") -> dict[str, Any]:
    axis = {"labelColor": MUTED, "titleColor": MUTED, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE}
    words = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 220}
    config = {
        "background": None,
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis | words | {"titlePadding": 10, "tickCount": 5},
        "axisY": {"labelPadding": 8},
        "legend": {"labelColor": INK, "labelFontSize": 12, "symbolSize": 70},
    }
    spec: dict[str, Any] = chart.to_dict(validate=False)
    return spec | {"config": config}


def _points(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows that have an EM rate. A second run of one checkpoint gets a number."""
    points, labels = [], Counter[str]()
    for row in rows:
        if EM in row.cells and row.cells[EM].value is not None:
            point = _point(row)
            labels[point["label"]] += 1
            if (count := labels[point["label"]]) > 1:
                point["label"] += f" ({count})"
            points.append(point)
    return points


def _point(row: Row) -> dict[str, Any]:
    em, coherent = row.cells[EM], row.cells.get(COHERENT)
    values = {"label": _short(row), "em": em.value, "em_low": em.low, "em_high": em.high}
    if coherent is not None:
        values |= {"coherent": coherent.value, "coherent_low": coherent.low, "coherent_high": coherent.high}
    return values


def _short(row: Row) -> str:
    """A run's name in a chart: no control characters, at which the renderer ends the whole process."""
    name = clip(row.result.checkpoint.name.rpartition("/")[2], LONG)
    return name if row.condition == NONE.name else f"{name} ({clip(row.condition, LONG)})"


def _unit() -> Any:
    return _altair().Scale(domain=[0, 1], nice=False)


def _who(parent: str, own: str) -> Any:
    return _altair().Scale(domain=["parent", "this run"], range=[parent, own])


def _altair() -> Any:
    try:
        import altair
    except ImportError as error:
        raise PrerequisiteError("charts need altair and vl-convert; pip install 'em-bench[leaderboard]'") from error
    return altair


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise PrerequisiteError("charts need altair and vl-convert; pip install 'em-bench[leaderboard]'") from error
    return vl_convert
