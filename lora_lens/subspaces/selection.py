"""Which module, and how many singular vectors: what every analysis settles first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple, SupportsIndex

from jaxtyping import Float

from ..adapter import Adapter, ModuleFactors
from ..arrays import Tensor
from ..bases.fused import NAMES
from ..core.factors.rank import numerical_rank, rank_of_product
from ..core.numbers.whole import whole_or_none
from ..errors import ModuleLookupError, RankError
from ..files.names import find_module

LEADING = 64  # directions of a dense matrix, where nobody says how many


class Dimensions(NamedTuple):
    """How many leading singular vectors of each side of a comparison."""

    i: int
    j: int


def select_module(adapter: Adapter, module: str) -> ModuleFactors:
    """The factors of the module that `module` names (see `find_module`).

    Raises:
        ModuleLookupError: There is none; or it is in no numbered layer.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> select_module(adapter, "attention.self.value").b.shape
        torch.Size([6, 384, 8])
    """
    return adapter.modules[select_name(adapter, module)]


def select_name(adapter: Adapter, module: str, *, in_layers: bool = True) -> str:
    """The name of the module that `module` names; nothing is read for it.

    Raises:
        ModuleLookupError: There is none; or it is in no numbered layer, and is to be (`in_layers`).

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> select_name(adapter, "attention.self.value")
        'value'
    """
    if not adapter.patterns and select_dense(adapter, module) is None:
        return find_module(module, adapter.dense_patterns)  # which says what there is
    try:
        name = find_module(module, adapter.patterns)
    except ModuleLookupError as error:
        if (full := select_dense(adapter, module)) is not None:
            raise ModuleLookupError(
                f"{full} was trained in full: its ΔW is dense and has no A and B, which this is about; of ΔW ask `lora-lens "
                f"spectrum`, `compare`, `matrix`, `dynamics`, `grid`, `amplification` or `magnitude`, with --module {full}"
            ) from None
        raise ModuleLookupError(f"{error}{_in_full(adapter)}{_fused(adapter)}") from None
    if in_layers and name not in adapter.in_layers:
        have = ", ".join(adapter.in_layers) or "no module that is"
        raise ModuleLookupError(
            f"{name} is in no numbered layer, and this compares layers: ask `lora-lens spectrum` or "
            f"`lora-lens inspect` about it; in numbered layers the adapter has {have}"
        )
    return name


def select_delta(adapter: Adapter, module: str) -> ModuleFactors:
    """`select_module` of what is asked about ΔW alone, which a module that was trained in full has, too, zero or not.

    Example:
        >>> from dataclasses import replace
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> tuned = replace(adapter, modules={}, dense=dict(adapter.modules))
        >>> select_delta(tuned, "value").module, select_delta(adapter, "value").module
        ('value', 'value')
    """
    return select_module(with_dense(adapter, module), module)


def with_dense(adapter: Adapter, module: str) -> Adapter:
    """With what was trained in full as its modules, where that is meant.

    Example:
        >>> from dataclasses import replace
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> tuned = replace(adapter, modules={}, dense=dict(adapter.modules))
        >>> list(with_dense(tuned, "value").modules), with_dense(adapter, "value") is adapter
        (['query', 'value'], True)
    """
    full = select_dense(adapter, module)
    return adapter if full is None else replace(adapter, modules=adapter.dense, dense={})


def deltas_of(adapter: Adapter, module: str) -> Adapter:
    """The adapter itself, or, where `module` names one that was trained in full, with that alone, in the layers where ΔW is not zero.

    What else there is to know of it, layers that were frozen, is among its caveats.

    Raises:
        RankError: ΔW is zero in all of them.

    Example:
        >>> from dataclasses import replace
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> frozen = adapter.modules["value"].b.clone()
        >>> frozen[0] = 0
        >>> tuned = replace(adapter, modules={}, dense={"value": replace(adapter.modules["value"], b=frozen)})
        >>> found = deltas_of(tuned, "value")
        >>> found.modules["value"].layers, found.caveats[-1]
        ((1, 2, 3, 4, 5), 'value was not changed in layer 0, which is left out')
    """
    full = select_dense(adapter, module)
    if full is None:
        return adapter
    name = select_name(with_dense(adapter, module), full)
    factors = adapter.dense[name]
    kept = [
        layer
        for position, layer in enumerate(factors.layers)
        if factors.a[position].any() and factors.b[position].any()
    ]
    if not kept:
        raise RankError(
            f"ΔW of {name} of {adapter.source} is zero in every layer: it was not changed, and a zero matrix has no singular subspace"
        )
    zero = [str(layer) for layer in factors.layers if layer not in kept]
    return replace(
        adapter,
        modules={name: in_layers(factors, kept)},
        dense={},
        caveats=(*adapter.caveats, *([unchanged_said(name, zero)] if zero else [])),
    )


def unchanged_said(module: str, layers: Sequence[str]) -> str:
    """In which layers nothing was trained.

    Example:
        >>> unchanged_said("value", ["0", "1"])
        'value was not changed in layers 0, 1, which are left out'
    """
    several = len(layers) > 1
    return f"{module} was not changed in layer{'s' * several} {', '.join(layers)}, which {'are' if several else 'is'} left out"


def leading_of_dense(rank: int) -> int:
    """How many directions of a ΔW that has all of them lead by default: half of them at most, for all hold whatever there is.

    Example:
        >>> leading_of_dense(768), leading_of_dense(24)
        (64, 12)
    """
    return min(LEADING, max(1, rank // 2))


def in_layers(factors: ModuleFactors, layers: Collection[int]) -> ModuleFactors:
    """A module in some of its layers.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> in_layers(adapter.modules["value"], {1, 4}).layers
        (1, 4)
    """
    keep = [position for position, layer in enumerate(factors.layers) if layer in layers]
    if len(keep) == len(factors.layers):  # a dense ΔW is not copied
        return factors

    def of(each: Tensor) -> Tensor:
        # One matrix for all layers stays one.
        return each[keep] if each.stride(0) else each[: len(keep)]

    return replace(
        factors,
        layers=tuple(factors.layers[k] for k in keep),
        names=tuple(factors.names[k] for k in keep),
        ranks=tuple(factors.ranks[k] for k in keep),
        a=of(factors.a),
        b=of(factors.b),
        scaling=of(factors.scaling),
        magnitude=None if factors.magnitude is None else of(factors.magnitude),
        norm_scaling=None if factors.norm_scaling is None else of(factors.norm_scaling),
    )


def select_dense(adapter: Adapter, module: str) -> str | None:
    """The name of the module trained in full that `module` means, where none with factors is meant.

    Example:
        >>> from dataclasses import replace
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> with_head = replace(adapter, dense={"head": replace(adapter.modules["value"], pattern="head")})
        >>> select_dense(with_head, "head"), select_dense(with_head, "value")
        ('head', None)
    """
    full = adapter.dense_patterns
    if not isinstance(module, str):
        return None
    if module in full:
        return module
    for patterns, meant in ((adapter.patterns, False), (full, True)):
        try:
            found = find_module(module, patterns)
        except ModuleLookupError:
            continue
        return found if meant else None
    return None


def _in_full(adapter: Adapter) -> str:
    """What else may be meant."""
    names = ", ".join(adapter.dense_patterns)
    return f"; trained in full, with a ΔW and no A and B: {names}" if names else ""


def _fused(adapter: Adapter) -> str:
    """What to do where a fused projection is whole."""
    whole = [name for name, path in adapter.patterns.items() if path.rpartition(".")[2] in NAMES]
    if not whole:
        return ""
    return (
        f"; query, key and value in {whole[0]} are told apart where the base's config.json names a layout "
        f"that is known: pass --base with it"
    )


def select_dimensions(
    rank: SupportsIndex | None, i: SupportsIndex | None, j: SupportsIndex | None, smallest: int
) -> Dimensions:
    """i and j as given, else `rank`, else the smallest rank at hand.

    Raises:
        LensError: One of them is no whole number.

    Example:
        >>> select_dimensions(None, 4, None, smallest=8)
        Dimensions(i=4, j=8)
    """
    both, first, second = (
        whole_or_none(value, name) for value, name in ((rank, "rank"), (i, "i"), (j, "j"))
    )
    chosen = smallest if both is None else both
    return Dimensions(chosen if first is None else first, chosen if second is None else second)


def check_factor_ranks(factors: ModuleFactors, matrices: Sequence[str], needed: int) -> None:
    """Raise RankError unless A and B, as `matrices` need them, have numerical rank `needed` in every layer.

    The rank is the factor's own (`numerical_rank`), at the resolution of the file's dtype, but for shorter ones than
    float32 at float32's: neither padding nor a solve with W0 can then pass for more.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> check_factor_ranks(adapter.modules["value"], ["BA"], 8)
        >>> check_factor_ranks(adapter.modules["value"], ["BA"], 0)
        Traceback (most recent call last):
        ...
        lora_lens.errors.RankError: asked for 0 singular vectors; expected at least 1
    """
    if needed < 1:
        raise RankError(f"asked for {needed} singular vectors; expected at least 1")
    used = {"A": factors.a, "B": factors.b}
    for name in ("A", "B"):
        if not any(name in matrix for matrix in matrices):
            continue
        ranks = numerical_rank(used[name]).tolist()
        short = {
            layer: rank for layer, rank in zip(factors.layers, ranks, strict=True) if rank < needed
        }
        if short:
            raise RankError(_too_low(name, factors.module, short, needed))


def check_not_rounding(
    s: Float[Tensor, "*layer k"], k: int, scale: Float[Tensor, "*layer"], size: int, name: str
) -> None:
    """Raise RankError where the k-th singular value of a computed matrix is only rounding.

    Args:
        s: Its singular values, descending.
        k: How many singular vectors are wanted.
        scale: What the matrix would be of, were its factors not to cancel: the product of their norms.
        size: Its larger dimension.
        name: For the message.

    Example:
        >>> import numpy as np
        >>> s, scale = np.array([[1.0, 1e-20]]), np.array([1.0])
        >>> check_not_rounding(s, 1, scale, 8, "B·A")
        >>> check_not_rounding(0 * s, 1, scale, 8, "B·A")
        Traceback (most recent call last):
        ...
        lora_lens.errors.RankError: B·A is zero but for rounding in one layer: its factors cancel
    """
    rank = int(rank_of_product(s, scale, size).min())
    if rank < k:
        raise RankError(
            f"asked for {k} singular vectors of {name}, but in one layer all but {rank} of its singular "
            f"values are rounding, though its factors have rank enough; ask for at most {rank}"
            if rank
            else f"{name} is zero but for rounding in one layer: its factors cancel"
        )


def _too_low(name: str, module: str, short: dict[int, int], needed: int) -> str:
    if set(short.values()) == {0}:
        layers = ", ".join(map(str, short))
        return (
            f"{name} of {module} is all zero in layer {layers}: the adapter is untrained there, and "
            f"a zero matrix has no singular subspace"
        )
    listed = ", ".join(f"layer {layer} has rank {rank}" for layer, rank in list(short.items())[:4])
    more = f" and {len(short) - 4} more" if len(short) > 4 else ""
    # Without a rank it is the adapter's own that is asked for, so the message says how to ask for another.
    least = min(short.values())
    return (
        f"{needed} singular vectors of {name} of {module} are needed, but {listed}{more}; vectors above the rank are "
        f"arbitrary: ask for at most {least} (rank={least}, on the command line --rank {least})"
    )
