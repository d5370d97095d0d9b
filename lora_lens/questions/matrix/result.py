"""φ between any number of adapters, pair by pair, with what chance gives and a tree over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...chance.p_values import benjamini_hochberg, excess
from ...core.many_adapters.clustering import Cut, chance_differs, joined
from ...labelled import Array, Row, plain
from ..answer import Answer

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, repr=False, eq=False)
class MatrixResult(Answer):
    """Which adapters span alike? φ of one matrix between every two, mean over the layers.

    Pairs of adapters of ranks i and j compare subspaces of those dimensions, and φ divides by
    min(i, j): 1 says that the smaller lies in the larger.

    Attributes:
        names: Short names that tell the adapters apart.
        sources, methods: Folder and method of each.
        module, matrix, side: What was compared: ``A``, ``B`` or ``delta``, and whose singular vectors.
        d: Dimension of the space that they live in.
        rank: How many singular vectors of each; None where each adapter's own rank was taken.
        layers: The layers that all have.
        ranks: (adapter, layer) singular vectors compared.
        values: (adapter, adapter) mean φ over the layers.
        by_layer: (layer, adapter, adapter) φ; None where it was not kept.
        gaussian_mean, gaussian_sd: (adapter, adapter) mean and deviation of that mean for unrelated
            subspaces, in closed form, with `scatter`.
        scatter: (adapter, adapter) how many times as far that mean scatters as that of independent layers, for those of both
            adapters lie alike: up to √layers, where one matrix serves all; 1 where it is 1.02 or less. Times what a few coordinates
            that outweigh the rest in both make of it (`core.similarity.on_coordinates`), where that is above 1.1.
        draws: Of unrelated subspaces, for p.
        p: (adapter, adapter) Monte-Carlo p-value (b+1)/(n+1) of that mean among n draws of unrelated
            subspaces, of as many independent layers as scatter so far, or fewer; where few coordinates outweigh the rest, of the φ
            that is as rare among them by a gamma distribution; NaN on the diagonal, and everywhere without draws.
        linkage: scipy's, by average linkage of 1 − φ, or of 1 − excess (`by`): (adapter − 1, 4).
        order: The adapters from one end of the tree to the other.
        clusters: Each adapter's cluster, from 1 in that order.
        cut: Where the tree was cut: where ``chance`` begins, at its largest ``gap`` as all of it is above chance, or where as many
            clusters as were ``given`` are left.
        notes: What a reader should know beside the numbers, a sentence each.
        seed: Of the draws.
        base: That all adapters name; None where they name several.
        base_commit: Of the W0 that factors were made of, where they were, and of one.
    """

    names: tuple[str, ...]
    sources: tuple[str, ...]
    methods: tuple[str, ...]
    module: str
    matrix: str
    side: str
    d: int
    rank: int | None
    layers: tuple[int, ...]
    ranks: NDArray[np.int64]
    values: Array
    by_layer: Array | None
    gaussian_mean: Array
    gaussian_sd: Array
    scatter: Array
    draws: int
    p: Array
    linkage: Array
    order: tuple[int, ...]
    clusters: tuple[int, ...]
    cut: Cut = "chance"
    notes: tuple[str, ...] = ()
    seed: int | None = None
    base: str | None = None
    base_commit: str | None = None

    @property
    def stem(self) -> str:
        """Name of its files, but for their endings."""
        return f"matrix-{self.module}"

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def z(self) -> Array:
        """(adapter, adapter) mean φ in deviations from what unrelated subspaces give.

        NaN on the diagonal, where an adapter meets itself, and where the null does not vary (i = d).
        """
        sd = np.where(self.gaussian_sd > 0, self.gaussian_sd, np.nan)
        z = (self.values - self.gaussian_mean) / sd
        np.fill_diagonal(z, np.nan)
        return np.asarray(z)

    @cached_property
    def p_bh(self) -> Array:
        """(adapter, adapter) `p` after Benjamini and Hochberg, over the pairs."""
        one, other = self.pairs()
        found = np.full(self.p.shape, np.nan)
        if not np.isnan(self.p[one, other]).any():
            found[one, other] = found[other, one] = benjamini_hochberg(self.p[one, other])
        return found

    @property
    def excess(self) -> Array:
        """(adapter, adapter) (φ − null)/(1 − null): 0 at what unrelated subspaces give, 1 for equal ones."""
        return excess(self.values, self.gaussian_mean)

    def dimension(self, adapter: int) -> str:
        """How many singular vectors of an adapter: ``8``, or ``4–8`` where layers differ."""
        low, high = int(self.ranks[adapter].min()), int(self.ranks[adapter].max())
        return str(low) if low == high else f"{low}–{high}"

    def pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Positions of every two adapters, each pair once."""
        return np.triu_indices(len(self), k=1)

    def closest(self, count: int) -> list[tuple[int, int]]:
        """The pairs of highest mean φ, or excess (`by`), highest first."""
        one, other = self.pairs()
        highest = np.argsort(-self.compared[one, other], kind="stable")[:count]
        return [(int(one[k]), int(other[k])) for k in highest]

    @property
    def clusters_given(self) -> bool:
        """Whether the caller said how many clusters."""
        return self.cut == "given"

    @property
    def cut_phi(self) -> float:
        """The least mean φ at which two clusters were joined; NaN where none were."""
        kept = [
            float(self.values[np.ix_(one, other)].mean())
            for (one, other), inside in zip(joined(self.linkage), self.inside, strict=True)
            if inside
        ]
        return min(kept, default=float("nan"))

    @property
    def cut_at(self) -> float:
        """The least mean φ, or excess (`by`), at which two clusters were joined, in the unit of `within`; NaN where none were."""
        heights = self.linkage[self.inside, 2]
        return float(1 - heights.max()) if heights.size else float("nan")

    @cached_property
    def by(self) -> str:
        """What the tree and the order of pairs go by: φ; where chance differs from pair to pair the excess."""
        return "excess" if chance_differs(self.gaussian_mean) else "φ"

    @cached_property
    def compared(self) -> Array:
        """(adapter, adapter) φ, or excess (`by`), which is NaN where chance gives 1."""
        return self.values if self.by == "φ" else self.excess

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Merge by merge of the tree, whether it is within one cluster."""
        of = self.clusters
        return np.array([of[one[0]] == of[other[0]] for one, other in joined(self.linkage)])

    def within(self, number: int | None = None) -> float:
        """Mean φ, or excess (`by`), over the pairs inside one cluster, or inside any; NaN where there is no such pair."""
        clusters = self.members()
        inside = []
        for members in clusters.values() if number is None else [clusters[number]]:
            grid = self.compared[np.ix_(members, members)]
            inside.append(grid[np.triu_indices(len(members), k=1)])
        return _mean(np.concatenate(inside))

    def between(self) -> float:
        """Mean φ, or excess (`by`), over the pairs of different clusters; NaN for a single cluster."""
        one, other = self.pairs()
        labels = np.array(self.clusters)
        return _mean(self.compared[one, other][labels[one] != labels[other]])

    def members(self) -> dict[int, list[int]]:
        """Cluster to the adapters in it, both in the order of the tree."""
        found: dict[int, list[int]] = {}
        for adapter in self.order:
            found.setdefault(self.clusters[adapter], []).append(adapter)
        return found

    def columns(self) -> dict[str, Any]:
        """One entry a pair of adapters: what `to_frame` shows."""
        one, other = self.pairs()
        names, ranks = (
            np.array(self.names, dtype=object),
            np.array([self.dimension(k) for k in range(len(self))], dtype=object),
        )
        labels = np.array(self.clusters)
        found: dict[str, Any] = {
            "one": names[one], "other": names[other], "module": self.module, "matrix": self.matrix,
            "side": self.side, "i": ranks[one], "j": ranks[other], "phi": self.values[one, other],
            "gaussian_mean": self.gaussian_mean[one, other],
            "gaussian_sd": self.gaussian_sd[one, other], "z": self.z[one, other],
            "p": self.p[one, other], "p_bh": self.p_bh[one, other],
            "excess": self.excess[one, other], "same_cluster": labels[one] == labels[other],
        }  # fmt: skip
        if self.by_layer is not None:
            for layer, grid in zip(self.layers, self.by_layer, strict=True):
                found[f"phi_layer_{layer}"] = grid[one, other]
        return found

    def rows(self) -> list[Row]:
        """One pair of adapters a row."""
        found = self.columns()
        count = len(found["one"])
        each = (np.broadcast_to(column, count).tolist() for column in found.values())
        return [dict(zip(found, row, strict=True)) for row in zip(*each, strict=True)]

    def to_frame(self) -> DataFrame:
        """A pandas DataFrame of one row a pair: mean φ, chance, z, and φ by layer where it was kept."""
        import pandas

        return pandas.DataFrame(self.columns())

    def to_dict(self) -> Row:
        """For JSON, with the one test that its sentence tells of."""
        tested = self.question.part("words").beside_unrelated(self)
        return super().to_dict() | {
            "beside_unrelated": None if tested is None else tested.to_dict()
        }

    def numbers(self) -> Row:
        """For JSON; the Gaussian moments are numbers where all pairs have the same, else grids."""
        members = self.members()
        return {
            "module": self.module,
            "matrix": self.matrix,
            "side": self.side,
            "rank": self.rank,
            "d": self.d,
            "layers": list(self.layers),
            "adapters": [
                {
                    "name": self.names[k], "source": self.sources[k], "method": self.methods[k],
                    "i": self.ranks[k].tolist(), "cluster": self.clusters[k],
                }
                for k in range(len(self))
            ],
            "phi": plain(self.values),
            "gaussian": {
                "mean": plain(_one_or_all(self.gaussian_mean)),
                "sd": plain(_one_or_all(self.gaussian_sd)),
                "scatter": plain(_one_or_all(self.scatter)),
            },
            "z": plain(self.z),
            "draws": self.draws,
            "p": plain(self.p),
            "p_bh": plain(self.p_bh),
            "excess": plain(self.excess),
            "by_layer": None if self.by_layer is None else plain(self.by_layer),
            "linkage": plain(self.linkage),
            "by": "phi" if self.by == "φ" else self.by,
            "order": list(self.order),
            "clusters": [
                {"cluster": number, "members": [self.names[k] for k in found]}
                | {"mean_within": plain(self.within(number))}
                for number, found in members.items()
            ],
            "cut": self.cut,
            "cut_phi": plain(self.cut_phi),
            "cut_at": plain(self.cut_at),
            "mean_within": plain(self.within()),
            "mean_between": plain(self.between()),
        }  # fmt: skip


def _mean(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _one_or_all(grid: Array) -> float | Array:
    return float(grid.flat[0]) if (grid == grid.flat[0]).all() else grid
