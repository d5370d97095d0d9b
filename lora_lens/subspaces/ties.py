"""Where a cut between singular values leaves open which subspace is meant: between equal ones, and of A and B below their rank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..adapter import ModuleFactors
from ..arrays import Tensor
from ..core.factors.rank import coarser, tied, wide_singular_values
from ..core.numbers.either import as_numpy
from ..labelled import Array


def gauge_note(when: str, factors: Sequence[str] = ("A", "B")) -> str:
    """What A and B have below their rank, and ΔW has not, in a sentence.

    Args:
        when: When i or j is below the rank.
        factors: Which of the two are asked about.

    Example:
        >>> gauge_note("rank 2 is below the adapter's 8")
        "rank 2 is below the adapter's 8: φ of A and of B depends on the gauge that training left them in, (A, B) or (GA, BG⁻¹); that of ΔW does not"
    """
    return (
        f"{when}: φ of {' and of '.join(factors)} depends on the gauge that training left them in, (A, B) or (GA, BG⁻¹); "
        f"that of ΔW does not"
    )


def tied_factors(factors: ModuleFactors, matrices: Sequence[str], k: int) -> dict[str, Array]:
    """Of A and B, as `matrices` has them: in which layers singular values k and k + 1 are equal to rounding.

    Example:
        >>> import torch
        >>> a, b = torch.eye(2, 5)[None], torch.tensor([[[3.0, 0.0], [0.0, 1.0]]])
        >>> factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.ones(1), (2,))
        >>> {name: found.tolist() for name, found in tied_factors(factors, ["A", "B"], 1).items()}
        {'A': [True], 'B': [False]}
    """
    stored = {"A": factors.a, "B": factors.b}
    return {
        name: as_numpy(tied(wide_singular_values(x), k, x))
        for name, x in stored.items()
        if name in matrices
    }


def tied_delta(factors: ModuleFactors, position: int, s: Tensor, k: int) -> bool:
    """Of a dense ΔW, DoRA's or of what was trained in full: whether singular values k and k + 1 are equal to rounding.

    Args:
        factors: Of the module.
        position: Of the layer in it.
        s: Singular values of ΔW above rounding, descending.
        k: At least 1.

    Example:
        >>> import torch
        >>> a, b = torch.eye(3)[None], torch.diag(torch.tensor([3.0, 2.0, 2.0]))[None]
        >>> factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.ones(1), (3,))
        >>> [tied_delta(factors, 0, torch.tensor([3.0, 2.0, 2.0]), k) for k in (1, 2, 3)]
        [False, True, False]
        >>> tied_delta(factors, 0, torch.empty(0), 1)
        False
    """
    import torch

    own = factors.ranks[position]
    dtype = coarser(factors.a[position, :own], factors.b[position, :, :own]).dtype
    shape = (factors.out_features, factors.in_features)
    stored = torch.empty(shape, dtype=dtype, device="meta")
    return k < len(s) and bool(tied(s, k, stored))  # of a ΔW of zero there are none


def tie_notes(
    source: str, ties: Mapping[str, Array], layers: Sequence[int], k: int
) -> Iterator[str]:
    """A sentence for each matrix that has any.

    Example:
        >>> import numpy as np
        >>> print(*tie_notes("me/lora", {"A": np.array([True, False]), "B": np.array([False, False])}, (3, 4), 2))
        singular values 2 and 3 of A of me/lora are equal to rounding in layer 3: which singular vectors lead there is arbitrary, and so is what is said of 2 of them; choose a rank at which singular values differ, or the whole rank
    """
    for matrix, found in ties.items():
        here = [str(layer) for layer, at in zip(layers, found.tolist(), strict=True) if at]
        if here:
            many = "s" if len(here) > 1 else ""
            yield tie_note(k, f"{matrix} of {source}", f"in layer{many} {', '.join(here)}")


def equal_note(w0: Tensor, s: Tensor, most: int, module: str, what: str) -> list[str]:
    """A sentence where two neighbours of W0's first singular values are equal to rounding, as an orthogonal W0's are; or none.

    Args:
        w0: As stored.
        s: Its singular values above rounding, descending.
        most: Of how many something is said, one by one.
        module: Whose.
        what: What is arbitrary then.

    Example:
        >>> import torch
        >>> w0 = torch.diag(torch.tensor([3.0, 2.0, 2.0]))
        >>> equal_note(w0, w0.diagonal(), 1, "value", "φ(i, j)"), len(equal_note(w0, w0.diagonal(), 2, "value", "φ(i, j)"))
        ([], 1)
    """
    return [equal_said(module, what)] if equal_neighbours(w0, s, most).any() else []


def equal_neighbours(w0: Tensor, s: Tensor, most: int) -> Tensor:
    """Whether W0's singular values k and k + 1 are equal to rounding, of the first k = 1, 2, … `most`.

    Example:
        >>> import torch
        >>> w0 = torch.diag(torch.tensor([3.0, 2.0, 2.0]))
        >>> equal_neighbours(w0, w0.diagonal(), 3)
        tensor([False,  True])
    """
    ends = range(1, min(most + 1, len(s)))
    return s.new_tensor([bool(tied(s, k, w0)) for k in ends]).bool()


def equal_said(module: str, what: str) -> str:
    """The sentence.

    Args:
        module: Whose W0.
        what: What is arbitrary then.

    Example:
        >>> equal_said("value", "φ(i, j)").rpartition(":")[2]
        ' which singular vectors it has there is arbitrary, and so is φ(i, j)'
    """
    return (
        f"W0 of {module} has singular values that are equal to rounding in some layer: which singular vectors it has there is "
        f"arbitrary, and so is {what}"
    )


def tie_note(k: int, of: str, where: str) -> str:
    """The sentence, of a matrix and a place.

    Example:
        >>> tie_note(4, "A", "in some layer of me/lora").partition(":")[0]
        'singular values 4 and 5 of A are equal to rounding in some layer of me/lora'
    """
    return (
        f"singular values {k} and {k + 1} of {of} are equal to rounding {where}: which singular vectors lead there is "
        f"arbitrary, and so is what is said of {k} of them; choose a rank at which singular values differ, or the whole rank"
    )
