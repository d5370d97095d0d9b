"""PiSSA, OLoRA, CorDA and LoRA-GA as they are trained: ΔW = s·(B·A − B₀·A₀), of an initial adapter kept beside.

These take a part of W0 into B₀·A₀ before training, and what is left of W0 is what B·A is added to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...errors import AdapterError, LensError
from ...files.peft_names import plain
from ...updates import LowRank
from ..adapter_files import AdapterFiles
from ..factors.derived import below, side_by_side
from ..opening import open_within
from .settings import changed_base, minus_the_initial

# LLaMA-Factory's copy of a trained PiSSA adapter; its configuration says `true`, so that it is loaded again as it was saved.
_BACKUP = "pissa_backup"
_SAME = ("r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "fan_in_fan_out")


@dataclass(frozen=True)
class Initial:
    """The adapter before training.

    Attributes:
        files: Of it.
        names: A tensor's plain name to its own.
        scheme: How it was initialised: ``pissa``.
    """

    files: AdapterFiles
    names: dict[str, str]
    scheme: str

    def subtracted(self, update: LowRank) -> LowRank:
        """The update without B₀·A₀, of twice its rank.

        Raises:
            AdapterError: The initial adapter has not the same factors.
        """
        a0, b0 = (self.files.factor(self._own(one.name)) for one in (update.a, update.b))
        for own, initial in ((update.a, a0), (update.b, b0)):
            if own.shape != initial.shape:
                raise AdapterError(
                    f"{own.name} is {own.shape[0]}x{own.shape[1]}, but in {self.files.source} it is "
                    f"{initial.shape[0]}x{initial.shape[1]}: that is not the adapter it was trained from"
                )
        a, b = below(update.a, a0), side_by_side(update.b, b0, sign=-1.0)
        return LowRank(a, b, update.scaling, update.tensors)

    def _own(self, name: str) -> str:
        found = self.names.get(plain(name))
        if found is None:
            raise AdapterError(f"{self.files.source} has no {name}, which the trained adapter has")
        return found


def initial_of(files: AdapterFiles) -> Initial | None:
    """The initial adapter, where ΔW is made of it; None of adapters that began at ΔW = 0.

    Raises:
        AdapterError: It is needed and not there, or of other settings; or layers are copies of each other.
    """
    scheme = changed_base(files.config)
    if scheme is None:
        _check_no_backup(files)
        return None
    if files.config.get("layer_replication"):
        raise AdapterError(
            f"{files.source} was initialised by {scheme!r} with layer_replication, whose copies of a layer share one W0, so "
            f"that PEFT took B₀·A₀ of every copy from it and no copy's ΔW is its own B·A − B₀·A₀: save the model without "
            f"adapters (model.unload().save_pretrained(…)) and the adapter with init_lora_weights=True, and pass that model "
            f"as --base"
        )
    initial = None if scheme == "loftq" else open_within(files, f"{scheme}_init")
    if initial is None:
        raise AdapterError(f"{files.source} {minus_the_initial(scheme)}")
    for key in _SAME:
        own, its = files.config.get(key), initial.config.get(key)
        if (own or None) != (its or None):
            raise AdapterError(
                f"{initial.source} has {key} {its!r} and the adapter {own!r}; expected the adapter that it was "
                f"trained from"
            )
    return Initial(initial, {plain(name): name for name in initial.names}, scheme)


def _check_no_backup(files: AdapterFiles) -> None:
    if files.config_file and files.config_file.absolute().parent.name == _BACKUP:
        raise AdapterError(
            f"{files.source} is named as LLaMA-Factory names its copy of a PiSSA adapter as it was trained, of which no configuration says it: "
            f"the update is B·A minus the initial B₀·A₀; take pissa_converted beside it, or the folder that holds both; if it is another adapter, rename its folder"
        )


def initial_said(initial: Initial | None) -> Iterator[str]:
    """What was done with the initial adapter, where there is one."""
    if initial is not None:
        yield (
            f"ΔW = s·(B·A − B₀·A₀), as the adapter was initialised by {initial.scheme!r}; B₀ and A₀ are those of "
            f"{initial.files.source}, and ranks are those of both together"
        )


def tied_said(initial: Initial | None, files: AdapterFiles, paths: Iterable[str]) -> Iterator[str]:
    """What has to be said of a tied head: W0 less B₀·A₀ is the embeddings' too, where nothing gives it back.

    Args:
        initial: From `initial_of`.
        files: Of the adapter.
        paths: Of its updates.
    """
    if initial is None:
        return
    try:
        base = files.open_base(download=False)
    except LensError:
        return
    if tied := sorted(filter(base.is_tied, paths)):
        yield (
            f"{', '.join(tied)} shares W0 with the embeddings, from which {initial.scheme!r} took its B₀·A₀ as well: in the model as it "
            f"was trained the embeddings are changed by −s·B₀·A₀, and no ΔW here says that"
        )
