"""Where an image adapter's tensor belongs: the module's path in a pipeline, however its trainer wrote it.

Paths begin with the part of a diffusers pipeline, ``unet``, ``transformer``, ``text_encoder``,
``text_encoder_2`` …; ComfyUI's ``diffusion_model`` stays as it is.
"""

from __future__ import annotations

import re

from ...files.peft_names import PEFT_PREFIX
from ..adapter_files import AdapterFiles
from .flattened import unflattened
from .parts import is_of_an_update, split_part

METADATA = "lora_adapter_metadata"  # diffusers' key in a file's header

# What stands before a flattened path, and the part of a pipeline that it means. Whatever is denoised
# with, kohya calls a U-Net.
PREFIXES = {
    "lora_unet": "unet",
    "lora_te": "text_encoder",
    "lora_te1": "text_encoder",
    "lora_te2": "text_encoder_2",
    "lora_te3": "text_encoder_3",
    "lora_transformer": "transformer",
    "lora_prior_unet": "prior",
    "lora_prior_te": "prior_text_encoder",
    "lycoris": "",
}
# VideoX-Fun writes two `_`.
_FLAT = re.compile(rf"({'|'.join(sorted(PREFIXES, key=len, reverse=True))})__?(?P<path>[^.]+)")
# `transformer.h` is GPT-2's, `transformer.layer` DistilBERT's, `transformer.resblocks` OpenCLIP's, `blocks.0.attn.Wqkv` MPT's, and the others torch's, DETR's and Moshi's.
_OF_LANGUAGE = (
    r"h|layer|wte|wpe|resblocks|(encoder|decoder)\.layers|blocks\.[0-9]+\.attn\.Wqkv"
    r"|layers\.[0-9]+\.(self_attn\.((in|out)_projs?|[qkvo]_proj)|cross_attention|multihead_attn|gating|linear[12]|attention\.wqkv|mlp\.fc[12])"
)
_DOTTED = re.compile(
    rf"(unet|prior|transformer(_2)?(?!\.({_OF_LANGUAGE})(\.|$))|text_encoder(_[23])?|text_encoders|controlnet|"
    r"(model\.)?diffusion_model)\..+"
)
# Blocks of what denoises that stand alone in some files (DiffSynth-Studio's, Black Forest Labs', lightning LoRAs), as
# they do in no language model's.
_BLOCKS = re.compile(
    r"((double|single|joint|transformer|single_transformer|double_stream|single_stream|down|up|input|output)_blocks"
    r"|mid_block|middle_block|noise_refiner|context_refiner"
    r"|blocks\.[0-9]+\.(self_attn|cross_attn|ffn)|layers\.[0-9]+\.attention\.(to_[qkv]|to_out|qkv|out))\..+"
)
_DENOISER = "diffusion_model."
_OF_IMAGE = ".dora_scale"  # LyCORIS's name, which language models' trainers have another for
# Attention processors of before PEFT: `attn1.processor.to_q_lora.down.weight`.
_PROCESSOR = re.compile(
    r"(module\.)?(?P<before>.+?)(\.processor)?\.(to_(?P<role>q|k|v|out)|(?P<added>add_[kv]_proj))_lora"
    r"\.(?P<part>\w+)(\.weight)?"
)
_OLD_PART = {"down": "down", "up": "up", "alpha": "alpha"}


def place(name: str, *, bare: str | None = None) -> tuple[str, str] | None:
    """The path of a tensor's module in the pipeline, and the part; None where it is of no update.

    Args:
        name: Of the tensor.
        bare: What to put before a path that names no part of the pipeline, from `root_of_bare`; None
            where such a path is of no image model's.

    Example:
        >>> place("lora_te2_text_model_encoder_layers_31_self_attn_q_proj.lora_up.weight")
        ('text_encoder_2.text_model.encoder.layers.31.self_attn.q_proj', 'up')
        >>> place("unet.mid_block.attentions.0.proj_in.lora.down.weight")
        ('unet.mid_block.attentions.0.proj_in', 'down')
        >>> place("mid_block.attentions.0.attn1.processor.to_out_lora.up.weight")
        ('unet.mid_block.attentions.0.attn1.to_out.0', 'up')
        >>> place("module.mid_block.attentions.0.processor.add_k_proj_lora.up.weight")
        ('unet.mid_block.attentions.0.add_k_proj', 'up')
    """
    if name.startswith(PEFT_PREFIX):
        return None
    if old := _PROCESSOR.fullmatch(name):
        return _of_processor(old)
    found = split_part(name)
    if found is None:
        return None
    path, part = found
    if flat := _FLAT.fullmatch(path):
        root, dotted = PREFIXES[flat[1]], unflattened(flat["path"])
        return (f"{root}.{dotted}" if root else dotted), part
    if _DOTTED.fullmatch(path):
        return found
    return None if bare is None else (bare + path, part)


def root_of_bare(files: AdapterFiles) -> str | None:
    """What stands before paths that name no part of a pipeline: nothing by diffusers' header, else what denoises.

    None where they are of no image model's.
    """
    if METADATA in files.header:
        return ""
    paths = (found[0] for name in files.names if (found := split_part(name)))
    of_image = any(name.endswith(_OF_IMAGE) for name in files.names)
    return _DENOISER if of_image or any(map(_BLOCKS.match, paths)) else None


def _of_processor(old: re.Match[str]) -> tuple[str, str] | None:
    before, role, part = old["before"], old["role"], _OLD_PART.get(old["part"])
    if part is None:
        return None
    if before.startswith("text_encoder") and role:
        return f"{before}.{role}_proj", part
    rooted = before if _DOTTED.fullmatch(before) else f"unet.{before}"
    if old["added"]:
        return f"{rooted}.{old['added']}", part
    return f"{rooted}.to_{role}{'.0' if role == 'out' else ''}", part


def is_flattened(name: str) -> bool:
    """Whether a factor's name has its path flattened, as kohya's and LyCORIS's have."""
    return is_of_an_update(name) and _FLAT.fullmatch(name.partition(".")[0]) is not None


def are_flattened(files: AdapterFiles) -> bool:
    """Whether files without PEFT's configuration are an image model's whose paths are flattened.

    What has diffusers' settings in its header is read by them, whoever's names are in it, too.
    """
    if files.config.get("peft_type") is not None or METADATA in files.header:
        return False
    return any(map(is_flattened, files.names))


def are_dotted(files: AdapterFiles) -> bool:
    """Whether they are an image pipeline's whose paths have their dots."""
    if files.config.get("peft_type") is not None or are_flattened(files):
        return False
    bare = root_of_bare(files)
    return any((found := place(name, bare=bare)) and found[1] != "alpha" for name in files.names)
