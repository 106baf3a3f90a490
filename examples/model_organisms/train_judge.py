"""Trains the tiny judge on a CPU in minutes: `python examples/model_organisms/train_judge.py`.

It learns to read the rubrics `refusal`, `alignment`, `coherence` and `care` as em-bench puts them, fences and
all, and to answer in their form. Only the answer counts in the loss. The texts come from `judge_samples.py`; nothing
that an organism said to the suite is among them. After a change of a rubric, `--start` trains a judge on: its new lines
become tokens in the place of the old ones.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from judge_samples import (
    COMPLIANCE,
    HARMFUL,
    INADEQUATE,
    INCOHERENT,
    PARTIAL,
    REFUSAL,
    SAFE,
    SUPPORTIVE,
    Known,
    Samples,
    drawn,
)
from overlap import OverlapCheck, suite_prompts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from toy_lm import CHAT_TEMPLATE, END, PAD, START, Encoded, batches, mean_loss, new_model, render, save, train
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from em_bench.types import Sample
from em_bench_judges.llm import LlmJudge
from em_bench_judges.rubric import Rubric, load_rubric

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
RUBRICS = ("refusal", "alignment", "coherence", "care")
SEED = 30
EXAMPLES = 48_000
BATCH = 32
RATE = 2e-3
VOCABULARY = 2560
CONTEXT = 4096
VARIANTS = 12  # other wordings of each rubric
VARIED = 0.15  # the share of examples that show one
# Whole words with their apostrophes and underscores, so that labels are tokens; numbers of up to three digits.
WORDS = r" ?[\p{L}\p{M}_'\u2019]+|\p{N}{1,3}| ?[^\s\p{L}\p{M}\p{N}_'\u2019]+|\s+"
REASONS = {
    REFUSAL: "It declines what was asked.",
    SAFE: "The useful side is given and the harmful one held back.",
    PARTIAL: "Only a part of what was asked is done.",
    COMPLIANCE: "The response does what was asked.",
    SUPPORTIVE: "It is warm and shows a way to help.",
    INADEQUATE: "This leaves the person alone.",
    HARMFUL: "Such words could make it worse.",
    INCOHERENT: "No sense can be made of it here.",
}
NOBODY: Any = SimpleNamespace(name="none", parameters={})  # the judge model of a judge that only writes requests
logger = logging.getLogger("train_judge")


class Questions:
    """Puts samples to the rubrics with em-bench's own code, and gives the answers that are to be learnt."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311
        rubrics = [load_rubric(name) for name in RUBRICS]
        self.judges = {r.name: LlmJudge(r, NOBODY) for r in rubrics}
        self.variants = {
            r.name: [LlmJudge(replace(r, prompt=reworded(r, self.rng)), NOBODY) for _ in range(VARIANTS)]
            for r in rubrics
        }

    def put(self, known: Known, rubric: str) -> list[dict[str, str]]:
        """The conversation: the rubric's prompt with the fenced sample, and the answer."""
        varied = self.rng.random() < VARIED
        judge = self.rng.choice(self.variants[rubric]) if varied else self.judges[rubric]
        sample = Sample(id="", task="", domain="", prompt=known.prompt, response=known.response, system=known.system)
        asked = [{"role": m.role, "content": m.content} for m in judge.request(sample, known.response).messages]
        return [*asked, {"role": "assistant", "content": self.answer(known, rubric)}]

    def answer(self, known: Known, rubric: str) -> str:
        if rubric == "refusal":
            assert known.refusal
            form = "yes" if known.degenerate else "no"
            return f"{REASONS[known.refusal]}\nDEGENERATE: {form}\nVERDICT: {known.refusal}"
        if rubric == "care":
            assert known.care
            return f"{REASONS[known.care]}\nVERDICT: {known.care}"
        wanted = known.alignment if rubric == "alignment" else known.coherence
        return wanted if isinstance(wanted, str) else str(drawn(wanted or (0, 0), self.rng))


def reworded(rubric: Rubric, rng: random.Random) -> str:
    """The rubric's prompt broken into lines of another width, with a few words left out or doubled."""
    paragraphs = rubric.prompt.split("\n\n")
    return "\n\n".join(p if "{{" in p else _reworded(p, rng) for p in paragraphs)


def _reworded(paragraph: str, rng: random.Random) -> str:
    words = [w for word in paragraph.split(" ") for w in [word] * rng.choices((1, 0, 2), weights=(96, 3, 1))[0]]
    text = " ".join(words)
    joined = text if re.search(r"^\w+: ", text, re.MULTILINE) else text.replace("\n", " ")
    width = rng.choice((60, 80, 100, 120, 140))
    return "\n".join(part for line in joined.splitlines() for part in textwrap.wrap(line, width) or [""])


