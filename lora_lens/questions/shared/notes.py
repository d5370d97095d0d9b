"""What a reader of a result of `shared` is told beside its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...adapter import Adapter
from ...bases.along import said_beside
from ...bases.weights import BaseWeights
from ...chance.draws import FEWEST_LAYERS, TOO_FEW_LAYERS
from ...chance.significance import LEVEL
from ...core.conversions.conversion import ConventionChoice
from ...core.similarity.layers_together import AS_INDEPENDENT
from ...several import counted
from ...show.wording import few
from ...subspaces.conversions import Plan
from ...subspaces.pairing import different_bases
from ...subspaces.selection import select_module
from ...subspaces.ties import tie_notes, tied_factors
from ...updates import Convention
from .result import SharedSubspace, Through

_FIXED = 2  # equations for each row of θ, about which one θ and pairs of layers were found to see as much
_GAP = 1e-9  # between eigenvalues, under which they are the same but for rounding
_ONE_START = (
    "runs of CondLoRA of one seed begin with the same θ of A where what is drawn before it, a head, is as large in both, and may "
    "keep much of it, so that A carries over whatever was learnt; no null knows that"
)
_MADE_OF = {"stored": "W0 (A_lᵀ = W_l θ)", "consistent": "W0ᵀ (A_lᵀ = W_lᵀ θ)"}


def forwards_as(adapter: Adapter, settled: Convention) -> Convention:
    """A is asked of W0ᵀ whatever makes conversion matrices, but where it was made of W0: by a CondLoRA under ``stored``."""
    return "stored" if adapter.convention == settled == "stored" else "consistent"


def through_said(adapter: Adapter, through: Through) -> str | None:
    """What was asked in W0's place, where that was asked and is another; and what has to be said of the answer."""
    if through == "w0" or adapter.made_of in (None, "w0"):
        return None
    return (
        f"asked of what stood for W0 in training ({adapter.made_of}), where CondLoRA's predicted share is 1 by construction; "
        f"of W0 itself asks --through w0"
    )


def all_notes(
    adapter: Adapter,
    other: Adapter | None,
    of_other: Sequence[str],
    weights: BaseWeights,
    singular: Sequence[str],
    plan: Plan,
    subspaces: dict[str, SharedSubspace],
    convention: ConventionChoice,
    ridge: float,
    through: Through,
) -> Iterator[str]:
    """Those of the adapter, of the other, and of each factor; a sentence may come more than once."""
    yield from (*said_beside(adapter, weights), *singular)
    if said := through_said(adapter, through):
        yield said
    if other is not None:
        yield from (*other.caveats, *different_bases(adapter, other), *of_other)
        if "A" in subspaces and adapter.from_w0 and other.from_w0:
            yield _ONE_START
    if ridge and len(plan.factors.layers) > 1:
        yield (
            f"θ asked forwards is fitted by a ridge, S₋ₗ + λ²I in the place of S₋ₗ with λ² = {ridge * ridge:g} times the mean eigenvalue of S₋ₗ, "
            f"and so it is in flips and the other nulls: even of a shared layer's own factors it need not predict all. The conversions have none"
        )
    if "A" in subspaces and len(plan.factors.layers) > 1:
        yield from _a_is_asked_of(adapter, other, plan.convention, convention)
    yield from _notes(adapter, plan, subspaces, ridge, through)
    if len(plan.factors.layers) > 1:
        yield from _ties(adapter, other, tuple(subspaces), plan)


def _ties(
    adapter: Adapter, other: Adapter | None, matrices: Sequence[str], plan: Plan
) -> Iterator[str]:
    """Of the factors themselves, whose leading directions are asked of forwards."""
    for of in (adapter, *([] if other is None else [other])):
        factors = select_module(of, plan.factors.module)
        ties = tied_factors(factors, matrices, plan.i)
        yield from tie_notes(of.source, ties, factors.layers, plan.i)


def _a_is_asked_of(
    adapter: Adapter, other: Adapter | None, settled: Convention, convention: ConventionChoice
) -> Iterator[str]:
    """What A is asked of forwards, where that is not W0ᵀ or not what a reader would take it for."""
    asked_as = forwards_as(adapter, settled)
    if asked_as == "stored":
        yield (
            "A is asked forwards of W0, as this CondLoRA adapter's was made (A_lᵀ = W_l θ), and not of W0ᵀ as "
            "any other adapter's; convention 'consistent' asks it of W0ᵀ"
        )
    elif convention == "stored":
        yield (
            "A is asked forwards of W0ᵀ: convention 'stored' is of the conversions alone, but for a CondLoRA adapter "
            "that was trained under it"
        )
    if other is not None and other.convention and other.convention != asked_as:
        yield (
            f"A is asked forwards of {'W0' if asked_as == 'stored' else 'W0ᵀ'}, as suits {adapter.source}, where A of "
            f"{other.source}, a CondLoRA adapter, was made of {_MADE_OF[other.convention]}: its shared layer is not seen in A "
            f"here; with it named first A is asked so"
        )


