"""The coordinates that conversions hold, as text."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ...several import counted
from ...show.layout import NONE, Table, beside, called, number, p_value, signed
from ...show.many_rows import ENDS, MOST_LAYERS, ends
from . import words
from .result import LEVEL, Alike, Coordinate, OutliersResult


def tables(result: OutliersResult) -> list[Table]:
    """φ before and after, the coordinates, and their shares and columns by layer."""
    source = called(result.adapter) if result.adapter else "untrained factors"
    what = f"{title(result)}; {source} on {called(result.base)}"
    found = [phi_table(result).under(what), coordinate_table(result)]
    return [*found, *tables_by_layer(result)]


def tables_by_layer(result: OutliersResult) -> list[Table]:
    """Shares and columns by layer; of more layers than a line has room for their least, median and most."""
    found = [share_table(result), norm_table(result)]
    return list(map(_ends, found)) if len(result.layers) > MOST_LAYERS else found


def _ends(content: Table) -> Table:
    rows = [[name, *ends(cells)] for name, *cells in content.rows]
    title = f"{content.title.removesuffix(', by layer')}, over {len(content.head) - 1} layers"
    return Table(title, ["coordinate", *ENDS], rows)


def title(result: OutliersResult) -> str:
    """What it is of, in one line."""
    return (
        f"Coordinates that {result.module} conversions of {result.matrix} hold: rank {result.rank}, "
        f"{counted(len(result.layers), 'layer')}, {result.convention}"
    )


def phi_table(result: OutliersResult) -> Table:
    """Mean φ between layers with W0 as it is, and with columns at the median norm."""
    what = words.columns(result)
    head = ["W0", "random factors", "deep half", "unrelated", "adapter", "z", "p"]
    unrelated = _beside(*result.gaussian)
    rows = [["as it is", *_means(result.before), unrelated, *_own(result.before)]]
    if result.coordinates:
        rows.append([f"named {what} rescaled", *_means(result.after), "", *_own(result.after)])
    if math.isfinite(result.every[0]):
        every = [number(value, 4) for value in result.every]
        rows.append([f"every {what[:-1]} rescaled", *every, "", *[NONE] * 3])
    return Table("Mean φ between layers", head, rows)


def _means(alike: Alike) -> list[str]:
    return [_beside(alike.mean, alike.sd), number(alike.deep, 4)]


def _beside(mean: float, sd: float) -> str:
    """Of one layer there is no mean over pairs that could deviate."""
    return beside(mean, sd, 4) if math.isfinite(sd) else number(mean, 4)


def _own(alike: Alike) -> list[str]:
    if alike.test is None:
        return [NONE] * 3
    return [number(alike.observed, 4), signed(alike.test.z, 1), p_value(alike.test.p)]


def coordinate_table(result: OutliersResult) -> Table:
    """What each coordinate explains, and how it stands apart; then those that nearly did."""
    own = ["adapter"] if result.adapter else []
    head = [
        "coordinate", "explains", "with those above", *own, "random factors", "by chance",
        "magnified", "p",
    ]  # fmt: skip
    rows = [
        [f"{one.coordinate}", *_strength(one), *_held(result, one)] for one in result.candidates
    ]
    named = len(result.coordinates)
    return Table(
        f"{named or 'No'} coordinate{'' if named == 1 else 's'} stand{'s' if named == 1 else ''} apart "
        f"(p ≤ {LEVEL:g}); the most magnified",
        head,
        rows,
    )


def _strength(one: Coordinate) -> Iterator[str]:
    for value in (one.explains, one.explains_together):
        yield f"{100 * value:.1f} %" if math.isfinite(value) else NONE


def _held(result: OutliersResult, one: Coordinate) -> Iterator[str]:
    if result.adapter:
        yield number(float(one.share.mean()), 4)
    yield number(float(one.propagated_share.mean()), 4)
    yield number(result.by_chance, 4)
    yield f"{one.magnification:.1f}"
    yield p_value(one.p)


def share_table(result: OutliersResult) -> Table:
    """Share of each unit vector in each layer's conversion subspace."""
    rows = [
        [f"{one.coordinate}", *(f"{value:.2f}" for value in one.share)] for one in result.candidates
    ]
    return Table("Share of the unit vector, by layer", _layers(result), rows)


def norm_table(result: OutliersResult) -> Table:
    """Norm of W0's column beside the layer's median."""
    rows = [
        [f"{one.coordinate}", *(f"{value:.2f}" for value in one.column_norm)]
        for one in result.candidates
    ]
    what = words.columns(result)[:-1]
    return Table(f"Norm of W0's {what} beside the median, by layer", _layers(result), rows)


def _layers(result: OutliersResult) -> list[str]:
    return ["coordinate", *map(str, result.layers)]


def legend(result: OutliersResult) -> list[str]:
    """What the columns of the tables mean."""
    power = "1/n²" if result.inverse else "n²"
    what = words.columns(result)[:-1]
    describes = "adapter, z, p: its mean φ beside the draws, which describes; `shared` tests whether layers share anything"
    return [
        *([describes] if result.adapter else []),
        f"explains: of the excess of random factors over unrelated subspaces, with the {what} scaled to the "
        f"median norm: a sensitivity, not a correction",
        f"{'adapter, ' if result.adapter else ''}random factors: share of the unit vector in the conversion "
        f"subspace, mean over layers; by chance r/d; magnified: "
        f"mean of {power}, n the {what}'s norm beside the layer's median",
        f"p: that it stands apart from others whose magnifications fall off as an exponential does or faster, corrected for "
        f"all gaps among which that is sought, down to {result.considered} coordinates ({what}s of one law with a heavier tail reach it more often); deep half: "
        f"layers {result.deep_layers[0]} to {result.deep_layers[-1]}",
    ]
