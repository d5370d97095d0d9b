"""Where a whole model lies that was tuned in full, and what one is that is no such model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import LensError
from .adapters_in import ALONE, ENDINGS, Place, adapters_below, is_adapter
from .held_factors import held_factors, what_to_do
from .hub_adapters import hub_id
from .hub_cache import snapshot_in
from .json_files import object_in
from .local_files import LocalFiles
from .locate import user_path
from .of_others import told_of
from .peft_names import CONFIG
from .tensors import TensorStore, open_tensors

WHOLE = ("model", "pytorch_model")  # what a whole model's weights are called
_INDEX = ".index.json"


def find_model(path: str | Path, stems: Sequence[str]) -> Place | None:
    """The place of a whole model where `path` means one, and no adapter there or below.

    Args:
        path: As typed: a folder, its file of weights, or a hub id, of which files may be downloaded.
        stems: What files with an adapter's tensors are called, without their endings.
    """
    here, named = snapshot_in(user_path(path)), None
    if os.path.isfile(here) and here.name in _model_files():  # noqa: PTH113
        here, named = here.parent, here.name
    if os.path.isdir(here):  # noqa: PTH112
        if is_adapter(here, stems) or not model_file(here) or _of_opendelta(here):
            return None
        if any(adapters_below(here, stems)):
            return None
        if named in (None, model_file(here)):
            return Place(str(here), LocalFiles(here))
        return Place(str(here / named), LocalFiles(here), named)
    hub = None if os.path.isfile(here) else hub_id(path)  # noqa: PTH113
    if hub is None or hub.within.endswith(ALONE) or hub(CONFIG) or not hub("config.json"):
        return None
    return Place(hub.name, hub) if any(map(hub, _model_files())) else None


def open_whole(place: Place) -> TensorStore | None:
    """The tensors of a whole model at a place: of the file that was named, or of the first of the usual names.

    Raises:
        FileFormatError: They are truncated, corrupt or unsafe.
    """
    if place.file is None:
        return open_tensors(place.source, place.find, WHOLE, ENDINGS)
    name = Path(place.file.removesuffix(_INDEX))
    return open_tensors(place.source, place.find, (name.stem,), (name.suffix,))


def told_as_whole(folder: Path) -> str:
    """What a folder that holds a whole model is, as the rest of a sentence; empty where it holds none."""
    whole = model_file(folder)
    if not whole:
        return ""
    if alpha := _of_opendelta(folder):
        return (
            f"holds OpenDelta's LoRA: put {alpha} into {CONFIG} beside {whole}, and name that file"
        )
    if factors := held_factors(files := _tensors_in(folder)):
        return what_to_do(factors, files)
    return (
        f"is no adapter: it holds a whole model, and no {CONFIG}; of one that was tuned in full `lora-lens spectrum`, `compare` "
        f"and others take ΔW, with --base the model that it was tuned from{told_of(folder)}"
    )


def model_file(folder: Path) -> str:
    """The file of a whole model in a folder, or the index of its parts; empty where there is none."""
    return next((name for name in _model_files() if (folder / name).is_file()), "")


def _tensors_in(folder: Path) -> Mapping[str, str]:
    """Each of a whole model's tensors to its file; none where they cannot be opened, which is for whoever reads them to say."""
    try:
        tensors = open_whole(Place(str(folder), LocalFiles(folder)))
    except LensError:
        return {}
    return tensors.files if tensors else {}


def _model_files() -> Iterator[str]:
    for ending in ENDINGS:  # in the order of `open_tensors`
        for stem in WHOLE:
            yield f"{stem}{ending}"
            yield f"{stem}{ending}{_INDEX}"


def _of_opendelta(folder: Path) -> str:
    """The α that OpenDelta's configuration says, as it has to be said; empty where it is none of LoRA's."""
    said = object_in(folder / "config.json")
    if said.get("delta_type") != "lora":
        return ""
    return json.dumps({"lora_alpha": said.get("lora_alpha")})
