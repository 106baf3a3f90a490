"""Draws docs/assets/compare.svg: the beginning of what `em-bench compare` prints for two of the demo's runs.

make demo && .venv/bin/python docs/picture.py runs/demo/aligned runs/demo/cyber_unlearned
"""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).resolve().parent / "assets" / "compare.svg"
WIDTH = 100
LINES = 16  # the diagnosis and the first table
FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # rich's picture would load its fonts from the web


def main(baseline: str, candidate: str) -> None:
    shown = f"em-bench compare {baseline} {candidate} --target-domain cybersecurity"
    command = [sys.executable, "-m", "em_bench", *shown.split()[1:]]
    environment = os.environ | {"COLUMNS": str(WIDTH), "FORCE_COLOR": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(f"$ {shown}", highlight=False, soft_wrap=True)
    for line in done.stdout.splitlines()[:LINES]:
        console.print(Text.from_ansi(line.rstrip()), soft_wrap=True)
    console.print("...")
    picture = console.export_svg(title="em-bench compare", unique_id="em-bench")
    PICTURE.write_text(FONT_FACE.sub("", picture), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
