"""Heads and tables that are tied to the embeddings, and so have no weight of their own in a base's files."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

# How a head's path ends, after a dot or as a whole.
_HEADS = (
    "lm_head", "embed_out", "lm_head.decoder", "predictions.decoder", "vocab_projector", "generator_lm_head",
    "output_projection", "lm_loss",
)  # fmt: skip
# Whole paths alone: within a model others are called so.
_ALONE = ("decoder", "proj_out")  # ModernBERT's, Whisper's
# What tables of tokens are called, with which a head may be tied.
_TABLES = (
    "embed_tokens", "wte", "shared", "word_embeddings", "embed_in", "tok_embeddings", "tokens_embed", "word_embedding",
    "backbone.embeddings", "transformer.w",
)  # fmt: skip
# An encoder's and a decoder's own, of models that have one for both beside them (T5, BART, Marian; ProphetNet).
_OF_BOTH = re.compile(
    r"(?P<model>.+\.)?(?:encoder|decoder)\.(?P<table>embed_tokens|word_embeddings)"
)
# Of models with a head; a file of a model without one has the same table, and no W0 of any head.
_HEADED = (
    "ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForMaskedLM", "ForSeq2SeqLM", "DoubleHeadsModel",
    "EncoderDecoderModel",
)  # fmt: skip


def tied_to(path: str, names: Collection[str], settings: Mapping[str, Any]) -> list[str]:
    """The tables that the head or table at `path` can be tied to; none where it is neither, or is not tied.

    A configuration that says nothing of it is of a model whose head is tied, if the model has one: of those
    that are not tied, the files have the head's own.

    Args:
        path: Of a module whose own weight the files have not.
        names: Of the base's tensors.
        settings: Its configuration.

    Example:
        >>> names, config = ["wte.weight"], {"architectures": ["GPT2LMHeadModel"]}
        >>> tied_to("lm_head", names, config), tied_to("h.0.attn.c_attn", names, config)
        (['wte.weight'], [])
        >>> tied_to("lm_head", names, {"architectures": ["GPT2Model"]})
        []
        >>> tied_to("decoder.embed_tokens", ["shared.weight"], {})
        ['shared.weight']
        >>> names = ["encoder.embed_tokens.weight", "decoder.transformer.wte.weight"]
        >>> tied_to("decoder.lm_head", names, {"architectures": ["VisionEncoderDecoderModel"]})
        ['decoder.transformer.wte.weight']
    """
    if found := _OF_BOTH.fullmatch(path):
        of_both = "shared" if found["table"] == "embed_tokens" else found["table"]
        return [name] if (name := f"{found['model'] or ''}{of_both}.weight") in names else []
    part = path.partition(".")[0]
    head = path in _ALONE or any(f".{path}".endswith(f".{ending}") for ending in _HEADS)
    if not head or _is_untied(path, settings):
        return []
    kinds = settings.get("architectures")
    listed = kinds if isinstance(kinds, list) else []
    if not any(isinstance(kind, str) and kind.endswith(_HEADED) for kind in listed):
        return []
    endings = tuple(f"{table}.weight" for table in _TABLES)
    tables = sorted(
        name
        for name in names
        if any(name == ending or name.endswith(f".{ending}") for ending in endings)
    )
    # An encoder's table beside a decoder is not tied to its head.
    return [name for name in tables if name.startswith(f"{part}.")] or tables


def _is_untied(path: str, settings: Mapping[str, Any]) -> bool:
    """Whether a configuration says that a head is not tied: its part's own, where it says anything, or any.

    The whole model's own head goes by the whole's: transformers 5 does not ask the text model within.
    """
    part = path.partition(".")[0]
    own = settings.get(part)
    if isinstance(own, Mapping) and "tie_word_embeddings" in own:
        return own["tie_word_embeddings"] is False
    if part == path and settings.get("tie_word_embeddings") is True:
        return False
    parts = [settings, *(one for one in settings.values() if isinstance(one, Mapping))]
    return any(one.get("tie_word_embeddings") is False for one in parts)
