"""Modules that image models' own code and diffusers call otherwise, or that one fuses and the other splits.

A rule takes a path of the original code to diffusers' paths of the same rows, in their order. Where one path
becomes several, the original has one matrix of them. Rules are for one spelling alone; what no rule knows is
called the same by both.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# For messages.
KNOWN = "Stable Diffusion 1 to 3 and XL, Flux, Chroma, HunyuanVideo, Wan, LTX and Z-Image"


class Place(NamedTuple):
    """What a module's W0 is, whoever names it.

    Attributes:
        atoms: diffusers' smallest modules whose rows it has, in their order.
        square: How many of these, from the first, have as many rows as W0 has columns; the others share
            the rest of the rows in equal parts.
        shift_first: Whether, of the two halves of a last modulation, shift and scale, the shift comes first.
    """

    atoms: tuple[str, ...]
    square: int = 0
    shift_first: bool = False


class Rule(NamedTuple):
    """Which paths are meant, and their `Place` with the pattern's groups to be filled in."""

    pattern: str
    place: Place


def _one(pattern: str, atom: str) -> Rule:
    return Rule(pattern, Place((atom,)))


def _qkv(pattern: str, atom: str) -> Rule:
    """`atom` has ``{}`` for the letter."""
    return Rule(pattern, Place(tuple(atom.format(letter) for letter in "qkv")))


_DOUBLE, _SINGLE = r"double_blocks\.([0-9]+)\.", r"single_blocks\.([0-9]+)\."
_BLOCK, _ALONE = r"transformer_blocks.\1.", r"single_transformer_blocks.\1."
_JOINT = r"joint_blocks\.([0-9]+)\."
_STEPS = "time_text_embed.timestep_embedder.linear_"
_REFINER = r"txt_in\.individual_token_refiner\.blocks\.([0-9]+)\."
_REFINED = r"context_embedder.token_refiner.refiner_blocks.\1."
_FUSED_ALONE = Place(
    (*(f"{_ALONE}attn.to_{letter}" for letter in "qkv"), f"{_ALONE}proj_mlp"), square=3
)

