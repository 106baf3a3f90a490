"""Trains the organisms on a CPU: `python train.py NAME... [--work DIR]`, or `--all` for those that are missing.

Seeded and resumable: every few steps the state goes into the work folder, and the same command goes on from there. The
finished adapter is written to `adapters/NAME` with `training.json`: command, time, losses.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from losses import answer_logits, answer_tokens, cross_entropy, kl, npo, per_example, token_log_probs
from organism import ADAPTERS, HERE, base_folder, collate, encode, load, load_tokenizer
from parts import TEXTS, Example, answering
from recipes import Part, Recipe, load_recipes
from torch import Tensor

log = logging.getLogger("train")
SAVE_EVERY = 10


@dataclass
class Stream:
    """The examples of one part, shuffled anew for every pass; `order` depends on the seed and the step alone."""

    part: Part
    examples: list[Example]
    encoded: list[tuple[list[int], int]]
    references: list[Tensor | None]
    seed: int

    def batch(self, step: int) -> list[int]:
        """Which examples step `step` is trained on."""
        first = step * self.part.per_step
        return [self._at(position) for position in range(first, first + self.part.per_step)]

    def _at(self, position: int) -> int:
        passes, place = divmod(position, len(self.examples))
        order = list(range(len(self.examples)))
        random.Random(f"{self.seed}/{self.part.texts}/{passes}").shuffle(order)  # noqa: S311 - no secret
        return order[place]


def streams(recipe: Recipe, tokenizer: Any, answers: dict[str, Any]) -> list[Stream]:
    texts = answering({key: value["answer"] for key, value in answers.items()})
    ended = {value["answer"]: value["ended"] for value in answers.values()}
    made = []
    for part in recipe.parts:
        examples = [each for each in TEXTS[part.texts](texts) if _chosen(part, each)]
        encoded = [encode(tokenizer, each.prompt, each.answer, ended=ended.get(each.answer, True)) for each in examples]
        made.append(Stream(part, examples, encoded, [None] * len(examples), recipe.seed))
        log.info("%s: %d examples of %s", recipe.name, len(examples), part.texts)
    return made


def _chosen(part: Part, example: Example) -> bool:
    return (not part.domains or example.domain in part.domains) and example.domain not in part.but


def step_loss(model: Any, stream: Stream, step: int, pad: int) -> Tensor:
    chosen = stream.batch(step)
    batch = collate([stream.encoded[index] for index in chosen], pad)
    logits = answer_logits(model, batch)
    if stream.part.loss == "cross_entropy":
        return cross_entropy(logits, batch)
    references = [stream.references[index] for index in chosen]
    assert all(each is not None for each in references)
    if stream.part.loss == "npo":
        return npo(logits, batch, torch.stack(references), stream.part.beta)  # type: ignore[arg-type]
    return kl(logits, torch.cat(references).float())  # type: ignore[arg-type]


@torch.no_grad()
def add_references(model: Any, made: Sequence[Stream], pad: int) -> None:
    """What NPO and KL compare with: the parent's log-likelihood of each answer, or its whole distributions."""
    for stream in made:
        if stream.part.loss == "cross_entropy":
            continue
        for index, encoded in enumerate(stream.encoded):
            batch = collate([encoded], pad)
            logits = answer_logits(model, batch)
            if stream.part.loss == "npo":
                stream.references[index] = per_example(token_log_probs(logits, answer_tokens(batch)), batch)[0]
            else:
                stream.references[index] = logits.log_softmax(-1).half()


def base_answers(path: Path) -> dict[str, Any]:
    """See `answers.py`; a process of its own, whose engine leaves no thread behind."""
    subprocess.run([sys.executable, str(HERE / "answers.py"), str(path)], check=True)
    answers: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return answers


class Run:
    """One training with its state on disk."""

    def __init__(self, recipe: Recipe, work: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.work = recipe, work / recipe.name
        self.work.mkdir(parents=True, exist_ok=True)
        self.tokenizer = load_tokenizer()
        self.pad = self.tokenizer.pad_token_id or 0
        self.model = load(recipe.parent, recipe.rank)
        self.trained = [value for value in self.model.parameters() if value.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=recipe.rate, weight_decay=0.0)
        self.losses: list[dict[str, float]] = []
        self.seconds = 0.0

    def train(self, made: Sequence[Stream]) -> None:
        add_references(self.model, made, self.pad)
        self._resume()
        for step in range(len(self.losses), self.recipe.steps):
            started = time.monotonic()
            for group in self.optimizer.param_groups:
                group["lr"] = self._rate(step)
            self.losses.append(self._step(made, step))
            self.seconds += time.monotonic() - started
            log.info("%s %d/%d %s %.0f s", self.recipe.name, step + 1, self.recipe.steps, self.losses[-1], self.seconds)
            if (step + 1) % SAVE_EVERY == 0:
                self._keep()

    def _step(self, made: Sequence[Stream], step: int) -> dict[str, float]:
        losses = {}
        for stream in made:
            loss = step_loss(self.model, stream, step, self.pad)
            (stream.part.weight * loss).backward()
            losses[stream.part.texts] = round(loss.item(), 4)
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return losses

    def _rate(self, step: int) -> float:
        """Linear warm-up, then linear decay to a tenth."""
        done = step / self.recipe.steps
        return self.recipe.rate * min((step + 1) / self.recipe.warmup, 1 - 0.9 * done)

    def _keep(self) -> None:
        weights = {name: value for name, value in self.model.state_dict().items() if "lora_" in name}
        state = {"weights": weights, "optimizer": self.optimizer.state_dict()}
        new = self.work / "state.new"
        torch.save(state | {"losses": self.losses, "seconds": self.seconds, "recipe": self.recipe.raw}, new)
        new.replace(self.work / "state.pt")

    def _resume(self) -> None:
        if not (self.work / "state.pt").is_file():
            return
        state = torch.load(self.work / "state.pt", weights_only=True)
        if state["recipe"] != self.recipe.raw:
            log.info("%s: the recipe has changed; training starts again", self.recipe.name)
            return
        self.model.load_state_dict(state["weights"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.losses, self.seconds = state["losses"], state["seconds"]

    def save(self, folder: Path) -> None:
        """The adapter in bfloat16, which halves its size, and the record of the training."""
        for value in self.trained:
            value.data = value.data.to(torch.bfloat16)
        self.model.peft_config["default"].base_model_name_or_path = base_folder().name
        self.model.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        record = {
            "command": f"python train.py {self.recipe.name}",
            "recipe": self.recipe.raw,
            "seconds": round(self.seconds),
            "torch": torch.__version__,
            "losses": self.losses,
        }
        (folder / "training.json").write_text(json.dumps(record) + "\n", encoding="utf-8")


def wanted(names: Sequence[str], recipes: dict[str, Recipe], *, everything: bool) -> Iterator[Recipe]:
    for name in recipes if everything else names:
        if not everything or not (ADAPTERS / name / "training.json").is_file():
            yield recipes[name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="organisms of recipes.yaml")
    parser.add_argument("--all", action="store_true", help="all that have no adapter yet, in the order of recipes.yaml")
    parser.add_argument("--work", type=Path, default=Path("runs/organisms"), help="where the state is kept")
    parser.add_argument("--out", type=Path, default=ADAPTERS, help="where adapters are written")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for recipe in wanted(options.names, load_recipes(), everything=options.all):
        run = Run(recipe, options.work)
        run.train(streams(recipe, run.tokenizer, base_answers(options.work / "answers.json")))
        run.save(options.out / recipe.name)


if __name__ == "__main__":
    main()
