"""A ``.gguf`` file: llama.cpp's models and adapters, and image models in the same container, by the library ``gguf``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import Tensor
from ...errors import AdapterError, BaseModelError
from ...files.in_memory import nowhere
from ...files.mapped import Content, Version
from ...files.names import check_names
from ...files.tensors import TensorStore
from ...ledger import reads
from ..configuration import BaseConfiguration, configuration_of
from .gguf_names import ARCHITECTURES, IMAGES, Architecture, transformers_name
from .gguf_reader import content, read_gguf, said
from .unquantised import instead

_NAME = "gguf"
ARCHITECTURE = "general.architecture"
_ORIGINAL = "comfy.gguf.orig_shape."


@dataclass(frozen=True)
class GgufFile:
    """A file's weights by the names that others have them by.

    Attributes:
        held: The file's bytes.
        entries: Name to the library's own record of the tensor.
        shapes: Name to (out, in …).
        heads: Of query and of key, where their rows were moved; by the end of the module's name.
        metadata: What the header says of the model, or of the adapter.
    """

    held: Content
    entries: Mapping[str, Any] = field(repr=False)
    shapes: Mapping[str, tuple[int, ...]] = field(repr=False)
    heads: Mapping[str, int]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Of the file."""
        return self.held.path

    @property
    def names(self) -> list[str]:
        """Of the weights, sorted."""
        return sorted(self.entries)

    @property
    def read_from(self) -> dict[Path, Version]:
        """The file, as it was when it was opened."""
        return {self.path: self.held.version}

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
            FileFormatError: The file was written to or cut short since it was opened.
        """
        import gguf

        one = self.entries[name]
        kind, start = one.data.dtype, int(one.data_offset)
        stored = self.held.numbers(start, start + one.data.nbytes, kind.itemsize)
        heads = next((n for end, n in self.heads.items() if name.endswith(f".{end}.weight")), None)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is said by name
                found: NDArray[Any] = gguf.quants.dequantize(
                    stored.view(kind).reshape(one.data.shape), one.tensor_type
                )
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
        """Give back the memory that it takes where it is mapped."""
        one = self.entries[name]
        self.held.release(int(one.data_offset), int(one.data_offset) + one.data.nbytes)

    def __reduce__(self) -> tuple[Any, ...]:
        # What the library has mapped cannot be sent: it is opened there.
        return _open_adapter if is_adapter(self.metadata) else _open_file, (self.path,)

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
    reads(path)
    file = _open_file(path)
    if is_adapter(file.metadata):
        raise BaseModelError(
            f"{path} is an adapter of llama.cpp's, and no base model; pass --base with the model that it is for"
        )
    known = ARCHITECTURES.get(file.metadata.get(ARCHITECTURE, ""))
    settings: dict[str, Any] = {"model_type": known.model_type} if known else {}
    for module, key in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
        if module in file.heads:
            settings[key] = file.heads[module]
    return _store(file), configuration_of(settings), known is None


def open_gguf_adapter(path: Path) -> TensorStore:
    """The tensors of a file that may be an adapter, by their own names; its header says whether it is.

    Raises:
        AdapterError: The library is not installed.
        FileFormatError: The file is truncated or corrupt.
    """
    reads(path)
    return _store(_open_adapter(path))


def is_adapter(header: Mapping[str, str]) -> bool:
    """Whether the header is an adapter's."""
    return header.get("general.type") == "adapter"


def _store(file: GgufFile) -> TensorStore:
    return TensorStore(str(file.path), dict.fromkeys(file.names, _NAME), nowhere, {_NAME: file})


def _open_adapter(path: Path) -> GgufFile:
    missing = AdapterError(
        f'{path} is GGUF: pip install "lora-lens[quantized]" to read it, or take PEFT\'s files that it was made of'
    )
    return _as_it_is(Content(path), read_gguf(path, missing))


def _as_it_is(held: Content, reader: Any) -> GgufFile:
    entries = {one.name: one for one in reader.tensors}
    check_names(held.path, entries)
    shapes = {name: _shape(one) for name, one in entries.items()}
    return GgufFile(held, entries, shapes, {}, said(reader, held.path))


def _shape(entry: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in entry.shape[::-1])


def _open_file(path: Path) -> GgufFile:
    missing = BaseModelError(
        f'{path} is GGUF: pip install "lora-lens[quantized]" to read it, or {instead(path.stem, {})}'
    )
    held = Content(path)
    reader = read_gguf(path, missing)
    header = said(reader, path)
    if is_adapter(header):
        return _as_it_is(held, reader)
    name = header.get(ARCHITECTURE, "")
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
        shapes[mine] = _shape(one)
        if original := reader.fields.get(_ORIGINAL + one.name):
            shapes[mine] = tuple(int(size) for size in content(original, path))
    check_names(path, entries)
    return GgufFile(held, entries, shapes, _heads(reader, name, known, path), header)


def _heads(reader: Any, name: str, known: Architecture | None, path: Path) -> Mapping[str, int]:
    if known is None or not known.moved:
        return {}
    keys = (f"{name}.attention.{key}" for key in ("head_count", "head_count_kv"))
    fields = (reader.fields.get(key) for key in keys)
    counts = [content(one, path) if one is not None else None for one in fields]
    query, key = counts[0], counts[0] if counts[1] is None else counts[1]
    if not isinstance(query, int) or not isinstance(key, int) or min(query, key) < 1:
        raise BaseModelError(
            f"{path} says head_count {query!r} and head_count_kv {key!r}, expected whole numbers, by which the rows "
            f"of query and key are put back; {instead(path.stem, {})}"
        )
    return {"q_proj": query, "k_proj": key}
