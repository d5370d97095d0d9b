"""What of one place alike.py asks: a side of a module, in all layers of a base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lora_lens.chance.spacings import standing_apart
from lora_lens.core.conversions.outliers import magnification, relative_norms
from lora_lens.questions.outliers.result import LEVEL

RANK = 8
FEW = (1, 2, 4, 8, 16, 32, 64, 128)
SMALLEST = (1, 8, 32, 128)
SHARED = 32  # directions that conversions have most in common
LEAST = 0.1  # of r/d: an excess below it is not looked into
# Of each: modules, the LayerNorm before a layer, and the one after its attention.
FAMILIES = {
    "bert": (("query", "key", "value", "attention.output.dense"), "attention.output.LayerNorm"),
    "mpnet": (("q", "k", "v", "o"), "attention.LayerNorm"),
}


class Place(NamedTuple):
    """One side of a module: the rows of `w` are solved for, its columns are the space of the conversions.

    Attributes:
        w: (layer, rows, d), perhaps with columns at the median norm of their layer.
        x: (layer, d, draw·r) conversions of Gaussian factors through it.
        v: (layer, d, d) its right singular vectors, largest first.
    """

    w: Tensor
    x: Tensor
    v: Tensor

    @property
    def median(self) -> Tensor:
        """(layer,) of the columns' norms."""
        return self.w.norm(dim=1).median(dim=1).values

    def columns_at_median(self, relative: Tensor, columns: Sequence[int]) -> Place:
        """With some columns, of these relative norms, at the median norm."""
        scale = torch.ones_like(relative)
        scale[:, list(columns)] = relative[:, list(columns)]
        w = self.w / scale[:, None]
        return Place(w, self.x * scale[..., None], torch.linalg.svd(w).Vh.mT)


def place(w: Tensor, draws: int, generator: torch.Generator) -> Place:
    """Solve for Gaussian factors: V·S⁻¹·G, which has the distribution of W⁻¹·G."""
    _, s, vh = torch.linalg.svd(w)
    g = torch.randn(len(w), w.shape[-1], draws * RANK, generator=generator, dtype=w.dtype)
    return Place(w, vh.mT @ (g / s[..., None]), vh.mT)


def projectors(x: Tensor) -> Tensor:
    """(layer, d, d) mean projector on the subspaces of the draws."""
    layers, d, _ = x.shape
    bases = torch.linalg.qr(x.reshape(layers, d, -1, RANK).transpose(1, 2)).Q
    draws = bases.shape[1]
    wide = bases.transpose(1, 2).reshape(layers, d, -1).float()
    return wide @ wide.mT / draws


def excess(x: Tensor, layers: Sequence[int] | None = None) -> float:
    """Mean φ between different layers over r/d, every draw of the one with every draw of the other."""
    p = projectors(x if layers is None else x[list(layers)])
    return mean_off(gram(p)) - RANK / x.shape[1]


def gram(p: Tensor) -> Tensor:
    """(layer, layer) mean φ."""
    flat = p.flatten(1)
    return (flat @ flat.mT).double() / RANK


def mean_off(grid: Tensor) -> float:
    """Off the diagonal."""
    return float((grid.sum() - grid.diagonal().sum()) / (len(grid) * (len(grid) - 1)))


def by_distance(x: Tensor) -> list[float]:
    """Excess between layers that are 1, 2, … apart."""
    grid = gram(projectors(x))
    return [float(grid.diagonal(k).mean()) - RANK / x.shape[1] for k in range(1, len(grid))]


def along(w: Tensor, median: Tensor, x: Tensor, q: Tensor) -> Tensor:
    """Conversions through W scaled along the span of q, so that W's singular values on it are the median."""
    _, s, turn = torch.linalg.svd(w @ q, full_matrices=False)
    u = q @ turn.mT
    return x + u @ ((s / median[:, None] - 1)[..., None] * (u.mT @ x))


def without(u: Tensor, named: Sequence[int]) -> Tensor:
    """(layer, d, q) orthonormal: the span of u (d × q, of a layer or of all) less the named coordinates."""
    kept = u.double().clone()
    kept[..., list(named), :] = 0
    return torch.linalg.qr(kept).Q


def flipped(v: Tensor, q: Tensor, generator: torch.Generator) -> Tensor:
    """The same directions, turned by random signs on each W's own right singular directions v."""
    signs = torch.randint(2, v.shape[:2], generator=generator).to(q) * 2 - 1
    return v @ (signs[..., None] * (v.mT @ q))


def explained(at: Place, q: Tensor, generator: torch.Generator) -> dict[str, float]:
    """The excess with W at the median on these directions, and on their flips; how large W is on them."""
    both = {"excess": q, "flips": flipped(at.v, q, generator)}
    found = {name: excess(along(at.w, at.median, at.x, one)) for name, one in both.items()}
    norm = (at.w @ q).pow(2).sum(1).mean(1).sqrt() / at.median
    return found | {"directions": q.shape[-1], "norm": float(norm.mean())}


def in_basis(at: Place, basis: Tensor) -> Place:
    """With the norm of W along every vector of an orthonormal basis at the median, as columns are; v is no longer its own."""
    norm = (at.w @ basis).norm(dim=1) / at.median[:, None]
    w = (at.w @ basis / norm[:, None]) @ basis.mT
    return Place(w, basis @ (norm[..., None] * (basis.mT @ at.x)), at.v)


