"""W0 of any module and layer, found lazily in the base model's checkpoint files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

from jaxtyping import Float

from ..adapter import ModuleFactors, Placement
from ..arrays import Tensor
from ..errors import BaseModelError
from ..files.mapped import Version
from ..files.tensors import TensorStore
from ..sources import StandIn
from .as_stored import checked, is_convolution, joined_rows, rounded_to
from .candidates import all_equal
from .configuration import BaseConfiguration
from .expert_weights import expert_w0
from .image_pieces import ImagePieces
from .model_pieces import ModelPieces
from .orientation import is_conv1d
from .pieces import Piece, Pieces, Slice, whole_tensor
from .quantised.float8 import unscaled
from .renaming import Said, renamed, said


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
            all of them, and names are diffusers' or the code's own, whichever the adapter has.
        placement: Which modules' W0 is not where their paths say, or lies otherwise.
        model_class: Of the model that the adapter was trained on, where it says it.
        renaming: What modules' paths become before they are sought: what is said where it is opened.
        named: Whether it is the one that the adapter names.
        rounded: The dtype that W0 beside factors is rounded to, where a model that was tuned in full was saved in that.
        stand_ins: Path of each module to what is given beside its factors in the place of W0; by default nothing.
    """

    source: str
    tensors: TensorStore
    configuration: BaseConfiguration = field(default_factory=BaseConfiguration)
    fan_in_fan_out: bool = False
    notes: tuple[str, ...] = ()
    commit: str | None = None
    image: bool = False
    placement: Placement = field(default_factory=Placement)
    model_class: str | None = None
    renaming: Said = field(default_factory=said)
    named: bool = False
    rounded: str | None = None
    stand_ins: Mapping[str, StandIn] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<BaseWeights: {self.source}, {len(self.tensors.files):,} tensors>"

    @cached_property
    def _kind(self) -> ImagePieces | ModelPieces:
        return ImagePieces(self.source, self.tensors) if self.image else self._of_model

    @cached_property
    def _of_model(self) -> ModelPieces:
        return ModelPieces(
            self.source, self.tensors, self.configuration, self.model_class, self.named
        )

    @property
    def read_from(self) -> dict[Path, Version]:
        """Its configuration and the files of its tensors, each as it was when it was opened."""
        return {**self.configuration.read_from, **self.tensors.read_from}

    @property
    def model_type(self) -> str | None:
        """As the model's configuration names it."""
        return self.configuration.model_type

    def weight(self, path: str, expected: tuple[int, int] | None = None) -> Float[Tensor, "out in"]:
        """W0 of the module at `path`, as (out, in), in its stored dtype.

        A convolution's is read as out × in·height·width, an embedding's as width × tokens, an expert's
        from the stack that it is in.

        Args:
            path: Of the module.
            expected: Its (out, in), where it is known.

        Raises:
            BaseModelError: No weight answers to the path whatever its prefix and its names before
                transformers 5, or several do that differ; it is quantised, or holds NaN or infinite
                values; or nothing tells which axis is the output.
        """
        pieces = self._pieces(path, expected)
        if len(pieces) > 1:
            expected = None
        table = path in self.placement.tables
        return self._joined(pieces, [self._oriented(one, expected, table=table) for one in pieces])

    def find(self, path: str) -> Sequence[Pieces]:
        """Every W0 that the module at `path` can mean, as pieces below each other; it is right where this is one.

        Raises:
            BaseModelError: A stack may have an expert at `path`, and is of a kind that is not read.
        """
        return self._kind.find(self._path(path))

    def holds(self, path: str) -> bool:
        """Whether there is a W0 of the module at `path`, its own, an expert's, or one that it is tied to.

        Raises:
            BaseModelError: As `find`.
        """
        return bool(self.find(path))

    def release(self, path: str) -> None:
        """Give back the memory that reading the module's W0 has taken; it can be asked for again."""
        for piece in chain.from_iterable(self.find(path)):
            self.tensors.release(piece.name)

    def stored(self, path: str) -> Float[Tensor, "rows columns"]:
        """W0 of the module at `path` as it lies, whichever axis is its output; a convolution's unfolded.

        What is not one whole tensor, an expert's of a stack or rows of several, is (out, in).

        Raises:
            BaseModelError: As `weight`, but that nothing has to tell which axis of a whole tensor is the output.
        """
        return self._lying(self._pieces(path))

    def stored_shape(self, path: str) -> tuple[int, ...]:
        """Shape of W0 of the module at `path`, as it is stored; it is read only where it is not one whole tensor.

        Raises:
            BaseModelError: As `stored`.
        """
        pieces = self._pieces(path)
        name = whole_tensor(pieces)
        return self.tensors.shape(name) if name else tuple(self._lying(pieces).shape)

    def is_tied(self, path: str) -> bool:
        """Whether W0 of the module at `path` is that of another, a head's of the embeddings."""
        return not self.image and self._of_model.is_tied(self._path(path))

    def is_conv1d(self, path: str) -> bool:
        """Whether W0 of the module at `path` is stored (in, out).

        Raises:
            BaseModelError: As `weight`.
        """
        name = None if self.image else whole_tensor(self._pieces(path))
        return name is not None and self._is_conv1d(name, None)

    def _path(self, path: str) -> str:
        """What the base calls a module."""
        return renamed(self.placement.copies.get(path, path), self.renaming)

    def _pieces(self, path: str, expected: tuple[int, int] | None = None) -> Pieces:
        """Of the W0 that is meant; where several can be they are equal."""
        path = self._path(path)
        found = self._kind.find(path, expected)
        if not found:
            raise BaseModelError(self._kind.why_none(path))
        if len(found) > 1 and not all_equal(map(self._compared, found)):
            names = dict.fromkeys(piece.name for piece in chain.from_iterable(found))
            raise BaseModelError(
                f"{path} could be any of {', '.join(names)} in {self.source}, expected one: say which by --rename OLD=NEW"
            )
        return found[0]

    def _oriented(
        self, piece: Piece | Slice, expected: tuple[int, int] | None, *, table: bool
    ) -> Float[Tensor, "out in"]:
        if self.image or isinstance(piece, Slice):
            return self._read(piece, expected)
        w0 = self.tensors.get(piece.name)
        convolution = is_convolution(tuple(w0.shape), expected)
        w0 = self._checked(w0.flatten(1) if convolution else w0, piece.name)
        if table:
            return w0.T
        return w0.T if not convolution and self._is_conv1d(piece.name, expected) else w0

    def _read(
        self, piece: Piece | Slice, expected: tuple[int, int] | None = None
    ) -> Float[Tensor, "rows columns"]:
        """A piece as it lies, a convolution's unfolded; an expert's as (out, in)."""
        if isinstance(piece, Slice):
            return expert_w0(piece, expected, self.tensors, self.configuration, self.source)
        w0 = self.tensors.get(piece.name)
        w0 = self._checked(w0.flatten(1) if w0.ndim > 2 else w0, piece.name)
        return w0[piece.start : piece.stop]

    def _lying(self, pieces: Pieces) -> Float[Tensor, "rows columns"]:
        return self._joined(pieces, [self._read(one) for one in pieces])

    def _joined(
        self, pieces: Pieces, rows: Sequence[Float[Tensor, "_ columns"]]
    ) -> Float[Tensor, "rows columns"]:
        return joined_rows([one.name for one in pieces], rows, self.source)

    def _compared(self, pieces: Pieces) -> Tensor:
        """By which one of several is told from the others: a whole tensor need be no matrix for that."""
        name = whole_tensor(pieces)
        return self.tensors.get(name) if name and not self.image else self._lying(pieces)

    def _checked(self, w0: Tensor, name: str) -> Float[Tensor, "rows columns"]:
        w0 = unscaled(w0, name, self.tensors, self.configuration.settings, self.source)
        return checked(w0, name, self.source)

    def _is_conv1d(self, name: str, expected: tuple[int, int] | None) -> bool:
        return is_conv1d(
            name,
            self.tensors,
            self.configuration,
            expected=expected,
            claimed=self.fan_in_fan_out,
        )

    def w0(self, factors: ModuleFactors, position: int) -> Float[Tensor, "out in"]:
        """W0 of a module's layer at a position, checked against its factors, in its stored dtype.

        Raises:
            BaseModelError: As `weight`; or W0's shape is not B's rows by A's columns.
        """
        path = factors.names[position]
        part = factors.part
        expected = (part.whole if part else factors.out_features, factors.in_features)
        stand_in = self.stand_ins.get(path)
        w0 = self.weight(path if stand_in is None else stand_in.path, expected)
        if tuple(w0.shape) != expected:
            raise BaseModelError(
                f"W0 of {path} in {self.source} is {w0.shape[0]}x{w0.shape[1]}, but the adapter was "
                f"trained on {expected[0]}x{expected[1]}: this is not its base model"
            )
        w0 = w0 if stand_in is None else stand_in.of(w0)
        w0 = part.take(w0) if part else w0
        return w0 if self.rounded is None else rounded_to(w0, self.rounded)
