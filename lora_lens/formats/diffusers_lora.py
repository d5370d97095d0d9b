"""Image LoRAs as diffusers and ComfyUI save them: one file, dotted paths that begin with a pipeline's part.

``unet.down_blocks.0.….to_q.lora_A.weight`` and older spellings; s is α/rank by the settings that newer
files have in their header, or by ``.alpha`` tensors; else 1, which is what loaders take.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Set
from functools import partial
from itertools import chain
from typing import Any

from ..errors import AdapterError
from ..files.json_files import json_of
from ..several import counted
from .adapter_files import AdapterFiles
from .format import Checkpoint, Format
from .image.parts import by_module
from .image.places import METADATA, are_dotted, place, root_of_bare
from .image.trained_otherwise import trained_otherwise
from .image.unread_alpha import check_alpha_beside, unread_alpha
from .image.updates import ImageUpdates, by_alpha, read_modules
from .peft.known import unknown_said
from .peft.settings import Scaling, check_plain


def _read(files: AdapterFiles) -> Checkpoint:
    settings = settings_by_root(files)
    for config in settings.values():
        check_plain({**config, "use_dora": False}, files.source)
    scalings = {root: Scaling(config) for root, config in settings.items()}
    configured: set[str] = set()

    def scale(path: str, rank: int | None, alpha: float | None) -> float:
        found = next((root for root in scalings if path.startswith(root)), None)
        if found is None or rank is None:
            return by_alpha(path, rank, alpha)
        configured.add(path)
        s = scalings[found].of(path.removeprefix(found), rank)
        if alpha is not None and not math.isclose(s, by_alpha(path, rank, alpha), rel_tol=2**-7):
            raise AdapterError(
                f"{files.source}: s of {path} is {s:g} by {METADATA} in its header, as diffusers takes it, and "
                f"{alpha / rank:g} by its tensor .alpha, as ComfyUI does: leave the one by which it was trained"
            )
        return s

    modules = by_module(files, partial(place, bare=root_of_bare(files)))
    found = read_modules(files, modules, scale)
    _check_dora(files, settings, found)
    scales = _scaled(found, settings, configured & found.updates.keys())
    unknown = dict.fromkeys(chain.from_iterable(map(unknown_said, settings.values())))
    alone = found.restricted(found.updates.keys() - configured)
    check_alpha_beside(files, alone)
    said = (*unknown, *unread_alpha(files, alone), *trained_otherwise(files.header))
    return found.checkpoint(files, *scales, *found.notes, caveats=said)


def settings_by_root(files: AdapterFiles) -> dict[str, Mapping[str, Any]]:
    """What a path begins with → PEFT's settings of that part of the pipeline, from the file's header.

    Raises:
        AdapterError: It is no JSON object.
    """
    text = files.header.get(METADATA)
    if text is None:
        return {}
    try:
        said = json_of(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise AdapterError(
            f"{files.source}: {METADATA} in its header is no JSON object: {text[:60]!r}"
        )
    found: dict[str, dict[str, Any]] = {}
    for key, value in said.items():
        root, dot, setting = key.rpartition(".")
        found.setdefault(root + dot, {})[setting] = value
    # A setting's own name has no dot, a part of the pipeline has none of PEFT's settings but these.
    return {root: config for root, config in found.items() if "r" in config}


def _check_dora(
    files: AdapterFiles, settings: Mapping[str, Mapping[str, Any]], found: ImageUpdates
) -> None:
    """Refuse a file that says DoRA of a part of the pipeline and has no norms of one of its modules."""
    for root, config in settings.items():
        for path, update in found.updates.items():
            if config.get("use_dora") and path.startswith(root) and update.magnitude is None:
                raise AdapterError(
                    f"{files.source} says use_dora in its header, but {path} has no lora_magnitude_vector, by which "
                    f"DoRA rescales the rows of W0 + s·B·A"
                )


def _scaled(
    found: ImageUpdates, settings: Mapping[str, Mapping[str, Any]], configured: Set[str]
) -> Iterator[str]:
    """Which scale was applied, and why."""
    if configured:
        stabilised = {bool(config.get("use_rslora")) for config in settings.values()}
        by = " or ".join({False: "α/rank", True: "α/√rank"}[one] for one in sorted(stabilised))
        yield f"s = {by} by {METADATA} in the file's header: {counted(len(configured), 'module')}"
    yield from found.restricted(found.updates.keys() - configured).scales()


FORMAT = Format(
    name="diffusers_lora",
    title="diffusers' and ComfyUI's LoRA",
    matches=are_dotted,
    read=_read,
    cannot="whole changes of weights, biases, norms and trained tokens are left out",
    stems=("pytorch_lora_weights",),
)
