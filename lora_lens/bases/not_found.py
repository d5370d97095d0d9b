"""Why a base has no W0 for a module, as far as its names tell, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection

from .image_rules import KNOWN
from .matching import match_in_base

# Modules that are often tied to the embeddings, or left off.
_HEADS = ("lm_head", "embed_out", "proj_out", "decoder", "classifier", "score")


def why_no_weight(
    path: str,
    names: Collection[str],
    source: str,
    *,
    joined: str | None,
    model_type: str | None,
    quantised: str | None = None,
) -> str:
    """Why no tensor of a transformers model answers to a path.

    Args:
        path: Of the module.
        names: Of the base's tensors.
        source: Of the base.
        joined: A tensor that the module's may be part of.
        model_type: As the base's configuration says it.
        quantised: By whom, as it says, and what to do instead.

    Example:
        >>> why_no_weight("lm_head", ["wte.weight"], "gpt2", joined=None, model_type="gpt2")[:66]
        'no weight of lm_head in gpt2: a head that is tied to the embedding'
    """
    if joined:
        return (
            f"no weight of {path} in {source}; it may be joined or stacked in {joined}, which is not "
            f"taken apart: pass --base with a model whose files have it apart"
        )
    parts = sorted(name for name in names if f".{path}." in f".{name}")
    if quantised and parts:
        return f"no weight of {path} in {source}, but {parts[0]}: it is quantised by {quantised}"
    within = match_in_base(f"{path}.base_layer", names)
    if within:
        return (
            f"no weight of {path} in {source}, but {within[0]}: it was saved with PEFT's layers around its own; save it by "
            f"unload() of the PEFT model, or pass --base with the model that was trained on"
        )
    tail = path.rsplit(".", 1)[-1]
    near = sorted(name for name in names if name.endswith(f".{tail}.weight"))
    have = f"no weight of {path} in {source}" + (f"; it has {near[0]}" if near else "")
    if model_type is None:
        return (
            f"{have}. No config.json there says its model_type, by which renamed modules are found: put "
            f"the model's beside its weights, or pass --base with the adapter's base model"
        )
    if tail in _HEADS:
        return (
            f"{have}: a head that is tied to the embeddings has none of its own, nor has a model "
            f"without a head; name another module, or pass --base with a model that has it"
        )
    return f"{have}. Is it the adapter's base model?"


def why_no_image_weight(path: str, parts: Collection[str | None], source: str) -> str:
    """Why no tensor of an image model answers to a path.

    Args:
        path: Of the module.
        parts: Of the pipeline that the base holds; None for one that says none.
        source: Of the base.

    Example:
        >>> why_no_image_weight("unet.mid", ["vae"], "sdxl")
        "no weight of unet.mid in sdxl; it holds vae. Is it the adapter's base model? Names are matched between diffusers' \
and the original code's of Stable Diffusion 1 to 3 and XL, Flux, Chroma, HunyuanVideo, Wan, LTX and Z-Image; --rename \
OLD=NEW says others"
    """
    held = sorted(part for part in parts if part is not None)
    holds = f"; it holds {', '.join(held)}" if held else ""
    return (
        f"no weight of {path} in {source}{holds}. Is it the adapter's base model? Names are matched "
        f"between diffusers' and the original code's of {KNOWN}; --rename OLD=NEW says others"
    )
