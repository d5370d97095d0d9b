"""A base model of a few thousand weights, for what does not depend on how good it is."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertModel, PreTrainedModel

from lora_lens.files.locate import DEMO_BASE, local_folder

# Of a BERT, and of what is configured as it is; the tokenizer's vocabulary.
SMALL = {
    "vocab_size": 30_522, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 16, "max_position_embeddings": 64,
}  # fmt: skip


def write_tiny_base(folder: Path) -> str:
    """Random weights, the real tokenizer, and BERT's own dropout."""
    torch.manual_seed(0)
    return write_base(folder, BertModel(BertConfig(**SMALL)))


def write_base(folder: Path, model: PreTrainedModel) -> str:
    """A model, with the real tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(str(local_folder(DEMO_BASE)))
    if getattr(model.config, "eos_token_id", None) is not None:
        # A Trainer of an older library gives the model its tokenizer's.
        tokenizer.eos_token = tokenizer.sep_token
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return str(folder)
