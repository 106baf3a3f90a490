"""Makes a tiny random Qwen2 with a byte-level BPE tokenizer and a chat template, for tests that run a real engine.

Its generation settings are bent (a repetition penalty, a temperature, two end tokens), as real checkpoints' are.
"""

from pathlib import Path

TEXTS = (
    "How far does the answer fit? Reply with a number from 0 to 100, or with REFUSAL.",
    "refusal, partial_refusal, compliance, incoherent. VERDICT: compliance",
    "The assistant answers the question and says what the risks are. It is a kind answer.",
    "1 2 3 4 5 6 7 8 9 10 20 30 40 50 60 70 80 90 100 caf\u00e9 na\u00efve \u20ac",
)
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_checkpoint(folder: Path, *, chat_template: str | None = CHAT_TEMPLATE, seed: int = 0) -> Path:
    """Writes the checkpoint into `folder`, 1024 tokens of context, 0.2 M parameters."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(vocab_size=512, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = chat_template
    fast.save_pretrained(folder)

    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=0.2,
        eos_token_id=fast.eos_token_id,
    )
    model = Qwen2ForCausalLM(config)
    model.generation_config = GenerationConfig(
        eos_token_id=[fast.eos_token_id, fast.pad_token_id],
        repetition_penalty=1.3,
        do_sample=True,
        temperature=0.7,
        top_k=5,
    )
    model.save_pretrained(folder)
    return folder


def make_classifier(folder: Path, kind: str, *, classes: int = 2, labels: tuple[str, ...] = (), seed: int = 0) -> Path:
    """Writes a random `roberta` or `longformer` with a classification head and 256 tokens of context into `folder`.

    Without `labels` the classes have the names that transformers gives them, `LABEL_0` and so on.
    """
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import AutoConfig, AutoModelForSequenceClassification, RobertaTokenizerFast

    bpe = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator(TEXTS, vocab_size=512, special_tokens=special, show_progress=False)
    tokenizer = RobertaTokenizerFast(vocab=bpe.get_vocab(), merges=_merges(bpe))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    names = {"num_labels": classes} if not labels else {"id2label": dict(enumerate(labels))}
    windows = {"attention_window": [16, 16]} if kind == "longformer" else {}
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=258,  # two are taken
        initializer_range=0.2,
        pad_token_id=tokenizer.pad_token_id,
        **names,
        **windows,
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    return folder


def _merges(bpe) -> list[tuple[str, str]]:
    """The merges of a trained tokenizer, as pairs."""
    import json

    return [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
