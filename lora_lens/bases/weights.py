"""W0 of any module and layer, found lazily in the base model's checkpoint files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from jaxtyping import Float

from ..adapter import ModuleFactors, Placement
from ..arrays import Tensor
from ..errors import BaseModelError
from ..files.tensors import TensorStore
from .as_stored import checked, is_convolution, joined_rows, rounded_to
from .candidates import all_equal, fitting
from .configuration import BaseConfiguration
from .expert_weights import expert_w0
from .experts import WHOLE_STACKS, halves_of
from .image_names import ImageNames, Piece
from .image_weights import image_w0
from .names import BaseNames
from .not_found import why_no_weight
from .orientation import is_conv1d
from .quantised.float8 import unscaled
from .quantised.unquantised import instead
from .renaming import Said, renamed, said
from .tied import tied_to
from .towers import of_tower


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

    def __repr__(self) -> str:
        return f"<BaseWeights: {self.source}, {len(self.tensors.files):,} tensors>"

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
        return self._found(self._path(path), expected, table=path in self.placement.tables)

    def _path(self, path: str) -> str:
        """What the base calls a module."""
        return renamed(self.placement.copies.get(path, path), self.renaming)

    def _found(
        self, path: str, expected: tuple[int, int] | None = None, *, table: bool = False
    ) -> Float[Tensor, "out in"]:
        """W0 by the base's own path."""
        if self.image:
            return self._of_image(path)
        if self._is_of_experts(path):
            return self._of_expert(path, expected)
        name = self._name(path, expected)
        w0 = self.tensors.get(name)
        convolution = is_convolution(tuple(w0.shape), expected)
        if convolution:
            w0 = w0.flatten(1)
        w0 = self._checked(w0, name)
        if table:
            return w0.T
        return w0.T if not convolution and self._is_conv1d(name, expected) else w0

    def release(self, path: str) -> None:
        """Give back the memory that reading the module's W0 has taken; it can be asked for again."""
        self._release(self._path(path))

    def _release(self, path: str) -> None:
        if self.image:
            for piece in chain.from_iterable(self._image_names.find(path)):
                self.tensors.release(piece.name)
        elif not self._is_of_experts(path):
            for name in self._all_names(path):
                self.tensors.release(name)
        elif found := self._names.slice_of(path):
            self.tensors.release(found.stack)
        else:
            for half in halves_of(path) or ():
                self._release(half)

    def _is_of_experts(self, path: str) -> bool:
        if ".experts." in path:
            return not self._names.find(path)
        if not path.endswith(WHOLE_STACKS) or self._names.find(path):
            return False
        return self._names.slice_of(path) is not None

    def _of_expert(self, path: str, expected: tuple[int, int] | None) -> Float[Tensor, "out in"]:
        """W0 of one expert of a stack, or of two matrices of which it is made."""
        halves, found = halves_of(path), self._names.slice_of(path)
        if halves and all(self._names.find(half) for half in halves):
            return joined_rows(halves, [self._found(half) for half in halves], self.source)
        if found is None:
            raise BaseModelError(self._why_none(path))
        return expert_w0(found, expected, self.tensors, self.configuration, self.source)

    def stored_shape(self, path: str) -> tuple[int, ...]:
        """Shape of W0 of the module at `path`, as it is stored; it is not read.

        Raises:
            BaseModelError: As `weight`.
        """
        path = self._path(path)
        if not self.image:
            return self.tensors.shape(self._name(path))
        found = self._image_names.find(path)
        if len(found) == 1 and found[0] == (Piece(found[0][0].name),):
            return self.tensors.shape(found[0][0].name)
        return tuple(self._of_image(path).shape)

    def holds(self, path: str) -> bool:
        """Whether a tensor answers to the module at `path`, its own or one that it is tied to."""
        path = self._path(path)
        if self.image:
            return bool(self._image_names.find(path))
        return bool(self._all_names(path))

    def is_tied(self, path: str) -> bool:
        """Whether W0 of the module at `path` is that of another, a head's of the embeddings."""
        path = self._path(path)
        if self.image or self._names.find(path):
            return False
        return bool(tied_to(path, self.tensors.files, self.configuration.settings))

    def holds_expert(self, path: str) -> bool:
        """Whether there is a W0 of ``….experts.3.down_proj``, in a stack or apart."""
        path = self._path(path)
        halves = halves_of(path)
        if self._names.find(path) or (halves and all(map(self._names.find, halves))):
            return True
        found = self._names.slice_of(path)
        shape = self.tensors.shape(found.stack) if found else ()
        return found is not None and len(shape) == 3 and found.expert < shape[0]

    def stored(self, path: str) -> Float[Tensor, "rows columns"]:
        """W0 of the module at `path` as it lies, whichever axis is its output; a convolution's unfolded.

        Raises:
            BaseModelError: As `weight`, but that nothing has to tell which axis is the output.
        """
        return self._matrix(self._name(self._path(path)))

    def release_stored(self, path: str) -> None:
        """Give back the memory that `stored` has taken."""
        self.tensors.release(self._name(self._path(path)))

    def _of_image(self, path: str) -> Float[Tensor, "out in"]:
        return image_w0(path, self._image_names, self._matrix, self.source)

    def _matrix(self, name: str) -> Float[Tensor, "rows columns"]:
        """A tensor as it lies, a convolution's unfolded."""
        w0 = self.tensors.get(name)
        return self._checked(w0.flatten(1) if w0.ndim > 2 else w0, name)

    def _checked(self, w0: Tensor, name: str) -> Float[Tensor, "rows columns"]:
        w0 = unscaled(w0, name, self.tensors, self.configuration.settings, self.source)
        return checked(w0, name, self.source)

    def is_conv1d(self, path: str) -> bool:
        """Whether W0 of the module at `path` is stored (in, out).

        Raises:
            BaseModelError: As `weight`.
        """
        return not self.image and self._is_conv1d(self._name(self._path(path)), None)

    def _is_conv1d(self, name: str, expected: tuple[int, int] | None) -> bool:
        return is_conv1d(
            name,
            self.tensors,
            self.configuration,
            expected=expected,
            claimed=self.fan_in_fan_out,
        )

    def _name(self, path: str, expected: tuple[int, int] | None = None) -> str:
        found = self._all_names(path)
        if expected is not None:
            found = fitting(found, self.tensors, expected, own=self.named)
        if not found:
            raise BaseModelError(self._why_none(path))
        if not all_equal(found, self.tensors):
            raise BaseModelError(
                f"{path} could be any of {', '.join(found)} in {self.source}, expected one: say which by --rename OLD=NEW"
            )
        return found[0]

    def _all_names(self, path: str) -> list[str]:
        """Every tensor that can be meant."""
        fused = f"{path}.in_proj_weight"  # torch's own attention, which is one module
        found = [fused] if fused in self.tensors.files else self._names.find(path)
        found = of_tower(found, self.model_class)
        return found or tied_to(path, self.tensors.files, self.configuration.settings)

    def _why_none(self, path: str) -> str:
        joined, names = self._names.joined(path), self.tensors.files
        settings = self.configuration.settings
        said = settings.get("quantization_config")
        by = said.get("quant_method") if isinstance(said, Mapping) else None
        way_out = instead(self.source, settings, self.tensors.find)
        return why_no_weight(
            path, names, self.source, joined=joined, model_type=self.model_type,
            quantised=f"{by}, whose numbers are not unpacked here; {way_out}" if isinstance(by, str) else None,
        )  # fmt: skip

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
        w0 = part.take(w0) if part else w0
        return w0 if self.rounded is None else rounded_to(w0, self.rounded)
