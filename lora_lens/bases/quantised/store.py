"""A store whose quantised weights are floats when they are asked for, under the names that others have them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...arrays import Tensor
from ...errors import BaseModelError
from ...files.mapped import Version
from ...files.tensors import TensorStore
from .unquantised import instead

_NAME = "dequantised"


@dataclass(frozen=True)
class Scheme:
    """One way to keep weights in fewer bits.

    Attributes:
        title: As sentences name it.
        find: From a store and the base's configuration, the name that each quantised weight has without
            quantisation, to the tensors that hold it, the first of which is the packed one.
        shape: Of one of them, as it was.
        read: One of them in floats.
    """

    title: str
    find: Callable[[TensorStore, Mapping[str, Any]], Mapping[str, tuple[str, ...]]]
    shape: Callable[[Packed], tuple[int, ...]]
    read: Callable[[Packed], Tensor]


@dataclass(frozen=True)
class Packed:
    """A quantised weight.

    Attributes:
        name: Without quantisation.
        parts: The tensors that hold it.
        store: Of these.
        settings: The base's configuration.
    """

    name: str
    parts: tuple[str, ...]
    store: TensorStore
    settings: Mapping[str, Any]

    def get(self, part: str) -> Tensor:
        """One of the tensors, by how its name ends."""
        return self.store.get(self.part(part))

    def part(self, ending: str) -> str:
        """The name of that tensor."""
        return next(name for name in self.parts if name.endswith(ending))

    def has(self, ending: str) -> bool:
        """Whether there is such a tensor."""
        return any(name.endswith(ending) for name in self.parts)

    @property
    def quantisation(self) -> Mapping[str, Any]:
        """What the configuration says of how it was quantised."""
        found = self.settings.get("quantization_config")
        return found if isinstance(found, Mapping) else {}

    @property
    def instead(self) -> str:
        """What to do where it cannot be made floats."""
        return instead(self.store.source, self.settings, self.store.find)


@dataclass(frozen=True)
class QuantisedFile:
    """Quantised weights by name, as if they were in a file, in floats; `store` has them as they are."""

    packed: Mapping[str, tuple[Scheme, Packed]]
    store: TensorStore
    stays = True  # where the store is sent to another process

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a weight as it was."""
        scheme, packed = self.packed[name]
        return scheme.shape(packed)

    def get(self, name: str) -> Tensor:
        """A weight in floats, on the CPU.

        Raises:
            BaseModelError: The library gives one of another shape than it was.
        """
        scheme, packed = self.packed[name]
        found, shape = scheme.read(packed), scheme.shape(packed)
        if tuple(found.shape) != shape:
            raise BaseModelError(
                f"{name} of {packed.store.source} was {list(shape)} before it was quantised, and {scheme.title} gives "
                f"{list(found.shape)}: its parts do not go together; {packed.instead}"
            )
        return found

    def array(self, name: str) -> NDArray[Any] | None:
        """None: the libraries give torch's."""

    def place(self, name: str) -> None:
        """None: what lies in the file is packed."""

    def release(self, name: str) -> None:
        """Give back the memory that reading has taken."""
        _, packed = self.packed[name]
        for part in packed.parts:
            packed.store.release(part)

    @property
    def read_from(self) -> dict[Path, Version]:
        """All files of the store that has them packed, each as it was when it was opened."""
        return self.store.read_from


def without_quantisation(
    store: TensorStore, settings: Mapping[str, Any]
) -> tuple[TensorStore, str | None]:
    """The store with its quantised weights by their own names, and what is to be said of it; itself where none is.

    Args:
        store: Of the base's files.
        settings: The base's configuration.
    """
    from . import SCHEMES

    packed: dict[str, tuple[Scheme, Packed]] = {}
    titles: list[str] = []
    for scheme in SCHEMES:
        found = scheme.find(store, settings)
        packed |= {
            name: (scheme, Packed(name, parts, store, settings)) for name, parts in found.items()
        }
        titles += [scheme.title] if found else []
    if not packed:
        return store, None
    used = {part for _, one in packed.values() for part in one.parts}
    rest = {name: file for name, file in store.files.items() if name not in used}
    whole = TensorStore(
        store.source,
        rest | dict.fromkeys(packed, _NAME),
        store.find,
        {**store.opened, _NAME: QuantisedFile(packed, store)},
        store.prefixes,
    )
    return (
        whole,
        f"W0 of {len(packed)} weights is read from {' and '.join(titles)}: not all that the model had",
    )
