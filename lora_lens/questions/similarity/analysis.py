"""How alike are conversion matrices across layers? The paper's Figure 1, with the null it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from ...adapter import Adapter
from ...bases.along import said_beside
from ...bases.of_adapter import open_base_of
from ...bases.weights import BaseWeights
from ...chance.conversion_baselines import Baselines
from ...chance.conversion_draws import NullBases, check_nulls
from ...chance.least_memory import within
from ...chance.null_names import DRAWN, NullName
from ...chance.p_values import check_draws, check_seed
from ...core.computing.progress import Progress, passes
from ...core.computing.work import beside
from ...core.conversions.conversion import ConventionChoice
from ...core.numbers.sides import Side
from ...core.similarity.phi_of_bases import phi_of_all_pairs
from ...core.solving.condition import condition_number
from ...core.solving.factoring import Factored
from ...formats.loading import Model, adapter_of
from ...plain_torch import in_plain_torch
from ...several import several
from ...subspaces.convention import settle_convention
from ...subspaces.conversions import (
    MATRICES,
    Matrix,
    Plan,
    check_request,
    check_ridge,
)
from ...subspaces.device import select_device
from ...subspaces.dimensions import select_dimensions
from ...subspaces.layers import collect_bases
from ...subspaces.selection import select_module
from . import work
from .result import LayerGrid, SimilarityResult


@in_plain_torch
def conversion_similarity(
    adapter: Adapter | str | Path | Model,
    module: str = "value",
    rank: int | None = None,
    *,
    i: int | None = None,
    j: int | None = None,
    side: Side = "left",
    convention: ConventionChoice = "auto",
    ridge: float = 0.0,
    matrices: Matrix | Sequence[Matrix] = MATRICES,
    nulls: NullName | Sequence[NullName] = ("gaussian", "propagated"),
    draws: int = 200,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float64",
    base: BaseWeights | str | Path | None = None,
    memory: str | int | None = None,
    progress: Progress | None = None,
) -> SimilarityResult:
    """φ between the conversion matrices W0⁻¹Aᵀ, W0⁻¹B and W0⁻¹BA of every two layers (Eq. 2 to 4).

    It describes: whether layers share anything is tested by `shared_subspace`. Numbers are in the
    checkpoint's own gauge. At i = j = rank φ on the left side does not depend on the gauge
    (A, B) → (R·A, B·R⁻¹); below it, A's and B's do and BA's does not.

    Args:
        adapter: From `load_adapter`, or what that takes: a path, a hub id, a model in memory.
        module: ``value``, ``query``, ``q_proj``, …; equivalent names are understood.
        rank: i and j where they are not given; by default the adapter's smallest rank.
        i, j: Leading singular vectors of the row's and of the column's matrix.
        side: Left compares column spaces (the paper); right compares row spaces.
        convention: ``stored`` solves with W0 as stored for both factors, as the released code does,
            and needs it square and invertible; ``consistent`` solves each factor in its own space,
            by the pseudo-inverse, for W0 of any shape. ``auto``: a CondLoRA adapter's
            own; else ``stored`` where W0 is square, else ``consistent``. The result says which, and why.
        ridge: λ in units of each W0's median singular value: X = (W0ᵀW0 + λ²I)⁻¹W0ᵀB in the place of
            W0⁻¹B, and for A likewise, W0 or its transpose as the convention has it. 0 is the paper's W0⁻¹,
            which magnifies W0's weak directions until they hide what layers share; with a ridge none is
            magnified beyond 1/(2λ). All nulls go through the same ridge; condition numbers stay W0's.
            Costs an SVD of each W0.
        matrices: Which of A, B and BA; one, or several.
        nulls: Which of ``gaussian``, ``propagated``, ``mismatched``, ``initialisation``, ``equivalent`` and ``flipped``; one, or several.
        draws: Draws of each null, which give p-values down to 1/(draws + 1); with 0 there are the closed
            forms of ``gaussian`` and ``equivalent`` alone.
        seed: Of those draws. Each null has its own: asking for one changes no other's numbers.
        device: ``auto``, ``cpu``, ``cuda:0``, …
        dtype: ``float64``, or ``float32``: faster on many GPUs, and off by about 1e-7 times W0's
            condition number.
        base: An open base, or a folder or hub id; by default the adapter's.
        memory: Bytes that may be taken, or ``4GB``, beside what the process has before; by default half of
            what is free. W0 passes through it a few layers at a time, one at least, and draws that do not fit
            wait in temporary files. One W0 and one layer's draws are the least: below it is an error, which says
            how much that is. Numbers depend on it by rounding, and up to widths of 2048 not at all, but for
            condition numbers of W0 that is 513 to 1023 wide, within the two digits that are known of them.
        progress: Called with (done, all) as it goes on, in thousandths, about, of what there is to compute.

    Returns:
        Grids by matrix with their baselines, and z and p of every φ against each of them, which say what
        that null alone can: a small p is no sign that layers share anything, nor a large one that they
        do not.

        - ``gaussian``: independent uniform subspaces (mean and deviation in closed form).
        - ``propagated``: W_l⁻¹G against W_m⁻¹G′ for Gaussian G and G′; for BA, W_l⁻¹G·H. What
          W0 alone makes of uniform factors; others that share nothing, as those along W0's leading
          singular directions, have another φ. Where i or j is below a layer's rank, G has the
          singular values of that layer's own factor, and G·H those of its ΔW, since they and W0
          together settle which directions lead. As dear as the rest of the analysis.
        - ``mismatched``: the adapter's own factors through other layers' W0, shuffled over the layers:
          for layers l and m, those of any other p ≠ q. Higher than the propagated one where factors
          are alike whichever W0 they go through. Cheaper than the propagated one while there are
          fewer layers than draws.
        - ``initialisation``: A as PEFT starts it, through W0. By the central limit theorem hardly
          another than the propagated null at full rank, at the same cost. Below it, A's singular values are
          those of an initialisation, nearly equal: it is about A as it was before training.
        - ``equivalent``: the mean of the propagated one by a formula, its deterministic equivalent, for
          ranks at which draws cost too much: an SVD of each W0, and no deviation or p. Of whole spans on the
          left side alone (i = j = r). In no pair of layers of MiniLM's query and value is it off by more than 3 % of
          what 400 draws give at r = 8, or 17 % of the exact mean at r = 1; higher ranks are nearer (docs/theory.md).
        - ``flipped``: the adapter's own factors, turned by random signs on the singular directions of the W0 that each is solved
          for. It keeps how a factor lies on them, and destroys what a shared layer needs, so that it keeps its level where factors
          lie along W0's leading directions: p of the mean is a test of sharing, and with a ridge of 3 sees what `shared_subspace`
          sees, and more of a factor in W0's narrow space (docs, power). One SVD of each W0.

    Warns:
        RankDeficientWarning: W0 of a layer is rank-deficient, and its Moore-Penrose inverse stands in.

    Raises:
        LensError: No such null, matrix, side or convention; a negative or infinite ridge; a negative seed; too little memory.
        ModuleLookupError: No such module.
        RankError: i or j above a factor's numerical rank, or an untrained (zero) B.
        SingularError: Under ``stored``, a rectangular W0, or without a ridge a singular one; with a
            ridge, a W0 whose median singular value is zero.
        BaseModelError: The base is not found or does not fit.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> result = ll.conversion_similarity(adapter, "value", rank=8, draws=50)
        >>> result.convention, result["B"].values.shape
        ('stored', (6, 6))
        >>> bool(result["B"].mean > result["B"].baseline_mean("gaussian"))  # above unrelated subspaces, but
        True
        >>> bool(result["B"].mean < result["B"].baseline_mean("propagated"))  # not above what W0 alone gives
        True
    """
    adapter = adapter_of(adapter, base)
    factors = select_module(adapter, module)
    i, j = select_dimensions(rank, i, j, min(factors.ranks))
    settled = settle_convention(convention, factors, adapter)
    draws, seed = check_draws(draws), check_seed(seed)
    matrices, nulls = several(matrices), several(nulls)
    check_request(factors, matrices, i, j, side, settled.name)
    check_nulls(nulls)
    check_ridge(ridge)
    ridge = float(ridge)
    weights = open_base_of(adapter, base)
    plan = Plan(factors, matrices, i, j, side, settled.name, draws, ridge)
    plan = within(plan, nulls, memory)
    where = select_device(device, dtype)
    drawn = len({*DRAWN} & {*nulls})
    conversions, between = passes(progress, *beside(*work.passes(plan.size, drawn)))
    null_bases = NullBases(plan, nulls, seed)

    def watch(
        factored: Factored, start: int, device: torch.device, progress: Progress
    ) -> list[float]:
        null_bases.add(factored, start, device, progress)
        return condition_number(factored).tolist()

    bases, condition, singular = collect_bases(plan, weights, where, watch, conversions)
    baselines = Baselines(plan, null_bases, nulls, between)
    grids: dict[str, LayerGrid] = {
        matrix: _grid(plan, matrix, bases[matrix], baselines) for matrix in matrices
    }
    return SimilarityResult(
        adapter=adapter.source,
        base=weights.source,
        base_commit=weights.commit,
        draws=draws,
        method=adapter.method,
        module=factors.module,
        side=side,
        i=i,
        j=j,
        convention=settled.name,
        convention_why=settled.why,
        layers=factors.layers,
        grids=grids,
        condition_number=tuple(chain.from_iterable(condition)),
        notes=(*said_beside(adapter, weights), *singular, *_notes(adapter, plan)),
        from_w0=adapter.from_w0,
        seed=seed,
        ridge=ridge,
    )


def _grid(plan: Plan, matrix: Matrix, bases: Tensor, baselines: Baselines) -> LayerGrid:
    found, absent = baselines.of(matrix, bases)
    values = phi_of_all_pairs(bases[..., : plan.i], bases[..., : plan.j])
    return LayerGrid(
        matrix=matrix,
        module=plan.factors.module,
        side=plan.side,
        i=plan.i,
        j=plan.j,
        convention=plan.convention,
        layers=plan.factors.layers,
        values=values.double().cpu().numpy(),
        baselines=found,
        absent=absent,
        ridge=plan.ridge,
    )


def _notes(adapter: Adapter, plan: Plan) -> Iterator[str]:
    if plan.ridge:
        yield (
            f"conversions are by a ridge, (W0ᵀW0 + λ²I)⁻¹W0ᵀ in the place of W0⁻¹ with λ = "
            f"{plan.ridge:g} times the median singular value of each W0, and so are those of the nulls"
        )
    if adapter.made_of == "w0" and adapter.convention != plan.convention:
        yield (
            f"this CondLoRA adapter was trained under the convention {adapter.convention!r}; its "
            f"conversion matrices are equal in all layers under that one{' without a ridge' * bool(plan.ridge)}"
        )
    if (
        plan.side == "right"
        and plan.width == min(plan.factors.ranks)
        and set(plan.matrices) != {"BA"}
    ):
        yield (
            "on the right side a conversion matrix of r columns spans the whole of R^r, so φ of A "
            "and B at i or j = r is 1 by construction"
        )
    if min(plan.i, plan.j) < max(plan.factors.ranks) and set(plan.matrices) != {"BA"}:
        yield (
            f"i = {plan.i} or j = {plan.j} is below the adapter's rank in some layer: which singular vectors of A's and B's conversions lead "
            f"depends on the gauge that training left them in, (A, B) or (GA, BG⁻¹); of BA's it does not"
        )
    if plan.spans_alone and {"B", "BA"} <= set(plan.matrices):
        yield "on the left side at i = j = r the subspace of BA is B's, so their φ are the same numbers"
    if len(plan.factors.layers) == 1:
        yield "there is one layer only, so there is nothing off the diagonal"
