"""ΔM against ΔD, a point a layer, and their correlation beside random ΔW's, described."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...labelled import Array
from ...show.figure import (
    Axis,
    Bars,
    Block,
    Colour,
    Level,
    Line,
    Mark,
    Panel,
    Sheet,
    Strokes,
    apart,
    named,
    numbers,
    positions,
)
from ...show.whose import whose
from .result import LayerChange, MagnitudeAndDirection

_WIDTH = 4.6
_NAME = 0.06, 0.06  # of the panel, what a number beside a point takes


def figures(result: MagnitudeAndDirection) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    return {"": magnitude_sheet(result)}


def magnitude_panel(result: MagnitudeAndDirection) -> Panel:
    """ΔM against ΔD: a point a layer, a colour a module, each joined to the mean of random ΔW of its singular values."""
    trained = {name: layers for name in result.modules if (layers := result.of(name))}
    own = [_line(layers, module, k) for k, (module, layers) in enumerate(trained.items())]
    return Panel(
        title="A point a layer",
        x=Axis("magnitude change ΔM"),
        y=Axis("directional change ΔD"),
        marks=apart([*(_random(trained) if result.draws and trained else []), *own], *_NAME),
        legend="below" if trained else "none",
    )


def _line(layers: Sequence[LayerChange], module: str, colour: Colour) -> Line:
    x = numbers([one.magnitude.value for one in layers])
    y = numbers([one.direction.value for one in layers])
    return Line(
        x, y, module, colour, "none", "circle", names=tuple(str(one.layer) for one in layers)
    )


def _random(trained: Mapping[str, Sequence[LayerChange]]) -> Iterator[Mark]:
    """The means, a stroke from each to its layer's own point, and what they are called, in grey."""
    every = [one for layers in trained.values() for one in layers]
    pale: list[Colour] = ["pale"] * len(every)
    yield Strokes(tuple(map(_stroke, every)), tuple(pale))
    for k, layers in enumerate(trained.values()):
        x = numbers([one.magnitude.mean for one in layers])
        y = numbers([one.direction.mean for one in layers])
        yield Line(x, y, "", k, "none", "circle", hollow=True)
    nowhere = np.array([np.nan])
    yield Line(nowhere, nowhere, "random ΔW, mean", "grey", "none", "circle", hollow=True)


def _stroke(one: LayerChange) -> Array:
    ends = [(change.mean, change.value) for change in (one.magnitude, one.direction)]
    return np.array(ends).T


def correlation_panel(result: MagnitudeAndDirection) -> Panel:
    """Pearson's r of ΔM and ΔD, by module and over all, beside where 95 of 100 random ΔW have it."""
    found = result.together
    x = positions(found)
    ends = np.array([one.middle for one in found]).reshape(len(found), 2)
    means = numbers([one.mean for one in found])
    labels = ["all" if len(one.modules) > 1 else one.label for one in found]
    random = Bars(x, ends[:, 0], ends[:, 1], means, "random ΔW, 95 of 100", "grey", width=0.5)
    own = Line(x, numbers([one.r for one in found]), "this adapter", "black", "none", "diamond")
    return Panel(
        title="Do they rise together?",
        x=named("module", labels),
        y=Axis("Pearson's r over the layers", low=-1.05, high=1.05),
        marks=(Level(0.0, colour="pale"), *([random] if result.draws else []), own),
        legend="below",
    )


def magnitude_sheet(result: MagnitudeAndDirection) -> Sheet:
    """`magnitude_panel` beside `correlation_panel`, and whose they are."""
    count = len(result.together)
    panels = [magnitude_panel(result), *([correlation_panel(result)] if count else [])]
    narrow = max(2.2, 0.6 * count + 1.2)
    widths = (_WIDTH, narrow) if count else (_WIDTH,)
    return Sheet(
        (Block([panels], widths=widths),),
        (sum(widths) + 0.8, 4.4),
        note=whose({"": result.adapter}, result.base),
    )
