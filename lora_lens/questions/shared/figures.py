"""What one shared layer captures, described: by layer, by width, and the mean projector's eigenvalues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...chance.against_null import NullTest
from ...labelled import Array
from ...show.figure import (
    Axis,
    Band,
    Bars,
    Block,
    Level,
    Line,
    Mark,
    Panel,
    Sheet,
    named,
    positions,
    round_top,
)
from ...show.whose import whose
from ...show.wording import ridge_words
from .predicted import Predicted
from .result import SharedResult, SharedSubspace

_UNRELATED = "unrelated subspaces"
_NULLS = {"gaussian": _UNRELATED, "propagated": "random factors, same W0"}
_SPREAD = ", ± 2 sd"
_CHANCE = "Bars and bands are chance, ± 2 sd: of "
_FLIPPED = "flipped factors at what is {}, of random ones elsewhere."
_RANDOM = "random factors."  # of one layer, of which nothing is predicted
_ASKED = "Does one shared layer yield every layer's factor?"
_ASKED_OF_OTHER = "Does one adapter's shared layer yield the other's factors?"
_ASIDE = 0.2  # of a layer's place: captured to the left, left out to the right where there is any


def figures(result: SharedResult) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    return {"": shared_sheet(result)}


def predicted_panel(one: Predicted) -> Panel:
    """Share of each layer's factor that the other layers' θ predicts, and what flips of that layer give."""
    x = positions(one.layers)
    what = f"{one.matrix} of the other adapter: carried over"
    if not one.carried:
        what = f"{one.matrix}: predicted by the other layers"
    return Panel(
        title=f"{one.matrix}: not determined" if one.trivial else what,
        x=named("layer", one.layers, low=-0.6, high=len(x) - 0.4),
        y=Axis("share of the factor", low=0, high=_top(one.share, one.by_layer)),
        marks=(
            *_bars(x, one.by_layer, f"flipped{_SPREAD}", 2),
            Level(one.chance, _UNRELATED, "grey", "dash"),
            Line(
                x, one.share, "carried over" if one.carried else "predicted", 2, "none", "diamond"
            ),
        ),
        legend="below",
    )


def layer_panel(shared: SharedSubspace) -> Panel:
    """Share of each layer that one shared layer captures, fitted to it and not, and what chance gives."""
    x = positions(shared.layers)
    null = list(shared.nulls.values())[-1]
    marks: list[Mark] = []
    both = np.isfinite(shared.left_out).any()  # of one layer none can be left out
    for k, (label, values, test, aside) in enumerate(
        (
            ("captured", shared.captured, null.captured, -_ASIDE if both else 0.0),
            ("left out", shared.left_out, null.left_out, _ASIDE),
        )[: 2 if both else 1]
    ):
        marks += _bars(x + aside, test, f"{label} by chance{_SPREAD}", k)
        marks.append(Line(x + aside, values, label, k, "none", "square" if k else "circle"))
    return Panel(
        title=f"{shared.matrix}: by one shared layer of width {shared.width}",
        x=named("layer", shared.layers, low=-0.6, high=len(x) - 0.4),
        y=Axis("share of the subspace", low=0, high=_top(shared.captured, null.captured)),
        marks=tuple(marks),
        legend="below",
    )


def _top(share: Array, test: NullTest[Array]) -> float:
    """A round number above all shares and bars."""
    shown = np.append(share, test.mean + 2 * test.sd)
    high = float(max(shown[np.isfinite(shown)], default=1.0))
    return 1.05 if high > 0.7 else round_top(1.1 * high)


def _bars(x: Array, test: NullTest[Array], label: str, colour: int) -> Iterator[Bars]:
    if np.isfinite(test.mean).any():
        yield Bars.around(x, test.mean, test.sd, label, colour)


def eigenvalue_panel(shared: SharedSubspace) -> Panel:
    """Eigenvalues of the mean projector: 1 for a direction that all layers have, 1/L (dotted) for one that one has."""
    index = np.arange(1.0, len(shared.eigenvalues) + 1)
    marks = [
        *_nulls(index, shared, "eigenvalues"),
        Line(index, shared.eigenvalues, "this adapter", "black", marker="dot", width=1),
        Level(1 / len(shared.layers), "1/L", "grey", "dot", said="inside"),
        _width(shared),
    ]
    return Panel(
        title=f"{shared.matrix}: eigenvalues of the mean projector",
        x=Axis("k", high=float(len(index)), whole=True),
        y=Axis("λ of direction k", low=0, high=1.02),
        marks=tuple(marks),
    )


def width_panel(shared: SharedSubspace) -> Panel:
    """Share that one layer captures, by its width."""
    index = np.arange(1.0, len(shared.curve) + 1)
    marks = [
        *_nulls(index, shared, "curve"),
        Line(index, shared.curve, "this adapter", "black", width=1),
        _width(shared),
    ]
    return Panel(
        title=f"{shared.matrix}: by width of the shared layer",
        x=Axis("width k of the shared layer", high=float(len(index)), whole=True),
        y=Axis("captured, mean over layers", low=0, high=1.02),
        marks=tuple(marks),
    )


def _nulls(index: Array, shared: SharedSubspace, what: str) -> Iterator[Mark]:
    for name, null in shared.nulls.items():
        test = getattr(null, what)
        if not np.isfinite(test.mean).any():
            continue
        propagated = name == "propagated"
        colour = 4 if propagated else "grey"
        yield Band(index, test.mean - 2 * test.sd, test.mean + 2 * test.sd, "", colour)  # type: ignore[arg-type]
        # As broad as that it is seen under the adapter's own line, which may lie on it.
        dash, width = ("solid", 4.0) if propagated else ("dash", 1.0)
        yield Line(
            index, test.mean, f"{_NULLS.get(name, name)}{_SPREAD}", colour,  # type: ignore[arg-type]
            dash, width=width,  # type: ignore[arg-type]
        )  # fmt: skip


def _width(shared: SharedSubspace) -> Level:
    return Level(shared.width, f"k = {shared.width}", "pale", upright=True, said="inside")


def shared_sheet(result: SharedResult) -> Sheet:
    """A row a matrix: predicted by layer, captured by layer, by eigenvalue, by width.

    With another adapter what is carried over to it stands in place of what is predicted: it is what was asked.
    """
    rows, chance = [], _RANDOM
    for shared in result.values():
        row = [layer_panel(shared), eigenvalue_panel(shared), width_panel(shared)]
        forwards = shared.predicted if shared.carried is None else shared.carried
        if forwards is not None:
            row.insert(0, predicted_panel(forwards))
            chance = _FLIPPED.format("predicted" if result.other is None else "carried over")
        rows.append(list(map(_for_one_legend, row)))
    size = min(6.0, 3.0 + 0.16 * len(result.layers))
    widths = (size, 3.7, 3.7) if len(rows[0]) == 3 else (size, size, 3.7, 3.7)
    return Sheet(
        (Block(rows, widths=widths, narrow="turn"),),
        (sum(widths) + 0.6, 3.2 * len(result) + 1.1),
        title=(
            f"{_ASKED if result.other is None else _ASKED_OF_OTHER} {result.module}, rank "
            f"{result.rank}{ridge_words(result.ridge)}, conversions {result.convention}"
        ),
        note=f"{_CHANCE}{chance}\n{_whose(result)}",
        legend="below",
    )


def _for_one_legend(panel: Panel) -> Panel:
    """Without what the note says of all bars and bands, each of its marks' colour."""
    return replace(panel, marks=tuple(map(_briefly, panel.marks)), legend="none")


def _briefly(mark: Mark) -> Mark:
    if isinstance(mark, Bars):
        return replace(mark, label="")
    return replace(mark, label=mark.label.removesuffix(_SPREAD)) if isinstance(mark, Line) else mark


def _whose(result: SharedResult) -> str:
    adapters = {"": result.adapter}
    if result.other is not None:
        adapters = {"this adapter": result.adapter, "the other": result.other}
    return whose(adapters, result.base)
