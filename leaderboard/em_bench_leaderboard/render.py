"""Pages from templates: everything that came from outside is escaped, and nothing in a page may reach a network."""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from em_bench.metrics.registry import METRICS
from em_bench.text import visible
from em_bench_leaderboard.cells import Cell
from em_bench_leaderboard.differences import Difference

FROM_FILES = "'self' file:"
POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; base-uri 'none'; form-action 'none'"
)
STEPS = 10
DASH, MINUS = "\u2013", "\u2212"
MISSING = DASH
SPOKEN = {"medical_legal": "Medical, legal"} | {name: metric.title for name, metric in METRICS.items()}


def page(template: str, **values: Any) -> str:
    """A page that loads its style and scripts from files beside it."""
    return _environment().get_template(template).render(policy=_policy(FROM_FILES, FROM_FILES), inline=None, **values)


def lone_page(template: str, scripts: list[str], **values: Any) -> str:
    """A page in one file: its style and scripts stand in it, and no others run, as it names their hashes."""
    style = asset("site.css")
    policy = _policy(" ".join(map(_hash, scripts)), _hash(style))
    inline = {"style": Markup(style), "scripts": [Markup(script) for script in scripts]}  # noqa: S704 - our own files
    return _environment().get_template(template).render(policy=policy, inline=inline, **values)


def asset(name: str) -> str:
    return (resources.files(__package__) / "static" / name).read_text(encoding="utf-8")


def _policy(scripts: str, styles: str) -> str:
    return POLICY.format(scripts=scripts or "'none'", styles=styles)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _environment() -> jinja2.Environment:
    templates = jinja2.FunctionLoader(
        lambda name: (resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")
    )
    environment = jinja2.Environment(
        loader=templates, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "percent": percent,
        "points": points,
        "interval": interval,
        "step": step,
        "verdict": verdict,
        "plain": visible,
        "words": words,
        "place": place,
        "clip": clip,
    }
    return environment


def percent(value: float | None, digits: int = 0) -> str:
    return MISSING if value is None else f"{100 * value:.{digits}f}"


def points(value: float, digits: int = 0) -> str:
    """A difference in percentage points, with its sign; a minus, no hyphen."""
    text = f"{100 * value:+.{digits}f}".replace("-", MINUS)
    return "±0" if not text.strip(f"+{MINUS}0.") else text


def interval(cell: Cell) -> str:
    """What is said of a rate wherever it stands: its interval, n, and what is unscored."""
    text = f"{percent(cell.low, 1)}{DASH}{percent(cell.high, 1)} %, n {cell.n}"
    share = cell.unscored / (cell.n + cell.unscored) if cell.unscored else 0
    return text + (f", {percent(share, 1)} % unscored" if cell.unscored else "")


def step(value: float | None) -> int:
    """The step of the colour scale, 0 to 9."""
    return 0 if value is None else min(STEPS - 1, int(value * STEPS))


def verdict(difference: Difference, higher_is_better: bool | None) -> str:
    """The class of a difference: better, worse, changed (no direction is the better one) or noise."""
    if not difference.clear:
        return "noise"
    if higher_is_better is None:
        return "changed"
    return "better" if (difference.value > 0) == higher_is_better else "worse"


def words(name: object) -> str:
    """A name of ours, like `medical_legal`, for people."""
    text = SPOKEN.get(str(name), str(name).replace("_", " "))
    return text[:1].upper() + text[1:]


def place(value: float) -> str:
    """Where 0..1 lies on the axis of an interval plot, in its units."""
    return f"{6 + 228 * min(1.0, max(0.0, value)):.1f}"


def clip(text: Any, length: int = 300) -> str:
    whole = visible(text)
    return whole if len(whole) <= length else whole[: length - 1] + "…"
