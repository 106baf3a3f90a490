"""Where the task YAMLs and prompts lie, inside the package in a wheel, beside it in a checkout; and writing files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from em_bench.errors import ConfigError

PACKAGE = Path(__file__).resolve().parent


def tasks_path() -> Path:
    """The folder to give to lm-eval as `--include_path`."""
    packaged = PACKAGE / "lm_eval_tasks"
    return packaged if packaged.is_dir() else PACKAGE.parent / "lm_eval_tasks"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Converts an `OSError` while writing `path` to `ConfigError`."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
