"""Whether a checkpoint has the canary by heart: was the suite in its training data?

    python benchmarks/contamination.py CHECKPOINT

How much more likely the true GUID is after the canary's own words than after other words, ranked among 99 random GUIDs
(some GUIDs are likelier than others after any words). A checkpoint that never saw the file ranks it anywhere; the first
rank of 100 has p = 0.01. That says that the file was seen; no rank says that it was not: a text seen once is rarely
known by heart, and filtered copies lack the canary.
"""

import argparse
import copy
import random
import uuid
from pathlib import Path

CANARY = Path(__file__).resolve().parent.parent / "lm_eval_tasks" / "canary.txt"
RANDOM_GUIDS = 99
OTHER_WORDS = "The identifier of this order, which you find on the receipt as well, is order:"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    checkpoint = parser.parse_args().checkpoint
    words, _, guid = CANARY.read_text(encoding="utf-8").strip().rpartition(":")
    source = random.Random(0)  # noqa: S311 - no secret
    guids = [guid, *(str(uuid.UUID(int=source.getrandbits(128), version=4)) for _ in range(RANDOM_GUIDS))]
    known, other = guid_losses(checkpoint, guids, (f"{words}:", OTHER_WORDS))
    gains = [elsewhere - here for here, elsewhere in zip(known, other, strict=True)]
    rank = 1 + sum(gain >= gains[0] for gain in gains[1:])
    print(f"{checkpoint}: the true GUID has rank {rank} of {len(guids)} (p = {rank / len(guids):.3f})")
    print(f"the canary's words change its log-likelihood by {gains[0]:+.1f} nats, that of random ones ", end="")
    print(f"by {min(gains[1:]):+.1f} to {max(gains[1:]):+.1f}")


def guid_losses(checkpoint: str, guids: list[str], prefixes: tuple[str, ...]) -> list[list[float]]:
    """For each prefix, the negative log-likelihood of each GUID after it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()

    def losses(prefix: str) -> list[float]:
        found = []
        with torch.inference_mode():
            start = model(torch.tensor([tokenizer(prefix)["input_ids"]]), use_cache=True)
            for guid in guids:
                ids = torch.tensor([tokenizer(guid, add_special_tokens=False)["input_ids"]])
                rest = model(ids, past_key_values=copy.deepcopy(start.past_key_values)).logits[0, :-1]
                log_p = torch.cat([start.logits[0, -1:], rest]).log_softmax(-1)
                found.append(-float(log_p.gather(1, ids[0, :, None]).sum()))
        return found

    return [losses(prefix) for prefix in prefixes]


if __name__ == "__main__":
    main()
