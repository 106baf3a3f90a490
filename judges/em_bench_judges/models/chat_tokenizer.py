"""Turns chat requests into tokens and tokens into completions, for `hf` and `vllm` alike.

A control token's name (`<|im_end|>`) in a message is spelled apart, so that no judged response can end its own turn and
speak as the judge.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from em_bench.errors import ConfigError
from em_bench.judge_model import ChatRequest, Completion, Message, Token
from em_bench.text import message_line

_UNREADABLE = "\N{REPLACEMENT CHARACTER}"
_CHARACTER_BYTES = 4  # the most that UTF-8 needs
Ranked = Sequence[tuple[int, float]]  # token ids with their log-probabilities, the likeliest first


class ChatTokenizer:
    """A checkpoint's tokenizer and chat template. Raises `ConfigError` where there is no template.

    `system_role=False` puts the system message at the head of the first user message, for templates that refuse it.
    """

    def __init__(
        self, tokenizer: Any, name: str, template_kwargs: Mapping[str, Any] | None = None, system_role: bool = True
    ) -> None:
        # vLLM's tokenizer for Mistral's own format has a template built in, and no such attribute
        if getattr(tokenizer, "chat_template", "built in") is None:
            raise ConfigError(
                f"judge model {name!r} has no chat template: name an instruction-tuned checkpoint, "
                "or add a chat_template.jinja to its folder"
            )
        self._tokenizer = tokenizer
        self._template_kwargs = dict(template_kwargs or {})
        self._system_role = system_role
        added = getattr(tokenizer, "added_tokens_decoder", {})
        control = sorted({str(token) for token in added.values() if token.special and len(str(token)) > 2}, key=len)
        self._control = re.compile("|".join(map(re.escape, reversed(control))) or r"(?!)")
        self._skipped = {token_id for token_id, token in added.items() if token.special}
        # decoded alone, a token loses its leading space in some tokenizers; after another token it keeps it
        self._anchor: list[int] = list(tokenizer.encode("a", add_special_tokens=False))
        self._pieces: dict[int, str] = {}

    def prompt(self, request: ChatRequest, max_model_len: float) -> list[int] | Completion:
        """The prompt's tokens, or the failed completion of a request that cannot be made."""
        try:
            ids: list[int] = self._tokenizer.apply_chat_template(
                self._conversation(request.messages),
                **{"tokenize": True, "add_generation_prompt": True, "return_dict": False} | self._template_kwargs,
            )
        except Exception as error:  # noqa: BLE001 - templates raise what they like
            hint = ", or give system_role=False" if self._system_role else ""
            return Completion(error=f"the chat template fails: {message_line(error)} (fix it{hint})")
        limit = max_model_len - request.max_tokens
        if len(ids) > limit:
            return Completion(
                error=f"the prompt is too long: it has {len(ids)} tokens, over the judge model's {limit} "
                f"(max_model_len {max_model_len} less {request.max_tokens} for the answer)"
            )
        return ids

    def completion(
        self, ids: Sequence[int], ranked: Sequence[Ranked] | None, finish_reason: str | None, prompt_tokens: int
    ) -> Completion:
        """What the generated tokens say. The one that ends the answer is counted, but neither shown nor in `tokens`."""
        shown = ids[:-1] if finish_reason == "stop" else ids
        return Completion(
            text=self._tokenizer.decode(list(shown), skip_special_tokens=True),
            tokens=None if ranked is None else tuple(self._tokens(shown, ranked)),
            prompt_tokens=prompt_tokens,
            completion_tokens=len(ids),
            finish_reason=finish_reason,
        )

    def _conversation(self, messages: Sequence[Message]) -> list[dict[str, str]]:
        turns = [{"role": message.role, "content": self._plain(message.content)} for message in messages]
        if self._system_role or turns[0]["role"] != "system":
            return turns
        system, *rest = turns
        if not rest or rest[0]["role"] != "user":
            return [system | {"role": "user"}, *rest]
        return [{"role": "user", "content": f"{system['content']}\n\n{rest[0]['content']}"}, *rest[1:]]

    def _plain(self, text: str) -> str:
        """Text that every tokenizer takes, and takes as text."""
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        while self._control.search(text):  # breaking one apart may leave a shorter one whole
            text = self._control.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
        return text

    def _tokens(self, ids: Sequence[int], ranked: Sequence[Ranked]) -> Iterator[Token]:
        """Joined, the texts are the completion's text: a character's bytes are shown where its last one comes."""
        held: list[int] = []
        for position, (token_id, alternatives) in enumerate(zip(ids, ranked, strict=False)):
            top = self._top(held, alternatives)
            if token_id in self._skipped:
                yield Token("", top)
                continue
            text = self._piece(held, token_id)
            last = position == len(ids) - 1 or len(held) == _CHARACTER_BYTES - 1
            if text.endswith(_UNREADABLE) and not last:
                held.append(token_id)
                text = ""
            else:
                held = []
            yield Token(text, top)

    def _top(self, held: list[int], alternatives: Ranked) -> dict[str, float]:
        """Log-probabilities by text. Tokens that read alike are one entry, with the sum of their probabilities."""
        top: dict[str, float] = {}
        for token_id, logprob in alternatives:
            if math.isfinite(logprob):  # a constraint rules tokens out with minus infinity
                text = self._piece(held, token_id)
                sum_so_far = top.get(text)
                top[text] = logprob if sum_so_far is None else sum_so_far + math.log1p(math.exp(logprob - sum_so_far))
        return top

    def _piece(self, held: list[int], token_id: int) -> str:
        """What a token adds to the text, after the bytes of an unfinished character."""
        if held or token_id not in self._pieces:
            before = self._tokenizer.decode(self._anchor)
            text: str = self._tokenizer.decode([*self._anchor, *held, token_id])
            text = text[len(before) :] if text.startswith(before) else self._tokenizer.decode([*held, token_id])
            if held:
                return text
            self._pieces[token_id] = text
        return self._pieces[token_id]
