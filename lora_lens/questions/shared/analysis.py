"""Does one linear layer yield every layer's factor? The paper's claim, asked of a trained adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from ...adapter import Adapter, ModuleFactors
from ...bases.along import along_said_each
from ...bases.of_adapter import open_base_of
from ...bases.weights import BaseWeights
from ...chance.conversion_draws import NullBases
from ...chance.least_memory import within
from ...chance.p_values import check_draws, check_seed
from ...core.computing.progress import Progress, passes, untold
from ...core.computing.spill import Spill
from ...core.computing.work import beside
from ...core.conversions.conversion import ConventionChoice
from ...core.numbers.whole import whole_or_none
from ...errors import AdapterError, LensError, RankError
from ...formats.loading import Model, adapter_of
from ...plain_torch import in_plain_torch
from ...several import several
from ...subspaces.convention import settle_convention
from ...subspaces.conversions import Plan, check_request, check_ridge
from ...subspaces.device import Where, select_device
from ...subspaces.dimensions import check_factor_ranks, select_dimensions
from ...subspaces.layers import collect_bases
from ...subspaces.pairing import select_in_both, shared_layers
from ...subspaces.selection import select_module
from ...subspaces.w0_and_bases import Factor, stacked_w0
from ...updates import Convention
from . import work
from .asked import Asked, asked
from .captured import captured, null_shares
from .least import of_forwards
from .notes import all_notes, forwards_as
from .predicted import Predicted
from .prediction import carry_over, predict
from .result import SharedResult, SharedSubspace, Through
from .terms import Terms

MATRICES: tuple[Factor, ...] = ("A", "B")
SMALLEST, LARGEST = 1e-3, 1e3  # ridges: below, rounding has a say in θ; above, S has none


@in_plain_torch
def shared_subspace(
    adapter: Adapter | str | Path | Model,
    module: str = "value",
    rank: int | None = None,
    *,
    other: Adapter | str | Path | Model | None = None,
    width: int | None = None,
    ridge: float = 0.0,
    convention: ConventionChoice = "auto",
    matrices: Factor | Sequence[Factor] = MATRICES,
    draws: int = 200,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float64",
    base: BaseWeights | str | Path | None = None,
    memory: str | int | None = None,
    progress: Progress | None = None,
    through: Through = "w0",
) -> SharedResult:
    """Share of each layer's conversion subspace that one θ, shared by all layers, captures.

    With U_l an orthonormal basis of the column space of layer l's conversion matrix (W_l⁻¹A_lᵀ;
    W_l⁻¹B_l), the mean of ``‖θᵀU_l‖_F²/r`` over L layers is at most ``Σ_{j≤k} λ_j / r`` for a θ of k
    columns, λ the eigenvalues of the mean projector (1/L) Σ U_l U_lᵀ, and the best θ reaches it. At
    k = r it is from max(1/L, r/d) to 1 (Kim et al. 2024, Eq. 5 and 6, claim 1). It is 1 if and only if
    ``A_lᵀ = W_l θ R_l`` in every layer (``W_lᵀ`` under ``consistent``), each with an r×r matrix R_l of
    its own: LoRA's gauge can make every R_l of A the identity, but not those of A and B at once, so
    1 for both does not yet make a CondLoRA adapter.

    Forwards, `Predicted` asks A of W_lᵀ whatever the convention, but of W_l where `adapter` is a CondLoRA one whose A was made of it
    (``stored``); so of `other`'s A too, and a note says where that was made of something else.

    Shares are of subspaces: they say which directions are shared, and nothing of the factors' size, nor
    how far W_l θ is from A_lᵀ where the share is below 1.

    At `rank` = the adapter's rank no number depends on the gauge (A, B) → (R·A, B·R⁻¹); below it
    the leading singular vectors of A, of B and of their conversion matrices do, and so does the predicted share. BA has no entry of its own: at full
    rank its left subspace is B's.

    A θ fitted to L subspaces captures some of each whatever they are, so a share means something
    beside its null alone. The share of a layer captured by the best θ of the *other* layers is free
    of that fit: for unrelated subspaces it is k/d on average.

    Args:
        adapter: From `load_adapter`, or what that takes: a path, a hub id, a model in memory.
        module: As in `conversion_similarity`.
        rank: r, singular vectors of each layer; by default the adapter's smallest rank.
        other: Another adapter on the same base, over the same layers: what θ₋ₗ of `adapter` predicts of its
            layer l is then asked too, and the verdict is of that.
        width: k, columns of the shared θ; by default r. `SharedSubspace.curve` has the share for all.
        ridge: Of θ asked forwards, of the conversions none: with W_m at unit norm, θ₋ₗ is fitted with S₋ₗ + λ²I in the place of
            S₋ₗ = Σ_{m≠l} W_mᵀW_m, λ² being `ridge` squared times the mean eigenvalue of S₋ₗ, (L−1)/in. 0 is the definition, by which
            CondLoRA has a share of 1; else 0.001 to 1000. At 1 smaller shared parts were found where that was counted (docs, power), and θ keeps away from what the other layers hardly see, as where it has more rows than they fix well (A
            of an up-projection, B of a down-projection); flips and the other nulls are fitted with the same.
        convention: As in `conversion_similarity`: which equation makes a conversion matrix. What A is asked of
            forwards is ``consistent``'s W_lᵀ under ``stored`` too, but for such a CondLoRA `adapter`.
        matrices: Which of A and B; one, or several.
        draws: Draws of the nulls that something is concluded from, flips and ``propagated``, which give
            p-values down to 1/(draws + 1), and 50 of the others at most; 0 leaves the closed form of the
            Gaussian null for the left-out share, and the 4,999 flips of each layer with θ fixed, which are cheap and always drawn. Each costs the leading eigenvectors of a matrix of
            order (L−1)·r a layer, or of as many as W0 has inputs where those are fewer.
        seed: Of those draws.
        device, dtype, base, progress: As in `conversion_similarity`.
        memory: As there. Sums over the layers are of W0's width squared, in float64, some of them at a time; draws
            of θ pick from factors of all layers. These are the least, beside one decomposition.
        through: What is asked to make every layer's factor: ``w0``, or of a CondLoRA adapter ``source``, what stood for
            W0 in its training (another layer's, Gaussian, the identity), of which the predicted share is 1.

    Returns:
        By matrix, with two nulls: ``propagated`` (W_l⁻¹G for Gaussian G, below full rank with the
        singular values of the layer's own factor; the right one: what W0 alone makes of unrelated
        factors) and ``gaussian`` (independent uniform subspaces).

    Warns:
        RankDeficientWarning: W0 of a layer is rank-deficient, and its Moore-Penrose inverse stands in.

    Raises:
        AdapterError: ``source`` of an adapter that is no CondLoRA, or beside another.
        LensError: No such matrix or convention; a ridge below 0, or out of its range; draws of 1 or below 0; a negative seed; too little memory.
        ModuleLookupError: No such module.
        RankError: A rank above a factor's numerical rank; a width below 1, or above what the layers but
            one can span.
        SingularError: Under ``stored``, a rectangular or singular W0.
        BaseModelError: The base is not found or does not fit.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("condlora"))
        >>> result = ll.shared_subspace(adapter, "value", convention="consistent", draws=0)
        >>> round(result["A"].share, 6), round(result["A"].least, 3)
        (1.0, 0.167)
    """
    adapter = adapter_of(adapter, base)
    other = None if other is None else adapter_of(other, base)
    _check_through(adapter, other, through)
    factors = select_module(adapter, module)
    width = whole_or_none(width, "width")
    r, _ = select_dimensions(rank, None, None, min(factors.ranks))
    matrices = several(matrices)
    if wrong := [matrix for matrix in matrices if matrix not in MATRICES]:
        raise LensError(f"matrices are {wrong}, expected A or B: BA's left subspace is B's")
    settled = settle_convention(convention, factors, adapter)
    draws, seed = check_draws(draws), check_seed(seed)
    check_ridge(ridge)
    if ridge and not SMALLEST <= ridge <= LARGEST:
        raise LensError(f"ridge is {ridge!r:.60}; expected 0, or {SMALLEST:g} to {LARGEST:g}")
    ridge = float(ridge)
    check_request(factors, matrices, r, r, "left", settled.name)
    k = r if width is None else width
    _check_width(factors, k, r, settled.name)
    terms = Terms(r, k, draws, seed, len(matrices), ridge)
    weights = open_base_of(adapter, base)
    if through == "source":
        weights = replace(weights, stand_ins=adapter.stand_ins)
    if other is not None:
        its_factors = _of_other(adapter, other, factors.module, matrices, r)
        its_base = open_base_of(other, base)
    plan = Plan(factors, matrices, r, r, "left", settled.name, draws)
    plan = within(plan, ("propagated",), memory, *of_forwards(plan, k))
    where = select_device(device, dtype)
    steps = beside(*work.passes(plan.size, len(matrices), carried=other is not None))
    conversions, shares, directions, *fits = passes(progress, *steps)
    carrying = fits.pop() if other is not None else untold
    null_bases = NullBases(plan, ("propagated",), seed)
    bases, _, singular = collect_bases(plan, weights, where, null_bases.add, conversions)
    nulls = null_shares(plan, bases, null_bases, k, shares)
    del null_bases
    spill, asked_as = Spill(plan.memory.kept), forwards_as(adapter, settled.name)
    forwards: dict[str, Predicted] = {}
    carried: dict[str, Predicted] = {}
    of_other: tuple[str, ...] = ()
    if len(factors.layers) > 1:  # of one alone there are no others
        own = _asked(factors, weights, where, spill, directions, asked_as)
        forwards = _forwards(own, matrices, terms, fits)
    if other is not None:
        of_other = along_said_each((other,), its_base)
        reading, *fits = passes(carrying, 2, *(1,) * len(matrices))
        their = _asked(its_factors, its_base, where, spill.beside(), reading, asked_as)
        elsewhere = _made_elsewhere(other, asked_as)
        carried = _carried(own, their, matrices, terms, fits, elsewhere)
    subspaces: dict[str, SharedSubspace] = {
        matrix: replace(
            captured(plan, matrix, bases[matrix], k, nulls[matrix]),
            predicted=forwards.get(matrix),
            carried=carried.get(matrix),
        )
        for matrix in matrices
    }
    return SharedResult(
        adapter=adapter.source,
        base=weights.source,
        base_commit=weights.commit,
        draws=draws,
        method=adapter.method,
        module=factors.module,
        convention=settled.name,
        convention_why=settled.why,
        rank=r,
        width=k,
        ridge=ridge,
        layers=factors.layers,
        subspaces=subspaces,
        notes=(
            *dict.fromkeys(
                all_notes(
                    adapter,
                    other,
                    of_other,
                    weights,
                    singular,
                    plan,
                    subspaces,
                    convention,
                    ridge,
                    through,
                )
            ),
        ),
        seed=seed,
        other=None if other is None else other.source,
        through=through,
    )


def _check_through(adapter: Adapter, other: Adapter | None, through: Through) -> None:
    if through not in get_args(Through):
        raise LensError(f"through is {through!r}, expected w0 or source")
    if through == "w0":
        return
    if not adapter.from_w0:
        raise AdapterError(
            f"{adapter.source} is {adapter.title}, whose factors were made of nothing; ask it through w0"
        )
    if other is not None:
        raise AdapterError(
            f"what stood for W0 is {adapter.source}'s alone; leave out {other.source}, or ask through w0"
        )


def _asked(
    factors: ModuleFactors,
    weights: BaseWeights,
    where: Where,
    spill: Spill,
    progress: Progress,
    convention: Convention,
) -> Asked:
    """What is asked forwards."""
    w0, cutoffs = stacked_w0(factors, weights, where, spill)
    return asked(factors, w0, spill, progress, convention, cutoffs=cutoffs)


def _forwards(
    own: Asked, matrices: Sequence[Factor], terms: Terms, progress: Sequence[Progress]
) -> dict[str, Predicted]:
    """The claim asked forwards, of each factor."""
    return {
        matrix: predict(own, matrix, terms, each)
        for matrix, each in zip(matrices, progress, strict=True)
    }


def _of_other(
    one: Adapter, other: Adapter, module: str, matrices: Sequence[Factor], rank: int
) -> ModuleFactors:
    """The other adapter's factors, in the same layers and of the rank that is asked."""
    first, second = select_in_both(one, other, module)
    layers, _ = shared_layers(one, other, first, second)
    same = tuple(layers) == first.layers == second.layers
    if not same or len(layers) < 2:
        where = "one layer alone" if same else "other layers"
        raise AdapterError(
            f"{one.source} and {other.source} have {first.module} in {where}; carrying θ over needs the "
            f"same layers in both, two at least"
        )
    try:
        check_factor_ranks(second, matrices, rank)
    except RankError as error:
        raise RankError(f"{other.source}, at the rank {rank} of {one.source}: {error}") from None
    return second