def by_halves(at: Place, generator: torch.Generator) -> dict[str, Any]:
    """Directions that the even layers' conversions have most in common, asked of the odd layers, and the reverse.

    Excess is between layers of one half alone, mean over the halves; `whole` is with all of the other half's
    directions as a basis.
    """
    p = projectors(at.x)
    halves = [list(range(start, len(at.x), 2)) for start in (0, 1)]
    found: dict[str, Any] = {"k": list(FEW), "before": 0.0, "whole": 0.0}
    found |= {name: [0.0] * len(FEW) for name in ("excess", "flips")}
    for half, other in zip(halves, reversed(halves), strict=True):
        own = Place(at.w[half], at.x[half], at.v[half])
        leading = torch.linalg.eigh(p[other].mean(0).double()).eigenvectors.flip(-1)
        found["before"] += excess(own.x) / 2
        found["whole"] += excess(in_basis(own, leading).x) / 2
        for place_of, k in enumerate(FEW):
            one = explained(own, leading[:, :k].expand(len(half), -1, -1), generator)
            for name in ("excess", "flips"):
                found[name][place_of] += one[name] / 2
    return found


def partition(at: Place, named: Sequence[int]) -> dict[str, float]:
    """Exactly, of the excess as it is: what named coordinates, other coordinates and the rest off the axes hold."""
    p = projectors(at.x).double()
    d = p.shape[-1]
    diagonal = p.diagonal(dim1=1, dim2=2) - RANK / d
    chosen = diagonal[:, list(named)]
    on_named, on_axes = (mean_off(one @ one.mT / RANK) for one in (chosen, diagonal))
    every = mean_off(gram(p.float())) - RANK / d
    return {"named": on_named, "others": on_axes - on_named, "off": every - on_axes}


def by_head(at: Place, size: int, generator: torch.Generator) -> dict[str, float]:
    """The excess where the rows of each head are made orthonormal, and where those of random groups are."""
    rows = at.w.shape[1]
    orders = {
        "heads": torch.arange(rows),
        "random groups": torch.randperm(rows, generator=generator),
    }
    found = {}
    for name, order in orders.items():
        u, _, vh = torch.linalg.svd(at.w[:, order].unflatten(1, (-1, size)), full_matrices=False)
        w = (u @ vh).flatten(1, 2)
        g = torch.randn(*at.x.shape, generator=generator, dtype=w.dtype)
        found[name] = excess(torch.linalg.solve(w, g))
    return found


def alignment(at: Place, covariance: Tensor) -> float:
    """Rank correlation of ‖W p‖ with the variance of hidden states along p, over principal directions p; mean of layers."""
    found = []
    for w, c in zip(at.w, covariance, strict=True):
        values, vectors = torch.linalg.eigh(c)
        ranks = torch.stack([(w @ vectors).norm(dim=0), values]).argsort(dim=1).argsort(dim=1)
        found.append(float(torch.corrcoef(ranks.double())[0, 1]))
    return sum(found) / len(found)


def place_record(
    at: Place,
    directions: Mapping[str, Tensor],
    bases: Mapping[str, Tensor],
    covariance: Tensor,
    head: int,
    seed: int,
) -> dict[str, Any]:
    """All that is asked of one place: first with the named columns at the median norm, then with all."""
    generator = torch.Generator().manual_seed(seed)
    layers, _, d = at.w.shape
    relative = torch.stack([relative_norms(one) for one in at.w])
    named = standing_apart(magnification(relative, inverse=True).numpy(), LEVEL).at(LEVEL)
    grid = gram(projectors(at.x))
    found: dict[str, Any] = {
        "layers": layers, "d": d, "gaussian": RANK / d, "excess": mean_off(grid) - RANK / d,
        "deep": mean_off(grid[layers // 2 :, layers // 2 :]) - RANK / d, "named": list(named),
    }  # fmt: skip
    if found["excess"] < LEAST * RANK / d:
        return found  # nothing to explain
    found["partition"] = partition(at, named)
    found["by distance"] = by_distance(at.x)
    states = {
        "named": at.columns_at_median(relative, named) if named else at,
        "all": at.columns_at_median(relative, range(d)),
    }
    for name, one in states.items():
        found[name + " columns"] = _of_state(one, named, directions, bases, generator)
    found["heads"] = by_head(states["named"], head, generator)
    found["alignment"] = alignment(at, covariance)
    return found


def _of_state(
    at: Place,
    named: Sequence[int],
    directions: Mapping[str, Tensor],
    bases: Mapping[str, Tensor],
    generator: torch.Generator,
) -> dict[str, Any]:
    layers, _, d = at.w.shape
    chosen = {name: without(u, named).expand(layers, -1, -1) for name, u in directions.items()}
    shared = torch.linalg.eigh(projectors(at.x).mean(0).double()).eigenvectors[:, -SHARED:]
    found: dict[str, Any] = {
        "excess": excess(at.x), "by distance": by_distance(at.x), "directions": {}, "random": {}, "bases": {},
    }  # fmt: skip
    for name, q in chosen.items():
        held = (shared.mT @ q).pow(2).sum(dim=(1, 2)).mean() / q.shape[-1]
        found["directions"][name] = explained(at, q, generator) | {"held": float(held)}
    for k in sorted({q.shape[-1] for q in chosen.values()}):
        q = torch.linalg.qr(torch.randn(layers, d, k, generator=generator, dtype=at.w.dtype)).Q
        found["random"][str(k)] = explained(at, q, generator)["excess"]
    found["smallest"] = {
        str(k): excess(along(at.w, at.median, at.x, at.v[..., -k:])) for k in SMALLEST
    }
    after, random = at, at
    found["one after the other"] = []
    for name, basis in bases.items():
        noise = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=at.w.dtype)).Q
        after, random = in_basis(after, basis), in_basis(random, noise)
        found["bases"][name] = excess(in_basis(at, basis).x)
        found["one after the other"].append([name, excess(after.x), excess(random.x)])
    found["halves"] = by_halves(at, generator)
    return found
