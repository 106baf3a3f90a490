"""The one cleaner of foreign text: what comes from files, servers and plug-ins is shown only through it.

A name may hold escape sequences, marks that turn the direction of writing, or a command that a CI runner obeys.
"""

import re
import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LONGEST_MESSAGE = 4000
# GitHub and Azure runners obey `##[...]` and `##vso[...]` anywhere in a line; `::...::` only where a line begins
_RUNNER_COMMAND = re.compile(r"##(?=\w*\[)")
_KEPT = "\t\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # the last two join letters of some scripts, and emoji


def shown(text: object, limit: int = 200) -> str:
    """`text` on one line of at most `limit` characters, safe on a terminal and in a CI log."""
    line = " ".join(str(text)[: 10 * limit].split())
    safe = line if line.isprintable() else "".join(mark if mark.isprintable() else REPLACEMENT for mark in line)
    cut = safe if len(safe) <= limit else f"{safe[: limit - 3]}..."
    return _RUNNER_COMMAND.sub("# #", cut)


def error_line(error: BaseException) -> str:
    """`ValueError: message` on one line; the type alone where the error has no message."""
    name, message = type(error).__name__, shown(error, 300)
    return f"{name}: {message}" if message else name


def message_line(error: BaseException) -> str:
    """An error's message on one line, or its type where it has none."""
    return shown(error, 300) or type(error).__name__


def visible(text: object) -> str:
    """`text` with its lines and spaces as they are, for pages that escape it: only unseen characters are replaced."""
    lines = str(text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line if line.isprintable() else "".join(map(_seen, line)) for line in lines)


def _seen(mark: str) -> str:
    return mark if mark.isprintable() or mark in _KEPT or unicodedata.category(mark) == "Zs" else REPLACEMENT
