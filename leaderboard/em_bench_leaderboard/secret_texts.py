"""What must not be published: credentials, and paths that name a person or a machine."""

import re
from collections.abc import Iterator
from typing import Any

TOKENS = {
    "an API key": r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{16,}",
    "an AWS key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}",
    "a Google key": r"\bAIza[0-9A-Za-z_-]{30,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a bearer token": r"\bBearer\s+[A-Za-z0-9._~+/-]{8,}",
    "a password in an address": r"://[^/\s:@]+:[^/\s@]+@",
}
# In what a model said these are ordinary words; in a record of how it was run they are not.
SETTINGS = {
    "a key or a password": (
        r"(?i)\b(?!think_end_token\b)[\w-]*(?:key|token|secret|passw(?:or)?d|authorization)\s*[=:]\s*[^\s,;]"
    ),
    "a path in a home folder": r"(?:/home/|/Users/|/root/|(?i:[a-z]:\\users\\))",
}
_TOKEN = re.compile("|".join(TOKENS.values()))
REMOVED = "[removed: looked like a secret]"


def find_secret(value: Any, where: str = "") -> tuple[str, str] | None:
    """The first text in JSON that looks like a secret: (where, what), or None. The text itself is not returned."""
    for place, text in _texts(value, where):
        for what, pattern in (TOKENS | SETTINGS).items():
            if re.search(pattern, text):
                return place, what
    return None


def without_tokens(text: str) -> str:
    """A model's text with whatever has a credential's form taken out."""
    return _TOKEN.sub(REMOVED, text)


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield where, str(key)
            yield from _texts(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{where}[{number}]")