def _notes(
    adapter: Adapter,
    plan: Plan,
    subspaces: dict[str, SharedSubspace],
    ridge: float,
    through: Through,
) -> Iterator[str]:
    asked_so = through == "source" or adapter.made_of == "w0"
    if asked_so and adapter.convention != plan.convention:
        yield (
            f"this CondLoRA adapter was trained under the convention {adapter.convention!r}; its "
            f"conversion matrices are equal in all layers under that one"
        )
    if plan.ordered:
        yield (
            f"rank {plan.width} is below the adapter's in some layer: which singular vectors of A, of B and of their conversions "
            f"lead depends on the gauge that training left them in, (A, B) or (GA, BG⁻¹), and so do the predicted shares and their verdicts"
        )
    if len(plan.factors.layers) == 1:
        yield "there is one layer only, so nothing is shared and no layer can be left out"
        return
    if len(plan.factors.layers) < FEWEST_LAYERS and any(
        one.predicted is not None and one.predicted.nulls for one in subspaces.values()
    ):
        yield f"the null mismatched is left out: {TOO_FEW_LAYERS}"
    if not ridge:
        yield from _narrow(plan.factors.module, subspaces)
    yield from _seen_alone(subspaces)
    yield from _together(subspaces)
    if not adapter.from_w0:
        yield from _alike(subspaces)
    for matrix, shared in subspaces.items():
        if shared.gap < _GAP:
            yield (
                f"the best θ of {matrix} is not unique (eigenvalues {shared.width} and "
                f"{shared.width + 1} are equal): the mean captured share holds for all of them, the "
                f"captured shares by layer for one of them"
            )


def _narrow(module: str, subspaces: dict[str, SharedSubspace]) -> Iterator[str]:
    """Of which factors nothing was seen where the other layers hardly fix θ, and what was found to see more of such."""
    for matrix, shared in subspaces.items():
        one = shared.predicted
        test = None if one is None else one.nulls.get("flipped")
        if one is None or test is None or test.p_two_sided * len(subspaces) <= LEVEL:
            continue
        rows, width = one.theta.shape
        space, others = round(width / one.chance), len(one.layers) - 1
        if space < rows and others * space < _FIXED * rows:
            yield (
                f"{counted(others, 'other layer')} of {space} dimensions {'fixes' if others == 1 else 'fix'} the {rows} rows of {matrix}'s θ badly; without a θ, "
                f"`lora-lens similarity ADAPTER --module {module} --convention consistent --ridge 3 --nulls flipped` compares layers two by two "
                f"(of planted tenths in MiniLM's down- and up-projection it found 13 and 19 of 24, and θ 1 of 8 and 1 of 7: docs, power)"
            )


def _seen_alone(subspaces: dict[str, SharedSubspace]) -> Iterator[str]:
    """Of which factors a shared layer itself need not be predicted whole."""
    for matrix, shared in subspaces.items():
        one = shared.predicted
        if one is None or one.trivial or not (most := max(one.seen_alone)):
            continue
        layers = [str(n) for n, alone in zip(one.layers, one.seen_alone, strict=True) if alone]
        total = most + one.seen[one.seen_alone.index(most)]
        yield (
            f"of the {total} dimensions of {matrix}'s θ that W0 of all layers see, up to {most} are seen by one layer alone ({few(layers, 6)}): of what "
            f"its factor has there the others predict nothing, so that even one shared layer may have a share below 1"
        )


def _alike(subspaces: dict[str, SharedSubspace]) -> Iterator[str]:
    """Of which factors layers need no θ to be alike."""
    for matrix, shared in subspaces.items():
        one = shared.predicted
        if one is not None and one.nulls and one.alike > AS_INDEPENDENT:
            yield (
                f"{matrix} itself lies alike in its layers, as where it is frozen at, or began with, one value in all: where W0 of layers are alike, too, "
                f"as in models with copied layers, one θ predicts it whatever was learnt"
            )


def _together(subspaces: dict[str, SharedSubspace]) -> Iterator[str]:
    """Of which factors of another adapter chance is of fewer layers, of all at once, or unknown."""
    for matrix, shared in subspaces.items():
        one = shared.carried
        if one is None:
            continue
        if one.unknown:
            yield (
                f"{matrix} of the other adapter was made by one θ in a part, or of something else than what is asked here: what θ predicts of its layers "
                f"goes up and down in all of them at once, and no flips are known that do, so that nothing is claimed of the mean"
            )
        elif one.of_one_theta:
            yield (
                f"one θ made {matrix} of the other adapter in all layers: flips of the mean are of that θ, by random signs on the axes of Σ W0ᵀW0 "
                f"in its own space, and turn all layers at once; what is drawn is how far the mean lies from that of flips of each layer alone, by "
                f"which each layer is tested by itself"
            )
        elif one.nulls and one.scatter > AS_INDEPENDENT:
            yield (
                f"{matrix} of the other adapter lies alike in its layers, and so does what θ predicts there, as where layers have one W0: the mean share of "
                f"unrelated adapters would scatter {one.scatter:.1f} times as far as that of independent layers, and flips of the mean are of so few "
                f"groups of layers that theirs does: z, p and what would have been seen allow for it"
            )
