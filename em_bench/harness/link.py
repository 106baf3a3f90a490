"""Makes `lm_eval --tasks em_rai_suite` work: lm-eval 0.4.13 finds tasks only in its own folder and in `--include_path`.

Linking writes one-line `include:` stubs into the folder of the installed lm_eval's tasks. Nothing of lm_eval is
changed, an editable lm-eval works too, and doing it again brings the stubs up to date.
"""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

from em_bench.errors import PrerequisiteError
from em_bench.paths import tasks_path

FOLDER = "em_bench"
MARK = "# written by `em-bench link`; `em-bench link --remove` removes it\n"
NO_LM_EVAL = "lm_eval is not installed; install em-bench with an engine: pip install 'em-bench[vllm]' or 'em-bench[hf]'"


def lm_eval_tasks_folder() -> Path:
    """The folder that the installed lm_eval searches. Raises `PrerequisiteError` when there is none."""
    spec = find_spec("lm_eval")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "tasks").is_dir():
            return Path(place) / "tasks"
    raise PrerequisiteError(NO_LM_EVAL)


def link_folder() -> Path:
    return lm_eval_tasks_folder() / FOLDER


def wanted_stubs() -> dict[str, str]:
    """File name to text, one stub for each task and group. Files that start with `_` are no tasks."""
    tasks = (path for path in tasks_path().rglob("*.yaml") if not path.name.startswith("_"))
    # a JSON text is a YAML text, whatever characters the path has
    return {path.name: f"{MARK}include: {json.dumps(path.resolve().as_posix())}\n" for path in sorted(tasks)}


def present_stubs() -> dict[str, str]:
    """The stubs that linking wrote; other files in the folder are ignored."""
    files = {path.name: path.read_text(encoding="utf-8", errors="replace") for path in link_folder().glob("*.yaml")}
    return {name: text for name, text in files.items() if text.startswith(MARK)}


def is_linked() -> bool:
    """Whether the stubs exist and point to the tasks of this em-bench."""
    return present_stubs() == wanted_stubs()


def link() -> Path:
    """Writes the stubs, replacing older ones, and returns their folder. Raises `PrerequisiteError` on failure."""
    folder, wanted = link_folder(), wanted_stubs()
    try:
        present = present_stubs()
        if strange := [name for name in wanted if (folder / name).exists() and name not in present]:
            raise PrerequisiteError(
                f"{folder / strange[0]} was not written by em-bench and would be overwritten; move it away"
            )
        folder.mkdir(exist_ok=True)
        # written first and then cleared, so that an lm_eval that starts meanwhile finds every task
        for name, text in wanted.items():
            (folder / name).write_text(text, encoding="utf-8")
        for name in present.keys() - wanted.keys():
            (folder / name).unlink()
    except OSError as error:
        raise PrerequisiteError(
            f"cannot write {folder} ({error.strerror or error}); make it writable, or give lm_eval "
            f"--include_path {tasks_path()}"
        ) from error
    return folder


def unlink() -> Path:
    """Removes the stubs; what linking did not write stays. Returns the folder."""
    folder = link_folder()
    try:
        for name in present_stubs():
            (folder / name).unlink()
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise PrerequisiteError(f"cannot clear {folder} ({error.strerror or error}); make it writable") from error
    return folder
