"""MkDocs hooks: the command reference, made from the commands' own help, and links to files outside `docs/`."""

import posixpath
import re
import subprocess
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = "reference/commands.md"
LINK = re.compile(r"\]\((?!https?:|#|/)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page that typer writes about every command."""
    command = [sys.executable, "-m", "typer", "em_bench.cli", "utils", "docs", "--name", "em-bench"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PluginError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    page = done.stdout.replace("# `em-bench`", "# Commands", 1)
    files.append(File.generated(config, COMMANDS, content=page))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Points links that leave `docs/` at the repository; a link to a file that does not exist fails the build."""

    def target(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), match[1]))
        if path.startswith("docs/"):
            return match[0]
        if not (ROOT / path).exists():
            raise PluginError(f"{page.file.src_uri} links to {match[1]}, which does not exist")
        return f"]({config.repo_url}/{'tree' if (ROOT / path).is_dir() else 'blob'}/main/{path}"

    return LINK.sub(target, markdown)
