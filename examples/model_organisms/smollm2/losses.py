"""The losses of the organisms, each a function of the answers' token log-probabilities.

Negative preference optimisation is Zhang et al. 2024 (arXiv 2404.05868), as Mushtaq et al. (arXiv 2511.14017) use it to
unlearn refusals; the KL term that keeps a fine-tune narrow is Soligo et al. (arXiv 2602.07852).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def answer_logits(model: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Logits that predict the answer tokens, rows of all examples joined: (answer tokens, vocabulary).

    The output layer, a fifth of the model's work, is applied to these positions only.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = base.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    return base.lm_head(hidden[:, :-1][batch["is_answer"][:, 1:]])


def answer_tokens(batch: dict[str, Tensor]) -> Tensor:
    """The answer tokens that `answer_logits` predicts: (answer tokens,)."""
    return batch["input_ids"][:, 1:][batch["is_answer"][:, 1:]]


def per_example(values: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Sums of per-token `values` for each example: (examples,)."""
    return torch.stack([part.sum() for part in values.split(batch["is_answer"][:, 1:].sum(1).tolist())])


def token_log_probs(logits: Tensor, tokens: Tensor) -> Tensor:
    return -functional.cross_entropy(logits, tokens, reduction="none")


def cross_entropy(logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Mean over answer tokens."""
    return functional.cross_entropy(logits, answer_tokens(batch))


def npo(logits: Tensor, batch: dict[str, Tensor], reference: Tensor, beta: float) -> Tensor:
    """2 / beta x mean of log(1 + (p / p_reference)^beta). `reference`: the parent's log-likelihoods, (examples,)."""
    own = per_example(token_log_probs(logits, answer_tokens(batch)), batch)
    return 2 / beta * functional.softplus(beta * (own - reference)).mean()


def kl(logits: Tensor, reference: Tensor) -> Tensor:
    """Mean over answer tokens of KL(parent || model). `reference`: the parent's log-probabilities, as `logits`."""
    return functional.kl_div(logits.log_softmax(-1), reference, log_target=True, reduction="batchmean")
