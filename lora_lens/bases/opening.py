"""A base model, opened where it is: in a folder, the extra ``demo``, the hub's cache, the hub."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import BaseModelError, LensError
from ..files.hub_cache import is_in_cache
from ..files.hub_files import HubFiles, is_hub_id, named_instead
from ..files.local_files import FindFile, LocalFiles
from ..files.locate import DEMO_BASE, base_path
from ..files.not_files import not_a_file
from ..files.of_others import told_base_of
from ..files.revisions import (
    commit_in,
    folder_of,
    full_commit,
    revisions_here,
    split_revision,
    those_here,
    with_revision,
)
from ..files.tensors import TensorStore, open_named
from ..ledger import reads
from ..plain_torch import in_plain_torch
from ..printable import is_printable
from .configuration import BaseConfiguration, read_configuration
from .pipeline import open_pipeline
from .quantised import without_quantisation
from .single_file import is_single_file, open_single_file
from .stems import STEMS, open_stems, variants
from .weights import BaseWeights

_MOST_NAMED = 6


@in_plain_torch
def open_base(
    base: str | Path,
    *,
    download: bool = False,
    fan_in_fan_out: bool = False,
    revision: str | None = None,
) -> BaseWeights:
    """Open the base model in a local folder, the extra ``demo``, or the hub's cache.

    Args:
        base: Folder, or hub id: ``owner/name`` or ``owner/name@revision``. Of a diffusers pipeline the
            whole folder, whose parts ``unet``, ``transformer``, ``text_encoder`` … are opened, or one of these; or a file: an
            image model's of its own code's names, GGUF, or any other with its ``config.json`` beside it.
        download: Whether files that are not in the hub's cache may be fetched.
        fan_in_fan_out: Whether the adapter says that W0 is stored (in, out). The base decides, weight
            by weight; where nothing in it explains what the adapter says, that is an error.
        revision: Branch, tag or commit of a hub id that has none after an ``@``.

    Raises:
        BaseModelError: It, or its revision, is not found, or it is no name of a base.
        FileFormatError: Its files are truncated, corrupt or unsafe.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> ll.open_base(adapter.base_model).w0(adapter.modules["value"], 0).shape
        torch.Size([384, 384])
    """
    base = name_of(base)
    if is_single_file(base):
        return open_single_file(base, fan_in_fan_out=fan_in_fan_out)
    base, typed = split_revision(base)
    revision = typed or revision
    find = _finder(base, revision, download)
    source = str(with_revision(base, revision))
    try:
        configuration = read_configuration(find)
        tensors = _tensors(source, find, configuration)
    except BaseModelError as error:
        raise BaseModelError(f"{error}{those_here(base) if revision else ''}") from None
    if tensors is None:
        raise BaseModelError(_not_found(base, revision, download))
    if not tensors.files:
        raise BaseModelError(f"{source} holds no tensors; pass --base with the whole model")
    weights = find(next(iter(tensors.files.values())))
    commit = commit_in(weights) if weights else None
    whole, said = without_quantisation(tensors, configuration.settings)
    return BaseWeights(
        source, whole, configuration, fan_in_fan_out, (said,) if said else (), commit,
        image=bool(tensors.prefixes) or "_diffusers_version" in configuration.settings,
    )  # fmt: skip


def _tensors(source: str, find: FindFile, configuration: BaseConfiguration) -> TensorStore | None:
    """Of the file that the configuration names, or of the first of the usual names; None where there is none."""
    named = configuration.settings.get("transformers_weights")
    if named is not None:
        return open_named(source, find, str(named))
    return open_stems(source, find, STEMS) or open_pipeline(source, find)


def name_of(base: object) -> str:
    """Of a base: its folder, its file or its hub id."""
    if isinstance(base, str | Path):
        return os.fspath(base)
    raise BaseModelError(
        f"the base is {type(base).__name__!r}, expected a folder, a hub id or what open_base made; "
        "a model in memory stands in the adapter's place: load_adapter(model)"
    )


def configuration_here(
    base: str, revision: str | None = None, *, download: bool = False
) -> BaseConfiguration | None:
    """Of a base that is on this machine, whose tensors are not opened for it; None where it is not."""
    try:
        return read_configuration(_finder(base, revision, download))
    except LensError:
        return None


def _finder(base: str, revision: str | None, download: bool) -> FindFile:
    if not is_printable(base):
        raise BaseModelError(
            f"the base model {base!r} has characters that cannot be printed; rename the folder"
        )
    folder = folder_of(base, revision)
    if folder is not None:
        reads(folder)
        return LocalFiles(folder)
    if what := not_a_file(base_path(base)):
        raise BaseModelError(f"base model {base!r} is {what}; pass --base with a folder or hub id")
    if not is_hub_id(base):
        raise BaseModelError(
            f"base model {base!r} is no folder; pass --base with a folder or hub id{named_instead(base, whole=True)}"
        )
    return HubFiles(base, download, full_commit(base, revision))


def _below(folder: Path) -> str:
    """The folders just within one that have weights, as ``0_Transformer`` of sentence-transformers' older models."""
    found = {
        file.parent.name
        for stem in (*STEMS, *variants(STEMS))
        for ending in (".safetensors", ".bin")
        for file in folder.glob(f"*/{stem}{ending}")
    }
    named = sorted(name for name in found if is_printable(name))[:_MOST_NAMED]
    return (
        f", but these folders in it do: {', '.join(named)}; name the one that is meant"
        if named
        else ""
    )


def _not_found(base: str, revision: str | None, download: bool) -> str:
    folder = folder_of(base, revision)
    if folder is not None:
        return f"{base} holds no model.safetensors, pytorch_model.bin or index of shards{_below(folder) or told_base_of(folder)}"
    if download:
        of = f" in revision {revision}" if revision else ""
        cached = (
            ", or in the hub's cache where the hub could not be reached"
            if is_in_cache(base, revision)
            else ""
        )
        return f"{base} has no model.safetensors, pytorch_model.bin or index of shards on the hub{of}{cached}"
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
