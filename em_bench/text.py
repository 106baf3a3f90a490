"""Foreign text made safe to show: one home for every cleaner."""


def shown(text: str, limit: int = 200) -> str:
    """Somebody's text as one line that is safe on a terminal: no escape sequences, no turned direction, short."""
    line = " ".join(text[: 10 * limit].split())
    safe = "".join(mark if mark.isprintable() else "\ufffd" for mark in line)
    return safe if len(safe) <= limit else f"{safe[:limit]} ..."
