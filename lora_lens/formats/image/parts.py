"""Tensors of image adapters: which part of a module's update each is, however its trainer spells it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ...errors import AdapterError
from ..adapter_files import AdapterFiles

# Module path → part → name of its tensor.
Modules = Mapping[str, Mapping[str, str]]

_SPELLED = {
    "down": r"lora_(?:down|A)(?:\.default)?\.weight|lora(?:_linear_layer)?\.down\.weight",
    "up": r"lora_(?:up|B)(?:\.default)?\.weight|lora(?:_linear_layer)?\.up\.weight",
    "mid": r"lora_mid\.weight|lora\.mid\.weight",
    "alpha": r"(?:lora(?:_linear_layer)?\.)?alpha",
    "dora": r"dora_scale|magnitude|lora_magnitude_vector(?:\.default)?(?:\.weight)?",
}
_PARTS = [(part, re.compile(rf"(.+?)\.(?:{spelled})")) for part, spelled in _SPELLED.items()]
_LYCORIS = re.compile(
    r"(?P<path>.+?)\.(?P<part>hada_(?:w[12]_[ab]|t[12])|lokr_(?:w[12](?:_[ab])?|t2))"
)
# Of text encoders; other nets call linear layers embeddings, too.
_EMBEDDINGS = ("token_embedding", "position_embedding", "embed_tokens", "shared")


def split_part(name: str) -> tuple[str, str] | None:
    """The module's path, as the file has it, and the part; None where a tensor is no part of an update.

    Example:
        >>> split_part("lora_unet_mid_block_attentions_0_proj_in.lora_down.weight")
        ('lora_unet_mid_block_attentions_0_proj_in', 'down')
        >>> split_part("unet.mid_block.attentions.0.proj_in.lora_B.weight")
        ('unet.mid_block.attentions.0.proj_in', 'up')
        >>> split_part("unet.mid_block.attentions.0.norm.weight") is None
        True
    """
    found = _LYCORIS.fullmatch(name)
    if found:
        return found["path"], found["part"]
    for part, spelled in _PARTS:
        if match := spelled.fullmatch(name):
            return match[1], part
    return None


def is_of_an_update(name: str) -> bool:
    """Whether a tensor's name is that of a factor, and not of an α alone."""
    found = split_part(name)
    return found is not None and found[1] != "alpha"


def by_module(files: AdapterFiles, place: Callable[[str], tuple[str, str] | None]) -> Modules:
    """Path → part → tensor.

    Args:
        files: Of the adapter.
        place: From a tensor's name to the path in the base model and the part; None where it is neither.

    Raises:
        AdapterError: Two tensors are the same part of one module, as where two prefixes mean one model.
    """
    modules: dict[str, dict[str, str]] = {}
    for name in sorted(files.names):
        found = place(name)
        if found is None:
            continue
        path, part = found
        parts = modules.setdefault(path, {})
        if part in parts:
            raise AdapterError(f"{parts[part]} and {name} are the same part of {path}")
        parts[part] = name
    return modules


def is_embedding(path: str) -> bool:
    """Whether the module is a table of tokens."""
    return path.rpartition(".")[2] in _EMBEDDINGS


# The first expression found in a tensor's name says why it is not analysed.
_WHY = {
    r"lora_(A|B)\.[^.]+\.weight$": "factor by an adapter's name that is not 'default', as of another adapter",
    r"lora_(down|up)\.[0-9]+\.weight$": (
        "factor of one part of a fused projection (split_dims), which sd-scripts joins where it saves a file"
    ),
    r"\.reshape_weight$": "shape that a loader pads W0 to before ΔW is added",
    r"_custom_diffusion\.": "whole weight of Custom Diffusion, no low-rank factor",
    r"\.alpha$": "α of a module that has no factors here",
    r"\.diff_b$|\.b_norm$|\.bias$": "change of a bias, no part of ΔW",
    r"\.w_norm$": "change of a norm's weight, which is no matrix",
    r"\.diff$|\.set_weight$": "whole change of a weight (diff), no low-rank factor",
    r"\.oft_(blocks|diag)|\.rescale$|\.oft_R": "OFT, which turns W0: its ΔW is made of W0",
    r"\.[ab][12m]\.weight$": "GLoRA, whose ΔW is made of W0",
    r"\.on_input$": "IA³, which scales the layer's input or output: its ΔW is made of W0",
    r"^(bundle_)?emb|\.emb_params|^clip_[lg]$|string_to_param": "trained tokens, no low-rank factor",
    r"^(use_rslora_flag|lokr_factor)$": "a setting of the whole file, and no tensor of ΔW",
    r"lora_embedding_": "factor of an embedding, whose W0 is a table of tokens",
}


def reason_left_out(name: str) -> str:
    """Why a tensor that no update is made of is not analysed.

    Example:
        >>> reason_left_out("lora_unet_conv_in.diff_b")
        'change of a bias, no part of ΔW'
        >>> reason_left_out("lora_other_fc.lora_down.weight")
        'of a module whose name begins with no known part of a pipeline'
    """
    found = (why for expression, why in _WHY.items() if re.search(expression, name))
    unplaced = "of a module whose name begins with no known part of a pipeline"
    return next(found, unplaced if is_of_an_update(name) else "no low-rank factor of a layer")
