"""A base model that is one file: an image model's checkpoint, with its text encoders or without."""

from __future__ import annotations

from ..errors import BaseModelError, LensError
from ..files.local_files import LocalFiles
from ..files.locate import base_path
from ..files.of_others import told_base
from ..files.tensors import open_file
from .configuration import BaseConfiguration, read_configuration
from .image_located import is_of_image_model
from .quantised import without_quantisation
from .quantised.gguf_file import open_gguf
from .weights import BaseWeights

_READ = (".safetensors", ".bin", ".ckpt", ".pt", ".pth")


def is_single_file(base: str) -> bool:
    """Whether a base as typed is a file."""
    try:
        return base_path(base).is_file()
    except OSError:  # a name that is too long
        return False


def configuration_of_gguf(base: str) -> BaseConfiguration | None:
    """What a GGUF file says of its architecture; None of a base that is none, or none that can be read."""
    path = base_path(base)
    if path.suffix.lower() != ".gguf" or not is_single_file(base):
        return None
    try:
        return open_gguf(path)[1]
    except LensError:
        return None


def open_single_file(base: str, *, fan_in_fan_out: bool = False) -> BaseWeights:
    """W0 of a file; ``config.json`` beside it tells the architecture where it is no image model's.

    Raises:
        BaseModelError: It is of another kind.
        FileFormatError: It is truncated, corrupt or unsafe.
    """
    path = base_path(base)
    if path.suffix.lower() == ".gguf":
        weights, of, image = open_gguf(path)
        note = "W0 is what GGUF's types have left of it"
        return BaseWeights(base, weights, of, fan_in_fan_out, (note,), image=image)
    if path.suffix.lower() not in _READ and (what := told_base(path.name)):
        raise BaseModelError(f"{path} is {what}")
    if path.suffix.lower() not in _READ:
        raise BaseModelError(
            f"{path} is a file of {path.suffix or 'no ending'}, expected one of {', '.join((*_READ, '.gguf'))}"
        )
    find = LocalFiles(path.parent)
    tensors = open_file(base, path, path.name, find)
    image = is_of_image_model(tensors.files.keys())
    configuration = BaseConfiguration() if image else read_configuration(find)
    whole, said = without_quantisation(tensors, configuration.settings)
    notes = (said,) if said else ()
    return BaseWeights(base, whole, configuration, fan_in_fan_out, notes, image=image)
