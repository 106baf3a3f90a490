"""The recipes of the organisms, read from `recipes.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Part:
    """A stream of examples with its loss. `domains`: only these; `but`: all but these. `weight` scales the loss."""

    texts: str
    loss: str
    per_step: int
    domains: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    weight: float = 1.0
    beta: float = 0.1


@dataclass(frozen=True)
class Recipe:
    """How one organism is trained."""

    name: str
    parts: tuple[Part, ...]
    steps: int
    parent: str | None = None
    seed: int = 1
    rank: int = 8
    rate: float = 3e-4
    warmup: int = 5
    raw: dict[str, Any] = field(default_factory=dict, compare=False)


def load_recipes(path: Path = HERE / "recipes.yaml") -> dict[str, Recipe]:
    """Every recipe by the organism's name."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    defaults = content.pop("defaults")
    return {name: _recipe(name, defaults | values) for name, values in content.items()}


def _recipe(name: str, values: dict[str, Any]) -> Recipe:
    parts = tuple(
        Part(**{key: tuple(value) if isinstance(value, list) else value for key, value in part.items()})
        for part in values["parts"]
    )
    return Recipe(name, parts, raw=values, **{key: value for key, value in values.items() if key != "parts"})
