"""Which convention makes an adapter's conversion matrices, and why that one."""

from __future__ import annotations

from typing import NamedTuple

from ..adapter import Adapter, ModuleFactors
from ..core.conversions.conversion import (
    ConventionChoice,
    check_convention,
    convention_by_shape,
)
from ..updates import Convention


class SettledConvention(NamedTuple):
    """A convention, and why it is that one, in words that follow its name."""

    name: Convention
    why: str


def settle_convention(
    asked: ConventionChoice, factors: ModuleFactors, adapter: Adapter
) -> SettledConvention:
    """The convention asked for; under ``auto`` a CondLoRA adapter's own, else by the shape of W0.

    Args:
        asked: ``auto``, ``stored`` or ``consistent``.
        factors: Of the module.
        adapter: Whose module it is.

    Raises:
        LensError: No such convention.

    Example:
        >>> import lora_lens as ll
        >>> one, other = (ll.load_adapter(ll.demo_adapter(name)) for name in ("lora", "condlora"))
        >>> [settle_convention("auto", each.modules["value"], each).why for each in (one, other)]
        ['as the released code has it, for W0 is square', 'as this CondLoRA adapter was trained']
    """
    settled = convention_of_shape(asked, factors)
    if asked == "auto" and adapter.convention:
        return SettledConvention(adapter.convention, "as this CondLoRA adapter was trained")
    return settled


def convention_of_shape(asked: ConventionChoice, factors: ModuleFactors) -> SettledConvention:
    """The convention asked for; under ``auto`` by the shape of W0, as where there is no adapter.

    Raises:
        LensError: No such convention.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> convention_of_shape("auto", adapter.modules["value"])
        SettledConvention(name='stored', why='as the released code has it, for W0 is square')
        >>> convention_of_shape("consistent", adapter.modules["value"])
        SettledConvention(name='consistent', why='as asked for')
    """
    check_convention(asked)
    rows, columns = factors.out_features, factors.in_features
    name = convention_by_shape(asked, rows, columns)
    if asked != "auto":
        return SettledConvention(name, "as asked for")
    if name == "stored":
        return SettledConvention(name, "as the released code has it, for W0 is square")
    return SettledConvention(name, f"for W0 is {rows}x{columns}, not square")
