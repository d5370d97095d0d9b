"""Which part of an image model a path is in: what denoises, or one of the text encoders, whoever names it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

DENOISER = "denoiser"
T5 = "t5"
_OF_FILES = (
    # Of single files: Stable Diffusion 1 and 2, XL and its refiner, and ComfyUI's.
    (r"(?:model\.)?diffusion_model\.", DENOISER),
    # Cosmos and Anima.
    (r"net\.(?=(blocks|llm_adapter|x_embedder|t_embedder|final_layer)\.)", DENOISER),
    (r"cond_stage_model\.(?:transformer|model)\.", "text_encoder"),
    (r"conditioner\.embedders\.0\.transformer\.", "text_encoder"),
    (r"conditioner\.embedders\.[01]\.model\.", "text_encoder_2"),
    (r"text_encoders\.clip_l\.transformer\.", "text_encoder"),
    (r"text_encoders\.clip_g\.transformer\.", "text_encoder_2"),
    (r"text_encoders\.t5xxl\.transformer\.", T5),
)
_FILES = [(re.compile(prefix), part) for prefix, part in _OF_FILES]
_PIPELINE = re.compile(
    r"(unet|transformer(?:_2)?(?=\.)|prior|controlnet|(?:prior_)?text_encoder(?:_[23])?)\."
)
_DENOISERS = ("unet", "transformer", "transformer_2", DENOISER)
_T5 = re.compile(r"encoder\.block\.[0-9]+\.layer\.")
_IMAGE = re.compile(
    r"input_blocks\.[0-9]|double_blocks\.[0-9]|joint_blocks\.[0-9]|transformer_blocks\.[0-9]|single_blocks\.[0-9]|"
    r"blocks\.[0-9]+\.cross_attn\.|down_blocks\.[0-9]"
)


class Located(NamedTuple):
    """A path by its part, and what is left of it there."""

    part: str | None
    rest: str


def located(path: str) -> Located:
    """Part and rest; no part where the path does not say it.

    Example:
        >>> located("model.diffusion_model.out.2"), located("img_in")
        (Located(part='denoiser', rest='out.2'), Located(part=None, rest='img_in'))
        >>> located("text_encoder_2.text_model.encoder.layers.0.mlp.fc1")
        Located(part='text_encoder_2', rest='encoder.layers.0.mlp.fc1')
    """
    part, rest = None, path
    for prefix, name in _FILES:
        if found := prefix.match(path):
            part, rest = name, path[found.end() :]
    # OpenCLIP's `transformer.resblocks`.
    if part is None and not path.startswith("transformer.resblocks."):
        found = _PIPELINE.match(path)
        part, rest = (found[1], path[found.end() :]) if found else (None, path)
    rest = rest.removeprefix("text_model.")
    if _T5.match(rest):  # SD3's third encoder, Flux's second
        part = T5
    return Located(part, rest)


def may_be(asked: str | None, held: str | None) -> bool:
    """Whether what is called `asked` by an adapter may be a base's part `held`; None is not said.

    What denoises is a U-Net to kohya, whatever it is.
    """
    if asked is None or held is None or asked == held:
        return True
    return asked in ("unet", "transformer", DENOISER) and held in _DENOISERS


def is_of_image_model(names: Iterable[str]) -> bool:
    """Whether a single file's names are those of an image model."""
    return any(
        _IMAGE.match(located(name).rest) or any(prefix.match(name) for prefix, _ in _FILES)
        for name in names
    )
