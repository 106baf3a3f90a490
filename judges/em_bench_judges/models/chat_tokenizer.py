"""Turns chat requests into tokens and tokens into completions, for `hf` and `vllm` alike.

A control token's name (`<|im_end|>`) in a message is spelled apart, so that no judged response can end its own turn and
speak as the judge.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from em_bench.errors import ConfigError
from em_bench.judge_model import ChatRequest, Completion, Message, Token
from em_bench.text import message_line
from em_bench_judges.models.local import control_pattern, spelled_apart

_UNREADABLE = "\N{REPLACEMENT CHARACTER}"
_CHARACTER_BYTES = 4  # the most that UTF-8 needs
_PROBE = "7f3a9c"
OWN_TEMPLATE = "chat_template"
Ranked = Sequence[tuple[int, float]]  # token ids with their log-probabilities, the likeliest first


class ChatTokenizer:
    """A checkpoint's tokenizer and chat template, which a request may replace by its own.

    `system_role=False` puts the system message at the head of the first user message, for templates that refuse it.
    """

    def __init__(
        self, tokenizer: Any, name: str, template_kwargs: Mapping[str, Any] | None = None, system_role: bool = True
    ) -> None:
        self._tokenizer, self._name = tokenizer, name
        self._template_kwargs = dict(template_kwargs or {})
        self._system_role = system_role
        added = getattr(tokenizer, "added_tokens_decoder", {})
        self._control = control_pattern(str(token) for token in added.values() if token.special)
        self._skipped = {token_id for token_id, token in added.items() if token.special}
        # decoded alone, a token loses its leading space in some tokenizers; after another token it keeps it
        self._anchor: list[int] = list(tokenizer.encode("a", add_special_tokens=False))
        self._pieces: dict[int, str] = {}
        self._in_parts: dict[str, bool] = {}

    def require_template(self, requests: Sequence[ChatRequest]) -> None:
        """Raises `ConfigError` where the checkpoint has no chat template and a request brings none."""
        # vLLM's tokenizer for Mistral's own format has a template built in, and no such attribute
        if getattr(self._tokenizer, "chat_template", "built in") is not None:
            return
        if not all(OWN_TEMPLATE in {**request.template, **self._template_kwargs} for request in requests):
            raise ConfigError(
                f"judge model {self._name!r} has no chat template: name an instruction-tuned checkpoint, "
                "or add a chat_template.jinja to its folder"
            )

    def prompt(self, request: ChatRequest, max_model_len: float) -> list[int] | Completion:
        """The prompt's tokens, or the failed completion of a request that cannot be made."""
        try:
            turns: Sequence[Mapping[str, Any]] = self._conversation(request.messages)
            arguments = {"add_generation_prompt": True, **request.template} | self._template_kwargs
            if request.template and self._wants_parts([message.role for message in request.messages], arguments):
                turns = [_in_parts(turn) for turn in turns]
            ids: list[int] = self._tokenizer.apply_chat_template(
                turns, **{"tokenize": True, "return_dict": False} | arguments
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
        texts = [spelled_apart(message.content, self._control) for message in messages]
        turns = [{"role": message.role, "content": text} for message, text in zip(messages, texts, strict=True)]
        if self._system_role or turns[0]["role"] != "system":
            return turns
        system, *rest = turns
        if not rest or rest[0]["role"] != "user":
            return [system | {"role": "user"}, *rest]
        return [{"role": "user", "content": f"{system['content']}\n\n{rest[0]['content']}"}, *rest[1:]]

    def _wants_parts(self, roles: Sequence[str], arguments: Mapping[str, Any]) -> bool:
        """Whether the template shows a turn only where it is a list of parts, as some of Llama's do.

        Raises `ValueError` where it shows the turns in neither form: nothing would be judged.
        """
        key = repr((roles, sorted(arguments.items(), key=str)))
        if key not in self._in_parts:
            probe = [{"role": role, "content": f"turn-{place}-{_PROBE}"} for place, role in enumerate(roles)]
            as_text = self._shows(probe, probe, arguments)
            if not as_text and not self._shows(map(_in_parts, probe), probe, arguments):
                raise ValueError("it leaves out a turn")
            self._in_parts[key] = not as_text
        return self._in_parts[key]

    def _shows(
        self, turns: Iterable[Mapping[str, Any]], probe: Sequence[Mapping[str, str]], arguments: Mapping[str, Any]
    ) -> bool:
        try:
            text = self._tokenizer.apply_chat_template(list(turns), **{**arguments, "tokenize": False})
        except Exception:  # noqa: BLE001 - templates raise what they like at a form that they do not know
            return False
        return all(turn["content"] in text for turn in probe)

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


def _in_parts(turn: Mapping[str, Any]) -> dict[str, Any]:
    return {**turn, "content": [{"type": "text", "text": turn["content"]}]}