def _made_elsewhere(other: Adapter, asked_as: Convention) -> tuple[Factor, ...]:
    """Which factors of a CondLoRA adapter were made of something else than what they are asked of."""
    if other.made_of not in (None, "w0"):
        return MATRICES
    return ("A",) if other.from_w0 and other.convention != asked_as else ()


def _carried(
    own: Asked,
    their: Asked,
    matrices: Sequence[Factor],
    terms: Terms,
    progress: Sequence[Progress],
    elsewhere: Sequence[Factor],
) -> dict[str, Predicted]:
    """What θ of the one adapter predicts of the other's layers, of each factor."""
    return {
        matrix: carry_over(own, their, matrix, terms, each, elsewhere=matrix in elsewhere)
        for matrix, each in zip(matrices, progress, strict=True)
    }


def _check_width(factors: ModuleFactors, k: int, r: int, convention: Convention) -> None:
    spaces = {factors.in_features}
    if convention == "consistent":
        spaces.add(factors.out_features)
    others = max(1, len(factors.layers) - 1)
    most = min(others * r, *spaces)
    if not 1 <= k <= most:
        raise RankError(
            f"the shared width is {k}; expected 1 to {most}, for {others} layers of rank {r} in "
            f"{min(spaces)} dimensions span no more"
        )
