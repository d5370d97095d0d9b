"""W0 of any module and layer, found lazily in the base model's checkpoint files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jaxtyping import Float

from ..adapter import Adapter, ModuleFactors
from ..arrays import Tensor
from ..errors import BaseModelError, FileFormatError
from ..files.locate import (
    DEMO_BASE,
    HubFiles,
    is_hub_id,
    local_folder,
    read_json,
)
from ..files.tensors import (
    FindFile,
    LocalFiles,
    TensorStore,
    open_tensors,
)
from .names import BaseNames

# Models whose projections are Conv1D, which stores W0 as (in, out).
CONV1D_MODELS = frozenset({"gpt2", "openai-gpt", "imagegpt", "decision_transformer"})
_STEMS = ("model", "pytorch_model", "model.fp16", "pytorch_model.fp16")
_STORED_FLOATS = ("float64", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class BaseWeights:
    """A base model's weights, opened but not loaded.

    Attributes:
        source: Folder or hub id.
        tensors: Its tensors by name.
        transposed: Whether W0 is stored (in, out), as in GPT-2's Conv1D.
        model_type: As the model's configuration names it.
        config: The whole of that configuration; empty where there is none.
    """

    source: str
    tensors: TensorStore
    transposed: bool
    model_type: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def _names(self) -> BaseNames:
        return BaseNames(self.tensors.files, self.config)

    def weight(self, path: str) -> Float[Tensor, "out in"]:
        """W0 of the module at `path`, as (out, in), in its stored dtype.

        Raises:
            BaseModelError: No weight answers to the path whatever its prefix and its names before
                transformers 5, or several do that differ; or it is quantised, or holds NaN or
                infinite values.
        """
        found = self._names.find(path)
        if not found or not self._all_equal(found):
            raise BaseModelError(self._not_one(path, found))
        w0 = self.tensors.get(found[0])
        dtype = str(w0.dtype).removeprefix("torch.")
        if dtype not in _STORED_FLOATS or w0.ndim != 2:
            raise BaseModelError(
                f"{found[0]} of {self.source} is a {w0.ndim}-dimensional {dtype} tensor; "
                f"expected a matrix of floats. Pass --base with the unquantised model"
            )
        if not _is_finite(w0):
            raise BaseModelError(f"{found[0]} of {self.source} holds NaN or infinite values")
        return w0.T if self.transposed else w0

    def w0(self, factors: ModuleFactors, position: int) -> Float[Tensor, "out in"]:
        """W0 of a module's layer at a position, checked against its factors, in its stored dtype.

        Raises:
            BaseModelError: As `weight`; or W0's shape is not B's rows by A's columns.
        """
        path = factors.names[position]
        w0, part = self.weight(path), factors.part
        expected = (part.whole if part else factors.out_features, factors.in_features)
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


def open_base(base: str, *, download: bool = False, fan_in_fan_out: bool = False) -> BaseWeights:
    """Open the base model in a local folder, the extra ``demo``, or the hub's cache.

    Args:
        base: Folder, or hub id.
        download: Whether files that are not in the hub's cache may be fetched.
        fan_in_fan_out: Whether the adapter says that W0 is stored (in, out); GPT-2 and the like are
            known by their own configuration too.

    Raises:
        BaseModelError: It is not found.
        FileFormatError: Its files are truncated, corrupt or unsafe.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> ll.open_base(adapter.base_model).w0(adapter.modules["value"], 0).shape
        torch.Size([384, 384])
    """
    find = _finder(base, download)
    tensors = open_tensors(base, find, _STEMS)
    if tensors is None:
        raise BaseModelError(_not_found(base, download))
    settings = _config(find) or {}
    named = settings.get("model_type")
    model_type = named if isinstance(named, str) else None
    # PEFT saves fan_in_fan_out only for layers that are Conv1D, also inside a composite model.
    transposed = fan_in_fan_out or model_type in CONV1D_MODELS
    return BaseWeights(base, tensors, transposed, model_type, settings)


def base_config(base: str, *, download: bool = False) -> dict[str, Any] | None:
    """The ``config.json`` of a base model, found as `open_base` finds it; None where there is none.

    Raises:
        BaseModelError: The base is neither a folder nor a hub id, or the hub refused.
        FileFormatError: It is broken.
    """
    return _config(_finder(base, download))


def _config(find: FindFile) -> dict[str, Any] | None:
    path = find("config.json")
    return dict(read_json(path, FileFormatError)) if path else None


def open_base_of(adapter: Adapter, base: str | None = None) -> BaseWeights:
    """Open the base of an adapter: the one given here, or else the one it was loaded with.

    A base that only the adapter's own configuration names is never downloaded.

    Raises:
        BaseModelError: None is named, or it is not found.
    """
    named = base or adapter.base_model
    if not named:
        raise BaseModelError(
            f"{adapter.source} does not name its base model; pass --base with a folder or a hub id"
        )
    download = base is not None or adapter.base_given
    return open_base(named, download=download, fan_in_fan_out=adapter.fan_in_fan_out)


def _finder(base: str, download: bool) -> FindFile:
    folder = local_folder(base)
    if folder is not None:
        return LocalFiles(folder)
    if not is_hub_id(base):
        raise BaseModelError(
            f"base model {base!r} is no folder; pass --base with a folder or hub id"
        )
    return HubFiles(base, download)


def _not_found(base: str, download: bool) -> str:
    if local_folder(base) is not None:
        return f"{base} holds no model.safetensors, pytorch_model.bin or index of shards"
    if download:
        return f"{base} has no model.safetensors or pytorch_model.bin on the hub"
    extra = ', pip install "lora-lens[demo]",' if base == DEMO_BASE else ""
    return (
        f"base model {base!r} is neither a folder nor in the hub's cache; "
        f"pass --base {base} to download it{extra or ','} or --base with a folder"
    )
