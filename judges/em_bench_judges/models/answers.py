"""Reads the body of a chat completion, whatever the endpoint put there: an answer, or the reason why there is none."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from em_bench.judge_model import Completion, Token
from em_bench.text import shown

LIMIT = 300  # characters of a reason
_TAG = re.compile(r"<(style|script|head)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ServerError:
    """What a server says went wrong. `by_the_api` is False for what is not the API's JSON: a firewall's page."""

    message: str = ""
    code: str = ""
    type: str = ""
    param: str = ""
    by_the_api: bool = True


class ErrorInAnswerError(Exception):
    """An answer with status 200 that holds an error."""

    def __init__(self, server_error: ServerError) -> None:
        super().__init__(server_error.message)
        self.server_error = server_error


def clean(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD, so that it can be encoded."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def read_answer(body: bytes, *, logprobs: bool) -> Completion:
    """The completion in `body`. Raises `ErrorInAnswerError` when it holds an error in place of an answer."""
    try:
        data = _load(body)
    except (ValueError, RecursionError):
        return Completion(error=_reason("malformed JSON in the answer", body[:1000].decode("utf-8", "replace")))
    if not isinstance(data, dict):
        return Completion(error=f"malformed answer: a JSON {type(data).__name__}, not an object")
    if data.get("error") or data.get("object") == "error":
        raise ErrorInAnswerError(_server_error(data))
    usage = _dict(data.get("usage"))
    choice, missing = _choice(data)
    finish = choice.get("finish_reason")
    text, error = ("", missing) if missing else _text(choice)
    return Completion(
        text=text,
        tokens=_tokens(choice, text) if logprobs and not error else None,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        finish_reason=finish if isinstance(finish, str) else None,
        error=error,
    )


def read_error(body: bytes) -> ServerError:
    """What the body of a failed request says."""
    try:
        data = _load(body)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict):
        return _server_error(data)
    return ServerError(_TAG.sub(" ", body.decode("utf-8", "replace")), by_the_api=False)


def _load(body: bytes) -> Any:
    data = json.loads(body.decode("utf-8-sig", "replace"))
    # Only an escape can bring in a lone surrogate, which nothing downstream could store.
    return json.loads(clean(json.dumps(data, ensure_ascii=False))) if b"\\ud" in body.lower() else data


def _server_error(data: dict[str, Any]) -> ServerError:
    error = data.get("error") or data
    if not isinstance(error, dict):
        return ServerError(str(error))
    message = error.get("message") or error.get("detail") or json.dumps(error)
    code, kind, param = (str(error.get(key) or "") for key in ("code", "type", "param"))
    return ServerError(message if isinstance(message, str) else json.dumps(message), code, kind, param)


def _choice(data: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices:
        return {}, "the answer has no choices"
    if not isinstance(choices[0], dict):
        return {}, "malformed answer: its choice is not an object"
    if not isinstance(choices[0].get("message"), dict):
        return choices[0], f"the answer has no message (finish_reason: {choices[0].get('finish_reason')})"
    return choices[0], None


def _text(choice: dict[str, Any]) -> tuple[str, str | None]:
    """The answer's text, or why there is none."""
    message, finish = choice["message"], choice.get("finish_reason")
    if message.get("refusal"):
        return "", _reason("the judge model refused", str(message["refusal"]))
    if finish == "content_filter":
        return "", "stopped by the endpoint's content filter"
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    if not content and finish == "length":
        return "", "max_tokens ran out before the answer began"
    if not isinstance(content, str):
        return "", f"the answer has no content ({json.dumps(content)[:20]}; finish_reason: {finish})"
    return content, None


def _tokens(choice: dict[str, Any], text: str) -> tuple[Token, ...] | None:
    """The answer's tokens; None when the endpoint gave no alternatives, or none that can be read."""
    try:
        tokens = tuple(Token(str(item["token"]), _top(item)) for item in choice["logprobs"]["content"])
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return None
    if not any(token.top for token in tokens):
        return None
    message = choice["message"]
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    return tuple(_from(tokens, text.strip())) or None if reasoning else tokens


def _top(item: dict[str, Any]) -> dict[str, float]:
    """Of two alternatives with one spelling (a server may list the chosen token twice) the likelier counts."""
    top: dict[str, float] = {}
    for alternative in item.get("top_logprobs") or ():
        text, logprob = str(alternative["token"]), float(alternative["logprob"])
        if not math.isnan(logprob):
            top[text] = max(min(logprob, 0.0), top.get(text, -math.inf))
    return top


def _from(tokens: tuple[Token, ...], text: str) -> Iterator[Token]:
    """The tokens of `text` and after it: an endpoint that takes the reasoning out of the text leaves its tokens in."""
    begin = "".join(token.text for token in tokens).rfind(text)
    end = 0
    for token in tokens:
        end += len(token.text)
        if 0 <= begin < end:
            yield token


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _reason(what: str, detail: str) -> str:
    return shown(f"{what}: {detail}", LIMIT)
