"""The least memory that conversions and their nulls take: the work on one W0, and one layer's draws.

Everything else waits in files, and W0 passes layer by layer. Bytes are counted from shapes, above what is
measured, so that a budget that is not below them is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..core.solving.refined import FROM
from ..subspaces.conversions import Plan
from ..subspaces.memory import Least, memory_budget
from .conversion_draws import rows_at_once
from .draws import ENTRIES
from .null_names import DRAWN, NullName

_OTHER = 1 << 25
_COPIES = (
    4 * 6
)  # bytes a number of some draws: right-hand sides, solutions and bases, and φ between these
# Bytes an entry of W0, with W0 as the file has it, in float32 at most, and the next layer's:
_IN_FLOAT32 = 4 + 4 + 8  # W0, and its LU, with which draws are solved, too
_IN_FLOAT64 = 8 + 8 + 8 + 4 + 8  # W0, its QR, what LAPACK copies, and the QR in float32
_BY_SVD = 8 * 8  # W0, its singular vectors, and what LAPACK takes for them


def within(plan: Plan, nulls: Sequence[NullName], asked: str | int | None, *later: Least) -> Plan:
    """The plan with the memory that was asked for.

    Args:
        plan: What is asked.
        nulls: That are drawn.
        asked: As `memory_budget` takes it.
        later: What the question takes when conversions and draws are made.

    Raises:
        LensError: No such size, or less than the least that it takes, which is said.

    Example:
        >>> import lora_lens as ll
        >>> factors = ll.load_adapter(ll.demo_adapter("lora")).modules["value"]
        >>> plan = Plan(factors, ("B",), 8, 8, "left", "stored", 10)
        >>> within(plan, ("propagated",), "100MB").memory.size
        100000000
        >>> within(plan, ("propagated",), "50MB")
        Traceback (most recent call last):
        lora_lens.errors.LensError: memory is 50MB; expected at least 68MB, for what any question takes
    """
    return replace(plan, memory=memory_budget(asked, *leasts(plan, nulls, *later)))


def leasts(plan: Plan, nulls: Sequence[NullName], *later: Least) -> tuple[Least, ...]:
    """What is taken at any rate, one after the other: by conversions and draws, and by what comes later.

    Example:
        >>> import lora_lens as ll
        >>> factors = ll.load_adapter(ll.demo_adapter("lora")).modules["value"]
        >>> [part.of for part in leasts(Plan(factors, ("B",), 8, 8, "left", "stored", 10), ("propagated",))]
        ["one W0 of 384x384, its factorisation and one layer's draws", 'bases of some draws in all layers']
    """
    rows, columns = plan.factors.out_features, plan.factors.in_features
    kept = _own(plan) + _OTHER
    parts = (
        Least(
            _one_w0(plan, nulls) + _one_layers_draws(plan, nulls),
            f"one W0 of {rows}x{columns}, its factorisation and one layer's draws",
        ),
        Least(_all_layers(plan, nulls), "bases of some draws in all layers"),
        *later,
    )
    return tuple(Least(part.size + kept, part.of) for part in parts)


def _one_w0(plan: Plan, nulls: Sequence[NullName]) -> int:
    """The work on one W0, if float32 does; where it is so ill-conditioned that it does not, more."""
    rows, columns = plan.factors.out_features, plan.factors.in_features
    each = _IN_FLOAT32 if rows == columns >= FROM else _IN_FLOAT64
    decomposed = _BY_SVD * (bool(plan.ridge) + ("equivalent" in nulls) + ("flipped" in nulls))
    return (each + decomposed) * rows * columns


def _one_layers_draws(plan: Plan, nulls: Sequence[NullName]) -> int:
    """Random factors of one layer, and their conversions' bases as they are put away."""
    if not plan.draws or not set(nulls) & set(DRAWN):
        return 0
    product = "BA" in plan.matrices and not plan.spans_alone
    shared = plan.convention == "stored" and not plan.ordered  # A's and B's are the same then
    drawn = 1 + product + (plan.convention == "consistent" and "A" in plan.matrices)
    found = 1 + product if shared else len(plan.matrices)
    solved = max(rows_at_once(), *plan.factors.ranks) * _wide(plan)
    if "flipped" in nulls:  # in float64, and each matrix's its own
        drawn = 2 * ("A" in plan.matrices) + 2 * bool({"B", "BA"} & {*plan.matrices})
        found = len(plan.matrices)
        solved *= 2
    return 4 * (drawn + found) * plan.draws * _basis(plan) + _COPIES * solved


def _all_layers(plan: Plan, nulls: Sequence[NullName]) -> int:
    """Bases of some draws in all layers, while φ between these is taken."""
    layers = len(plan.factors.layers)
    some = _COPIES * min(ENTRIES, max(1, plan.draws) * layers * _basis(plan))
    donors = 8 * layers**2 * _basis(plan) if "mismatched" in nulls and plan.draws else 0
    # Draws are of the donors' bases; where every donor is asked for, a copy of these and φ.
    return max(some + donors, 3 * donors)


def _own(plan: Plan) -> int:
    """Bases of the adapter's own conversions, and a copy of them."""
    return 8 * 2 * len(plan.matrices) * len(plan.factors.layers) * _basis(plan)


def _basis(plan: Plan) -> int:
    """Numbers of one factor, or of a basis of its conversion."""
    return max(plan.factors.ranks) * _wide(plan)


def _wide(plan: Plan) -> int:
    return max(plan.factors.out_features, plan.factors.in_features)
