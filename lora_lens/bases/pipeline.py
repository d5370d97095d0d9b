"""A diffusers pipeline as a base: one store of its parts' tensors, named ``unet.…``, ``text_encoder.…``."""

from __future__ import annotations

from pathlib import Path

from ..files.local_files import FindFile
from ..files.mapped import Version
from ..files.tensors import TensorStore
from .stems import OF_PARTS, open_stems

INDEX = "model_index.json"  # what a pipeline's folder has for a configuration
_PARTS = (
    "unet", "transformer", "transformer_2", "text_encoder", "text_encoder_2", "text_encoder_3", "prior",
    "controlnet",
)  # fmt: skip


def open_pipeline(source: str, find: FindFile) -> TensorStore | None:
    """The store of every part that image adapters change; None where this is no pipeline.

    Raises:
        FileFormatError: A file is truncated or corrupt.
    """
    if find(INDEX) is None:
        return None
    files: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    indices: dict[Path, Version] = {}
    for part in _PARTS:

        def inside(name: str, part: str = part) -> Path | None:
            return find(f"{part}/{name}")

        of_part = f"{source}/{part}"
        store = open_stems(of_part, inside, OF_PARTS)
        if store is None:
            continue
        files |= {f"{part}.{name}": f"{part}/{file}" for name, file in store.files.items()}
        indices |= store.indices
        prefixes |= {f"{part}/{file}": f"{part}." for file in store.files.values()}
    return TensorStore(source, files, find, prefixes=prefixes, indices=indices) if files else None
