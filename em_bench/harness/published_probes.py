"""Published probes in the default suite: added where their files are, and never downloaded unasked."""

from em_bench.config import Settings
from em_bench.prompts.published.catalogue import catalogue
from em_bench.prompts.published.locate import is_here

TASKS = {"first_plot": "em_published_first_plot", "preregistered": "em_published_preregistered"}
"""The sets that stand beside `em_probes`, with their tasks."""
REPEATS = 10
"""Responses to each question, as of `em_probes`; the files say 100."""


def published_probes(settings: Settings) -> tuple[tuple[str, ...], str]:
    """The tasks whose files are here, and the line that says so and how to get the others.

    Raises `ConfigError` for a `published_dir` that cannot be used.
    """
    here = {name: is_here(catalogue()[name], settings.published_dir, settings.cache_dir) for name in TASKS}
    added = tuple(TASKS[name] for name in TASKS if here[name])
    missing = [name for name in TASKS if not here[name]]
    parts = []
    if added:
        count = settings.repeats or REPEATS
        parts.append(
            f"added {' and '.join(added)}, {count} responses to each question (--tasks em_rai_suite omits them)"
        )
    if missing:
        parts.append(f"not here: {', '.join(missing)}; `em-bench published {' '.join(missing)} --fetch` downloads them")
    return added, f"published probes: {'; '.join(parts)}"
