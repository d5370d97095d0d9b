"""Image LoRAs as kohya's sd-scripts and LyCORIS save them: one file, module paths flattened with ``_``.

``lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight`` is the ``proj_in`` of the U-Net's
``down_blocks.0.attentions.0``; s = α/rank with α of the module's own tensor ``.alpha``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from ..errors import AdapterError
from .adapter_files import AdapterFiles
from .flattened import unflattened
from .format import Checkpoint, Format, of_factors
from .image_parts import by_module, is_of_an_update, reason_left_out, split_part
from .image_updates import ImageUpdates, read_modules

# What stands before a module's path, and the part of a diffusers pipeline that it means. Whatever is
# denoised with is called a U-Net here.
_PREFIXES = {
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
_PREFIX = re.compile(rf"({'|'.join(sorted(_PREFIXES, key=len, reverse=True))})_(?P<path>[^.]+)")
# From a trainer's header, what tells which model and which method.
_SAID = {
    "ss_base_model_version": "base model",
    "modelspec.architecture": "architecture",
    "ss_network_module": "made by",
    "ss_network_dim": "dim",
    "ss_network_alpha": "alpha",
    "ss_network_args": "arguments",
}
_LONGEST = 120


def _place(name: str) -> tuple[str, str] | None:
    """Path in the base model and part, of a tensor's name.

    Example:
        >>> _place("lora_te2_text_model_encoder_layers_31_self_attn_q_proj.lora_up.weight")
        ('text_encoder_2.text_model.encoder.layers.31.self_attn.q_proj', 'up')
    """
    found = split_part(name)
    flat = _PREFIX.fullmatch(found[0]) if found else None
    if found is None or flat is None:
        return None
    root, path = _PREFIXES[flat[1]], unflattened(flat["path"])
    return (f"{root}.{path}" if root else path), found[1]


def _matches(files: AdapterFiles) -> bool:
    named = files.config.get("peft_type") is None
    return named and any(_place(name) and is_of_an_update(name) for name in files.names)


def _read(files: AdapterFiles) -> Checkpoint:
    found = read_modules(files, by_module(files, _place), _scale)
    return of_factors(
        files,
        found.updates,
        method=found.method,
        title=found.title,
        why=reason_left_out,
        left_out=found.left_out,
        notes=(*_scaled(files, found), *found.notes, *_said(files.header)),
    )


def _scale(path: str, rank: int | None, alpha: float | None) -> float:
    if alpha is None or rank is None:
        return 1.0
    if alpha == 0 or not math.isfinite(alpha):
        raise AdapterError(
            f"the α of {path} is {alpha:g}, expected a finite number above or below 0: some loaders take 0 for "
            f"the rank, and others for no update"
        )
    return alpha / rank


def _scaled(files: AdapterFiles, found: ImageUpdates) -> Iterator[str]:
    """Which scale was applied, and why."""
    if found.scaled:
        yield f"s = α/rank, α of each module's own tensor .alpha: {_modules(found.scaled)}"
    whole = len(found.updates) - found.scaled - found.without
    if whole:
        yield f"s = 1 where both matrices of a LoKr are whole, as LyCORIS trains it: {_modules(whole)}"
    if found.without:
        header = files.header.get("ss_network_alpha"), files.header.get("ss_network_dim")
        more = ""
        if header[0] not in (None, "None") and header[0] != header[1]:
            more = (
                f"; the header says alpha {header[0]} and dim {header[1]}, which no loader looks at"
            )
        yield f"s = 1 where there is no .alpha, as loaders take it: {_modules(found.without)}{more}"


def _modules(count: int) -> str:
    return f"{count} module{'' if count == 1 else 's'}"


def _said(header: Mapping[str, str]) -> Iterator[str]:
    """What the trainer wrote into the header."""
    words = [
        f"{word} {' '.join(header[key].split())[:_LONGEST]}"
        for key, word in _SAID.items()
        if header.get(key) not in (None, "", "None", "{}")
    ]
    if words:
        yield f"the file's header says: {', '.join(words)}"


FORMAT = Format(
    name="kohya",
    title="kohya's and LyCORIS's LoRA, LoHa and LoKr",
    matches=_matches,
    read=_read,
    cannot=(
        "DoRA is refused; whole changes of weights, biases and norms, OFT, GLoRA, IA³ and trained tokens are left "
        "out"
    ),
    stems=("last",),
)
