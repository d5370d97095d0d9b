"""Singular values of ΔW, described: a line a layer, the last standing out most (on white: darkest)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from ..errors import LensError
from .delta_named import Matrix, symbol
from .figure import Axis, Line, Mark, Panel, Scale
from .to_draw import check_parts

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@runtime_checkable
class Layer(Protocol):
    """One layer's singular values of ΔW; how many are above a random product's, where it says so."""

    @property
    def layer(self) -> int | None:
        """Its number; None for a module that is in no numbered layer."""

    @property
    def singular_values(self) -> Sequence[float]:
        """Of ΔW, descending."""


def singular_panel(layers: Sequence[Layer], last: int | None = None, title: str = "") -> Panel:
    """Singular values of one module's ΔW, or s·B·A; ringed where what is random has none so large.

    Args:
        layers: Of ``spectrum(…).of(module)``, or those of one module of ``inspect(…).modules``, which have no rings.
        last: Number of the layer with the darkest line; by default the last one here.
        title: Above it.
    """
    if not layers:
        raise LensError("there is no layer to draw the singular values of")
    matrices: list[Matrix] = [getattr(layer, "matrix", "ΔW") for layer in layers]
    last = max(layer.layer or 0 for layer in layers) if last is None else last
    marks: list[Mark] = []
    label = "above a random matrix" if "ΔW" in matrices else "above a random product"
    for layer in layers:
        shade = (layer.layer or 0) / max(1, last)
        index = np.arange(1.0, len(layer.singular_values) + 1)
        values = np.array([s if s > 0 else np.nan for s in layer.singular_values])
        marks.append(Line(index, values, marker="dot", shade=shade))
        if count := getattr(layer, "above_product_edge", 0):
            marks.append(Line(index[:count], values[:count], label, 0, "none", "ring", shade=shade))
            label = ""
    return Panel(
        title,
        Axis("index of σ", whole=True),
        Axis(f"σ of {symbol(matrices)}", log=True),
        tuple(marks),
    )


def layer_scale(last: int) -> Scale:
    """Which line is which layer."""
    return Scale(0, last, "layer", lines=True)


def layer_scales(layers: Sequence[Layer]) -> tuple[Scale, ...]:
    """`layer_scale` of several layers; of one, or of what is in no numbered layer, there is none."""
    numbers = {layer.layer for layer in layers} - {None}
    return (layer_scale(max(one or 0 for one in numbers)),) if len(numbers) > 1 else ()


def singular_value_plot(
    layers: Sequence[Layer], ax: Axes | None = None, *, last: int | None = None
) -> Axes:
    """Singular values of one module's ΔW, a line a layer; ringed where a random product has none so large.

    Args:
        layers: Of ``spectrum(…).of(module)``, or of ``inspect(…).modules``, which have no rings.
        ax: Where to draw; the current axes by default.
        last: Number of the layer with the darkest line; by default the last one here.
    """
    from .drawing.with_matplotlib import draw

    check_parts(layers, Layer, 'spectrum(…).of("value")')
    return draw(singular_panel(layers, last), ax)
