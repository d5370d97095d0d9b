"""W0 of any module and layer, found lazily in the base model's checkpoint files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from jaxtyping import Float

from ..adapter import ModuleFactors
from ..arrays import Tensor
from ..errors import BaseModelError
from ..files.tensors import TensorStore
from .configuration import BaseConfiguration
from .image_names import ImageNames, Piece
from .image_rules import KNOWN
from .names import BaseNames
from .orientation import is_conv1d
from .renaming import Said, renamed, said
from .tied import tied_to

# Modules that are often tied to the embeddings, or left off.
_HEADS = ("lm_head", "embed_out", "proj_out", "decoder", "classifier", "score")
_FLOATS_OF_8 = ("torch.float8_e4m3fn", "torch.float8_e5m2")
_STORED_FLOATS = ("float64", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class BaseWeights:
    """A base model's weights, opened but not loaded.

    Attributes:
        source: Folder or hub id, with its revision where one was asked for.
        tensors: Its tensors by name.
        configuration: What its ``config.json`` says of its architecture.
        fan_in_fan_out: Whether the adapter says that W0 is stored (in, out), of one module at least.
        notes: What a reader of its numbers should know, a sentence each.
        commit: Of the hub's repository that its files are of, asked for or not; None for other folders.
        image: Whether it is an image model, diffusers' or a single file of its own code: W0 is (out, in) in
            all of them, a convolution's is read as out × in·height·width, and names are diffusers' or
            the code's own, whichever the adapter has.
        renaming: What modules' paths become before they are sought: what is said where it is opened.
    """

    source: str
    tensors: TensorStore
    configuration: BaseConfiguration = field(default_factory=BaseConfiguration)
    fan_in_fan_out: bool = False
    notes: tuple[str, ...] = ()
    commit: str | None = None
    image: bool = False
    renaming: Said = field(default_factory=said)

    @cached_property
    def _names(self) -> BaseNames:
        return BaseNames(self.tensors.files, self.configuration.settings)

    @cached_property
    def _image_names(self) -> ImageNames:
        return ImageNames(self.tensors.files, self.tensors.shape)

    @property
    def model_type(self) -> str | None:
        """As the model's configuration names it."""
        return self.configuration.model_type

    def weight(self, path: str, expected: tuple[int, int] | None = None) -> Float[Tensor, "out in"]:
        """W0 of the module at `path`, as (out, in), in its stored dtype.

        Args:
            path: Of the module.
            expected: Its (out, in), where it is known.

        Raises:
            BaseModelError: No weight answers to the path whatever its prefix and its names before
                transformers 5, or several do that differ; it is quantised, or holds NaN or infinite
                values; or nothing tells which axis is the output.
        """
        path = renamed(path, self.renaming)
        if self.image:
            return self._of_image(path)
        name = self._name(path)
        w0 = self.tensors.get(name)
        w0 = checked(self._plain(w0), name, self.source)
        return w0.T if self._is_conv1d(name, expected) else w0

    def release(self, path: str) -> None:
        """Give back the memory that reading the module's W0 has taken; it can be asked for again."""
        path = renamed(path, self.renaming)
        pieces = chain.from_iterable(self._image_names.find(path)) if self.image else ()
        for name in [one.name for one in pieces] or [self._name(path)]:
            self.tensors.release(name)

    def _of_image(self, path: str) -> Float[Tensor, "out in"]:
        found = self._image_names.find(path)
        if not found:
            raise BaseModelError(self._no_image(path))
        first, *others = (self._joined(pieces) for pieces in found)
        if any(first.shape != other.shape or not bool((first == other).all()) for other in others):
            names = ", ".join(dict.fromkeys(one.name for pieces in found for one in pieces))
            raise BaseModelError(f"{path} could be any of {names} in {self.source}")
        return first

    def _joined(self, pieces: Sequence[Piece]) -> Float[Tensor, "out in"]:
        """Rows of one or several tensors below each other."""
        rows = []
        for piece in pieces:
            w0 = self.tensors.get(piece.name)
            w0 = w0.flatten(1) if w0.ndim > 2 else w0  # a convolution's
            rows.append(checked(self._plain(w0), piece.name, self.source)[piece.start : piece.stop])
        if len(rows) == 1:
            return rows[0]
        import torch

        return torch.cat(rows)

    def _no_image(self, path: str) -> str:
        parts = [part for part in self._image_names.parts if part is not None]
        holds = f"; it holds {', '.join(sorted(parts))}" if parts else ""
        return (
            f"no weight of {path} in {self.source}{holds}. Is it the adapter's base model? Names are matched "
            f"between diffusers' and the original code's of {KNOWN}; --rename OLD=NEW says others"
        )

    def _plain(self, w0: Tensor) -> Tensor:
        """Floats of 8 bits that nothing beside them scales are numbers as they are, which few can compute with."""
        as_they_are = "quantization_config" not in self.configuration.settings
        return w0.float() if as_they_are and str(w0.dtype) in _FLOATS_OF_8 else w0

    def is_conv1d(self, path: str) -> bool:
        """Whether W0 of the module at `path` is stored (in, out).

        Raises:
            BaseModelError: As `weight`.
        """
        name = renamed(path, self.renaming)
        return not self.image and self._is_conv1d(self._name(name), None)

    def _is_conv1d(self, name: str, expected: tuple[int, int] | None) -> bool:
        return is_conv1d(
            name,
            self.tensors,
            self.configuration,
            expected=expected,
            claimed=self.fan_in_fan_out,
        )

    def _name(self, path: str) -> str:
        found = self._names.find(path) or tied_to(
            path, self.tensors.files, self.configuration.settings
        )
        if not found or not self._all_equal(found):
            raise BaseModelError(self._not_one(path, found))
        return found[0]

    def w0(self, factors: ModuleFactors, position: int) -> Float[Tensor, "out in"]:
        """W0 of a module's layer at a position, checked against its factors, in its stored dtype.

        Raises:
            BaseModelError: As `weight`; or W0's shape is not B's rows by A's columns.
        """
        path = factors.names[position]
        part = factors.part
        expected = (part.whole if part else factors.out_features, factors.in_features)
        w0 = self.weight(path, expected)
        if tuple(w0.shape) != expected:
            raise BaseModelError(
                f"W0 of {path} in {self.source} is {w0.shape[0]}x{w0.shape[1]}, but the adapter was "
                f"trained on {expected[0]}x{expected[1]}: this is not its base model"
            )
        return part.take(w0) if part else w0

    def _all_equal(self, names: list[str]) -> bool:
        """Whether the tensors of these names are one and the same, as tied weights are."""
        first = self.tensors.get(names[0]) if len(names) > 1 else None
        return first is None or all(
            first.shape == (other := self.tensors.get(name)).shape and bool((first == other).all())
            for name in names[1:]
        )

    def _not_one(self, path: str, found: list[str]) -> str:
        if found:
            return f"{path} could be any of {', '.join(found)} in {self.source}"
        joined = self._names.joined(path)
        if joined:
            return (
                f"no weight of {path} in {self.source}; it may be joined or stacked in {joined}, which is not "
                f"taken apart: pass --base with a model whose files have it apart"
            )
        tail = path.rsplit(".", 1)[-1]
        near = sorted(name for name in self.tensors.files if name.endswith(f".{tail}.weight"))
        have = f"no weight of {path} in {self.source}" + (f"; it has {near[0]}" if near else "")
        if self.model_type is None:
            return (
                f"{have}. No config.json there says its model_type, by which renamed modules are found: put "
                f"the model's beside its weights, or pass --base with the adapter's base model"
            )
        if tail in _HEADS:
            return (
                f"{have}: a head that is tied to the embeddings has none of its own, nor has a model "
                f"without a head; name another module, or pass --base with a model that has it"
            )
        return f"{have}. Is it the adapter's base model?"


def checked(w0: Tensor, name: str, source: str) -> Tensor:
    """W0 as it is stored.

    Raises:
        BaseModelError: It is no matrix of floats, or holds NaN or infinite values.
    """
    dtype = str(w0.dtype).removeprefix("torch.")
    if dtype not in _STORED_FLOATS or w0.ndim != 2:
        raise BaseModelError(
            f"{name} of {source} is a {w0.ndim}-dimensional {dtype} tensor; "
            f"expected a matrix of floats. Pass --base with the unquantised model"
        )
    if not _is_finite(w0):
        raise BaseModelError(f"{name} of {source} holds NaN or infinite values")
    return w0


def _is_finite(w0: Tensor) -> bool:
    """Whether all entries are; the sum, one pass without a mask, settles it but for an overflow."""
    return bool(w0.sum().isfinite()) or bool(w0.isfinite().all())
