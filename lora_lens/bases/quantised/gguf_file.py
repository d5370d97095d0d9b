"""A ``.gguf`` file: llama.cpp's models, and image models in the same container, by the library ``gguf``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import Tensor
from ...errors import BaseModelError, FileFormatError
from ...files.in_memory import nowhere
from ...files.names import check_names
from ...files.tensors import TensorStore
from ..configuration import BaseConfiguration, configuration_of
from .gguf_header import check_header
from .gguf_names import ARCHITECTURES, IMAGES, Architecture, transformers_name
from .unquantised import instead

_NAME = "gguf"
_ORIGINAL = "comfy.gguf.orig_shape."


@dataclass(frozen=True)
class GgufFile:
    """A file's weights by the names that others have them by.

    Attributes:
        path: Of the file.
        entries: Name to the library's own record of the tensor.
        shapes: Name to (out, in …).
        heads: Of query and of key, where their rows were moved; by the end of the module's name.
    """

    path: Path
    entries: Mapping[str, Any] = field(repr=False)
    shapes: Mapping[str, tuple[int, ...]] = field(repr=False)
    heads: Mapping[str, int]

    @property
    def names(self) -> list[str]:
        """Of the weights, sorted."""
        return sorted(self.entries)

    @property
    def metadata(self) -> Mapping[str, str]:
        """Nothing that is a word of its own."""
        return {}

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a weight."""
        return self.shapes[name]

    def get(self, name: str) -> Tensor:
        """A weight in float32, its rows where transformers has them."""
        import torch

        return torch.from_numpy(self.array(name))

    def array(self, name: str) -> NDArray[Any]:
        """The same as NumPy's array.

        Raises:
            BaseModelError: The library cannot make it floats.
        """
        import gguf

        one = self.entries[name]
        heads = next((n for end, n in self.heads.items() if name.endswith(f".{end}.weight")), None)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is said by name
                found: NDArray[Any] = gguf.quants.dequantize(one.data, one.tensor_type)
            found = found.reshape(self.shapes[name])
            return np.array(found if heads is None else _moved_back(found, heads), np.float32)
        except (NotImplementedError, ValueError) as error:
            kind = getattr(one.tensor_type, "name", one.tensor_type)
            raise BaseModelError(
                f"gguf cannot make {name} of {self.path}, in {kind}, floats: {error}; "
                f"{instead(self.path.stem, {})}"
            ) from None

    def place(self, name: str) -> None:
        """None: what lies in the file is packed."""

    def release(self, name: str) -> None:
        """Nothing: the library has the file mapped."""

    def __reduce__(self) -> tuple[Any, ...]:
        # What the library has mapped cannot be sent: it is opened there.
        return _open_file, (self.path,)

    stays = True


def _moved_back(found: NDArray[Any], heads: int) -> NDArray[Any]:
    """Rows of query or key as halves of each head, which llama.cpp has as pairs."""
    rows, columns = found.shape
    pairs = found.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def open_gguf(path: Path) -> tuple[TensorStore, BaseConfiguration, bool]:
    """The weights, what is known of the model, and whether it is an image model's.

    Raises:
        BaseModelError: The library is not installed, or the architecture is none that is known.
        FileFormatError: The file is truncated or corrupt.
    """
    file = _open_file(path)
    store = TensorStore(str(path), dict.fromkeys(file.names, _NAME), nowhere, {_NAME: file})
    name = _architecture(_read(path), path)
    known = ARCHITECTURES.get(name)
    settings = {"model_type": known.model_type} if known else {}
    return store, configuration_of(settings), known is None


def _open_file(path: Path) -> GgufFile:
    reader = _read(path)
    name = _architecture(reader, path)
    known = ARCHITECTURES.get(name)
    if known is None and name not in IMAGES:
        raise BaseModelError(
            f"{path} is of the architecture {name!r}, expected one of "
            f"{', '.join((*ARCHITECTURES, *sorted(IMAGES)))}: where the rows of others' weights are is not known; "
            f"{instead(path.stem, {})}"
        )
    entries, shapes = {}, {}
    for one in reader.tensors:
        mine = transformers_name(one.name) if known else one.name
        if mine is None:
            continue
        entries[mine] = one
        shapes[mine] = tuple(int(size) for size in one.shape[::-1])
        if original := reader.fields.get(_ORIGINAL + one.name):
            shapes[mine] = tuple(int(size) for size in _content(original, path))
    check_names(path, entries)
    return GgufFile(path, entries, shapes, _heads(reader, name, known, path))


def _heads(reader: Any, name: str, known: Architecture | None, path: Path) -> Mapping[str, int]:
    if known is None or not known.moved:
        return {}
    said = (reader.fields.get(f"{name}.attention.{key}") for key in ("head_count", "head_count_kv"))
    counts = [_content(one, path) if one is not None else None for one in said]
    query, key = counts[0], counts[0] if counts[1] is None else counts[1]
    if not isinstance(query, int) or not isinstance(key, int) or min(query, key) < 1:
        raise BaseModelError(
            f"{path} says head_count {query!r} and head_count_kv {key!r}, expected whole numbers, by which the rows "
            f"of query and key are put back; {instead(path.stem, {})}"
        )
    return {"q_proj": query, "k_proj": key}


def _read(path: Path) -> Any:
    try:
        import gguf
    except ImportError:
        raise BaseModelError(
            f'{path} is GGUF: pip install "lora-lens[quantized]" to read it, or {instead(path.stem, {})}'
        ) from None
    check_header(path)
    try:
        return gguf.GGUFReader(path)
    except Exception as error:  # it raises whatever the broken bytes lead it to
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileFormatError(f"{path} is not a whole GGUF file ({reason})") from None


def _content(field: Any, path: Path) -> Any:
    """What a field says."""
    try:
        return field.contents()
    except Exception as error:  # the bytes of a word, or a number of a type, that are none
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileFormatError(f"{path} is not a whole GGUF file ({reason})") from None


def _architecture(reader: Any, path: Path) -> str:
    said = reader.fields.get("general.architecture")
    found = _content(said, path) if said is not None else None
    return found if isinstance(found, str) else ""