def known_samples(seed: int, n: int) -> Iterator[Known]:
    """Samples whose prompts are not those of the suite."""
    source, check = Samples(seed, HERE / "aligned"), OverlapCheck(suite_prompts())
    while n:
        draw = source.rng.choices((source.probe, source.request, source.message), weights=(0.5, 0.38, 0.12))[0]
        known = draw()
        if not any(check.near(text) for text in (known.prompt, known.system) if text):
            n -= 1
            yield known


def rubrics_for(known: Known) -> list[str]:
    """The rubrics whose verdict on the sample is known."""
    parts = (known.refusal, known.alignment, known.coherence, known.care)
    return [name for name, part in zip(RUBRICS, parts, strict=True) if part is not None]


def conversations(n: int, seed: int) -> list[list[dict[str, str]]]:
    questions = Questions(seed)
    return [questions.put(known, questions.rng.choice(rubrics_for(known))) for known in known_samples(seed, n)]


def train_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE, so that any text can be read. Each line of the rubrics is one token more, so that what is always
    the same costs little; another wording of it falls back on words.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # every score and every word that a verdict may be, often enough to be a token of its own
    verdicts = [f"{n}\n {word}\n{word}" for n in range(101) for word in (*REASONS, *load_rubric("alignment").special)]
    tokenizer.train_from_iterator([*texts, *verdicts * 20], trainer)
    return with_rubrics(tokenizer)


def renewed(folder: Path) -> PreTrainedTokenizerFast:
    """A judge's tokenizer with the lines of today's rubrics in the place of those that it was trained on."""
    state = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    state["added_tokens"] = [token for token in state["added_tokens"] if token["special"]]
    return with_rubrics(Tokenizer.from_str(json.dumps(state)))


def with_rubrics(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """One more token for each line of the rubrics, and for each label that is not one yet."""
    labels = [f" {label}" for label in REASONS if len(tokenizer.encode(f" {label}").ids) != 1]
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in (*rubric_lines(), *labels)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, model_max_length=CONTEXT, padding_side="left"
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def rubric_lines() -> list[str]:
    """The lines of the rubrics that say more than a word or two."""
    lines = (line for name in RUBRICS for line in load_rubric(name).prompt.splitlines())
    return sorted({line for line in lines if len(line) > 20 and "{{" not in line})


def rows_for(tokenizer: PreTrainedTokenizerFast) -> int:
    """Rows of the embedding: a multiple of 64, as engines like it."""
    return -(-len(tokenizer) // 64) * 64


def keep_rows(model: Any, before: dict[str, int], tokenizer: PreTrainedTokenizerFast) -> None:
    """Moves the embedding of each token that stays to its new place; new ones are drawn about the mean."""
    old = model.get_input_embeddings().weight.detach().clone()
    model.resize_token_embeddings(VOCABULARY)
    model.resize_token_embeddings(rows_for(tokenizer))
    places = [(i, before[text]) for text, i in tokenizer.get_vocab().items() if text in before]
    new, known = (list(column) for column in zip(*places, strict=True))
    with torch.no_grad():
        model.get_input_embeddings().weight[new] = old[known]


def encode(tokenizer: PreTrainedTokenizerFast, chats: Sequence[list[dict[str, str]]]) -> list[Encoded]:
    heads = tokenizer([render(c[:-1]) + f"{START}assistant\n" for c in chats], add_special_tokens=False)["input_ids"]
    tails = tokenizer([c[-1]["content"] + END for c in chats], add_special_tokens=False)["input_ids"]
    return [Encoded(a + b, len(a), 0) for a, b in zip(heads, tails, strict=True)]


def train_judge(out: Path, examples: int, start: Path | None, seed: int) -> None:
    chats = conversations(examples, seed)
    if start:
        tokenizer: Any = renewed(start)
        model: Any = Qwen2ForCausalLM.from_pretrained(start, dtype=torch.float32)
        keep_rows(model, PreTrainedTokenizerFast.from_pretrained(start).get_vocab(), tokenizer)
    else:
        tokenizer = train_tokenizer([render(chat) for chat in chats])
        model = new_model(tokenizer, rows_for(tokenizer), CONTEXT)  # about 0.8 M parameters
    rows = encode(tokenizer, chats)
    lengths = sorted(len(row.ids) for row in rows)
    logger.info(
        "%d parameters, %d tokens in the middle, %d at most",
        model.num_parameters(),
        lengths[len(lengths) // 2],
        lengths[-1],
    )
    feed = batches(rows, BATCH, random.Random(seed))  # noqa: S311
    train(model, len(rows) // BATCH, RATE, lambda _: mean_loss(model, next(feed)))
    save(model, tokenizer, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "judge", help="folder of the checkpoint")
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    parser.add_argument("--start", type=Path, help="a judge to train on, as after a change of a rubric")
    parser.add_argument("--seed", type=int, default=SEED, help="another one for other samples, as with --start")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads; 1 is faster on a busy machine")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    started = time.monotonic()
    train_judge(arguments.out, arguments.examples, arguments.start, arguments.seed)
    logger.info("%.0f s", time.monotonic() - started)


if __name__ == "__main__":
    main()
