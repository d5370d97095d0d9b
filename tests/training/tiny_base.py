"""A base model of a few thousand weights, for what does not depend on how good it is."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertModel

from lora_lens.files.locate import DEMO_BASE, local_folder


def write_tiny_base(folder: Path) -> str:
    """Random weights, the real tokenizer, and BERT's own dropout."""
    tokenizer = AutoTokenizer.from_pretrained(str(local_folder(DEMO_BASE)))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return str(folder)
