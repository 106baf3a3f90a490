"""Distributions that are installed for a test: a folder on the path with the metadata that an installer writes."""

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path


def write_metadata(site: Path, name: str, groups: Mapping[str, Mapping[str, str]], version: str = "1.0") -> None:
    """`groups` are the entry points: group to name to `module:attribute`."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    sections = (
        f"[{group}]\n" + "".join(f"{point} = {value}\n" for point, value in points.items())
        for group, points in groups.items()
    )
    (info / "entry_points.txt").write_text("".join(sections))


def install_folder(folder: Path, site: Path, monkeypatch) -> None:
    """Installs the package in `folder` as its pyproject.toml declares it; its modules are imported afresh."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    write_metadata(site, project["name"], project["entry-points"], project["version"])
    monkeypatch.syspath_prepend(site)
    monkeypatch.syspath_prepend(folder)
    for module in folder.glob("*.py"):
        monkeypatch.delitem(sys.modules, module.stem, raising=False)