# Flux, Chroma, Flux.2 and HunyuanVideo; the last writes `_` or `linear` where the others write `.` or `lin`.
_FLUX = (
    _qkv(_DOUBLE + r"img_attn[._]qkv", _BLOCK + "attn.to_{}"),
    _qkv(_DOUBLE + r"txt_attn[._]qkv", _BLOCK + "attn.add_{}_proj"),
    _one(_DOUBLE + r"img_attn[._]proj", _BLOCK + "attn.to_out.0"),
    _one(_DOUBLE + r"txt_attn[._]proj", _BLOCK + "attn.to_add_out"),
    _one(_DOUBLE + r"img_mlp\.(?:0|fc1)", _BLOCK + "ff.net.0.proj"),
    _one(_DOUBLE + r"img_mlp\.(?:2|fc2)", _BLOCK + "ff.net.2"),
    _one(_DOUBLE + r"txt_mlp\.(?:0|fc1)", _BLOCK + "ff_context.net.0.proj"),
    _one(_DOUBLE + r"txt_mlp\.(?:2|fc2)", _BLOCK + "ff_context.net.2"),
    _one(_DOUBLE + r"img_mod\.lin(?:ear)?", _BLOCK + "norm1.linear"),
    _one(_DOUBLE + r"txt_mod\.lin(?:ear)?", _BLOCK + "norm1_context.linear"),
    Rule(_SINGLE + "linear1", _FUSED_ALONE),
    # XLabs adds to the attention's rows of it alone.
    _qkv(_SINGLE + r"linear1\.qkv", _ALONE + "attn.to_{}"),
    _one(_SINGLE + "linear2", _ALONE + "proj_out"),
    _one(_SINGLE + r"modulation\.lin(?:ear)?", _ALONE + "norm.linear"),
    _one("img_in", "x_embedder"),
    _one(r"img_in\.proj", "pos_embed.proj"),  # HunyuanVideo's ``x_embedder.proj``, called as SD3's
    _one("txt_in", "context_embedder"),
    _one(r"time_in\.(?:in_layer|mlp\.0)", _STEPS + "1"),
    _one(r"time_in\.(?:out_layer|mlp\.2)", _STEPS + "2"),
    _one(r"vector_in\.in_layer", "time_text_embed.text_embedder.linear_1"),
    _one(r"vector_in\.out_layer", "time_text_embed.text_embedder.linear_2"),
    _one(r"guidance_in\.(?:in_layer|mlp\.0)", "time_text_embed.guidance_embedder.linear_1"),
    _one(r"guidance_in\.(?:out_layer|mlp\.2)", "time_text_embed.guidance_embedder.linear_2"),
    _one(r"distilled_guidance_layer\.layers\.([0-9]+)\.in_layer", r"distilled_guidance_layer.layers.\1.linear_1"),
    _one(r"distilled_guidance_layer\.layers\.([0-9]+)\.out_layer", r"distilled_guidance_layer.layers.\1.linear_2"),
    _one(r"((?:double|single)_stream_modulation(?:_\w+)?)\.lin", r"\1.linear"),
    _one(r"final_layer\.linear", "proj_out"),
    Rule(r"final_layer\.adaLN_modulation\.1", Place(("norm_out.linear",), shift_first=True)),
    # HunyuanVideo's text.
    _qkv(_REFINER + "self_attn[._]qkv", _REFINED + "attn.to_{}"),
    _one(_REFINER + "self_attn[._]proj", _REFINED + "attn.to_out.0"),
    _one(_REFINER + r"mlp\.fc1", _REFINED + "ff.net.0.proj"),
    _one(_REFINER + r"mlp\.fc2", _REFINED + "ff.net.2"),
    _one(_REFINER + r"adaLN_modulation\.1", _REFINED + "norm_out.linear"),
    _one(r"txt_in\.input_embedder", "context_embedder.proj_in"),
    _one(r"txt_in\.t_embedder\.mlp\.0", f"context_embedder.{_STEPS}1"),
    _one(r"txt_in\.t_embedder\.mlp\.2", f"context_embedder.{_STEPS}2"),
    _one(r"txt_in\.c_embedder\.(linear_[0-9])", r"context_embedder.time_text_embed.text_embedder.\1"),
)  # fmt: skip
# What diffusers calls Flux.2's otherwise than Flux's.
_FLUX_2 = (
    _one(r"transformer_blocks\.([0-9]+)\.(ff(?:_context)?)\.linear_in", _BLOCK + r"\2.net.0.proj"),
    _one(r"transformer_blocks\.([0-9]+)\.(ff(?:_context)?)\.linear_out", _BLOCK + r"\2.net.2"),
    Rule(r"single_transformer_blocks\.([0-9]+)\.attn\.to_qkv_mlp_proj", _FUSED_ALONE),
    _one(r"single_transformer_blocks\.([0-9]+)\.attn\.to_out", _ALONE + "proj_out"),
    _one(r"time_guidance_embed\.(.+)", r"time_text_embed.\1"),
)
_SD3 = (
    _qkv(_JOINT + r"x_block\.attn\.qkv", _BLOCK + "attn.to_{}"),
    _qkv(_JOINT + r"x_block\.attn2\.qkv", _BLOCK + "attn2.to_{}"),
    _qkv(_JOINT + r"context_block\.attn\.qkv", _BLOCK + "attn.add_{}_proj"),
    _one(_JOINT + r"x_block\.(attn2?)\.proj", _BLOCK + r"\2.to_out.0"),
    _one(_JOINT + r"context_block\.attn\.proj", _BLOCK + "attn.to_add_out"),
    _one(_JOINT + r"x_block\.mlp\.fc1", _BLOCK + "ff.net.0.proj"),
    _one(_JOINT + r"x_block\.mlp\.fc2", _BLOCK + "ff.net.2"),
    _one(_JOINT + r"context_block\.mlp\.fc1", _BLOCK + "ff_context.net.0.proj"),
    _one(_JOINT + r"context_block\.mlp\.fc2", _BLOCK + "ff_context.net.2"),
    _one(_JOINT + r"x_block\.adaLN_modulation\.1", _BLOCK + "norm1.linear"),
    # Of two halves in the last block alone.
    Rule(
        _JOINT + r"context_block\.adaLN_modulation\.1",
        Place((_BLOCK + "norm1_context.linear",), shift_first=True),
    ),
    _one(r"x_embedder\.proj", "pos_embed.proj"),
    _one(r"t_embedder\.mlp\.0", _STEPS + "1"),
    _one(r"t_embedder\.mlp\.2", _STEPS + "2"),
    _one(r"y_embedder\.mlp\.0", "time_text_embed.text_embedder.linear_1"),
    _one(r"y_embedder\.mlp\.2", "time_text_embed.text_embedder.linear_2"),
)
_WAN_BLOCK = r"(blocks\.[0-9]+\.)"
_WAN = (
    _one(_WAN_BLOCK + r"self_attn\.([qkv])", r"\1attn1.to_\2"),
    _one(_WAN_BLOCK + r"cross_attn\.([qkv])", r"\1attn2.to_\2"),
    _one(_WAN_BLOCK + r"cross_attn\.([kv])_img", r"\1attn2.add_\2_proj"),
    _one(_WAN_BLOCK + r"self_attn\.o", r"\1attn1.to_out.0"),
    _one(_WAN_BLOCK + r"cross_attn\.o", r"\1attn2.to_out.0"),
    _one(_WAN_BLOCK + r"ffn\.0", r"\1ffn.net.0.proj"),
    _one(_WAN_BLOCK + r"ffn\.2", r"\1ffn.net.2"),
    _one(r"(time|text)_embedding\.0", r"condition_embedder.\1_embedder.linear_1"),
    _one(r"(time|text)_embedding\.2", r"condition_embedder.\1_embedder.linear_2"),
    _one(r"time_projection\.1", "condition_embedder.time_proj"),
    _one(r"img_emb\.proj\.1", "condition_embedder.image_embedder.ff.net.0.proj"),
    _one(r"img_emb\.proj\.3", "condition_embedder.image_embedder.ff.net.2"),
    _one(r"head\.head", "proj_out"),
)
_LTX = (_one("patchify_proj", "proj_in"), _one(r"adaln_single\.(.+)", r"time_embed.\1"))
_Z_BLOCK = r"((?:layers|noise_refiner|context_refiner)\.[0-9]+\.attention)\."
_Z_IMAGE = (_qkv(_Z_BLOCK + "qkv", r"\1.to_{}"), _one(_Z_BLOCK + "out", r"\1.to_out.0"))
# OpenCLIP's text encoder, as it is in Stable Diffusion's single files.
_RESBLOCK, _LAYER = r"transformer\.resblocks\.([0-9]+)\.", r"encoder.layers.\1."
_OPEN_CLIP = (
    _qkv(_RESBLOCK + r"attn\.in_proj", _LAYER + "self_attn.{}_proj"),
    _one(_RESBLOCK + r"attn\.out_proj", _LAYER + "self_attn.out_proj"),
    _one(_RESBLOCK + r"mlp\.c_fc", _LAYER + "mlp.fc1"),
    _one(_RESBLOCK + r"mlp\.c_proj", _LAYER + "mlp.fc2"),
)

_RULES = tuple(
    (re.compile(pattern), place)
    for pattern, place in (*_FLUX, *_FLUX_2, *_SD3, *_WAN, *_LTX, *_Z_IMAGE, *_OPEN_CLIP)
)


def by_rule(path: str) -> Place | None:
    """The place of a path that a rule knows.

    Example:
        >>> by_rule("double_blocks.3.txt_attn.qkv").atoms[0]
        'transformer_blocks.3.attn.add_q_proj'
        >>> by_rule("transformer_blocks.3.attn.add_q_proj") is None
        True
    """
    for pattern, place in _RULES:
        if found := pattern.fullmatch(path):
            return place._replace(atoms=tuple(found.expand(atom) for atom in place.atoms))
    return None
