"""Image LoRAs as kohya's sd-scripts and LyCORIS save them: one file, module paths flattened with ``_``.

``lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight`` is the ``proj_in`` of the U-Net's
``down_blocks.0.attentions.0``; s = α/rank with α of the module's own tensor ``.alpha``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from .adapter_files import AdapterFiles
from .format import Checkpoint, Format
from .image.parts import by_module
from .image.places import are_flattened, place
from .image.trained_otherwise import trained_otherwise
from .image.unread_alpha import check_alpha_beside, unread_alpha
from .image.updates import ImageUpdates, by_alpha, read_modules

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
# Of a whole file of blissful-tuner's, whose LoKr has the second and does not follow the first.
RSLORA_FLAG, _LOKR = "use_rslora_flag", "lokr_factor"


def _read(files: AdapterFiles) -> Checkpoint:
    by_root = (
        _LOKR not in files.names and RSLORA_FLAG in files.names and bool(files.number(RSLORA_FLAG))
    )
    found = read_modules(files, by_module(files, place), _by_root if by_root else by_alpha)
    check_alpha_beside(files, found)
    said = (*found.scales("√rank" if by_root else "rank"), *found.notes, *_said(files.header))
    caveats = (
        *unread_alpha(files, found),
        *trained_otherwise(files.header),
        *(_whole_lokr(found) if _LOKR in files.names else ()),
    )
    return found.checkpoint(files, *said, caveats=caveats)


def _by_root(path: str, rank: int | None, alpha: float | None) -> float:
    """s = α/√rank, as under rsLoRA."""
    return by_alpha(path, rank and math.sqrt(rank), alpha)


def _whole_lokr(found: ImageUpdates) -> Iterator[str]:
    if any(one.scaled == "whole" for one in found.modules.values()):
        yield (
            f"the file's {_LOKR} is blissful-tuner's, which trained a LoKr of two whole matrices with s = α/(the larger side of "
            f"lokr_w2), which other loaders pass over: ΔW of such modules is with s = 1 here"
        )


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
    matches=are_flattened,
    read=_read,
    cannot=(
        "whole changes of weights, biases and norms, OFT, GLoRA, IA³ and trained tokens are left out"
    ),
    stems=("last",),
)
