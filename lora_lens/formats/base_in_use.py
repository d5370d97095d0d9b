"""Whether a base that was given is of any use where no W0 is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..adapter import Adapter
from ..errors import LensError
from .loading import adapter_of, load_adapter


def check_base_used(given: Sequence[Any], base: object, beside_w0: bool | None) -> None:
    """Raise LensError where a base is named beside a refusal of W0, and no adapter is read with it.

    An adapter may need it for itself: one whose factors or ΔW are made with W0, or whose file says too little of the
    layers. That is known by reading it with the base and without.

    Args:
        given: What the question is asked about: adapters, which have been read already, or what `load_adapter` takes.
        base: As the question was given it.
        beside_w0: Whether W0 is wanted; None where nothing was said.

    Example:
        >>> import lora_lens as ll
        >>> check_base_used([ll.demo_adapter("condlora")], ll.load_adapter(ll.demo_adapter("lora")).base_model, False)
        >>> check_base_used([ll.demo_adapter("lora")], "my/model", False)
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: the base my/model is named (--base, base) and no W0 is to be read (--no-w0, beside_w0=False), without which it does nothing: leave out one of the two
    """
    if base is None or beside_w0 is not False or any(_needs(one, base) for one in given):
        return
    name = getattr(base, "source", base)
    raise LensError(
        f"the base {name} is named (--base, base) and no W0 is to be read (--no-w0, beside_w0=False), without which "
        f"it does nothing: leave out one of the two"
    )


def _needs(given: Any, base: object) -> bool:
    # An adapter that has been read is as it is, and `adapter_of` reads none with an open base.
    if isinstance(given, Adapter) or not isinstance(base, str | Path):
        return False
    read = load_adapter(given, base)
    if read.made_with_w0:
        return True
    try:
        bare = adapter_of(load_adapter(given), base)  # with what is said of the base's name
    except LensError:
        return True
    return _of_itself(read) != _of_itself(bare)


def _of_itself(adapter: Adapter) -> tuple[object, ...]:
    """What is read of an adapter but its numbers, and what is to be known beside them."""
    return adapter.method, tuple(adapter.each_layer()), adapter.notes, adapter.caveats
