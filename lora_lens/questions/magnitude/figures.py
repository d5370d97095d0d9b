"""ΔM against ΔD, a point a layer, and their correlation beside random ΔW's, described."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...labelled import Array
from ...show.figure import (
    Axis,
    Bars,
    Block,
    Colour,
    Level,
    Line,
    Panel,
    Sheet,
    Strokes,
    named,
    numbers,
    positions,
)
from ...show.whose import whose
from .result import LayerChange, MagnitudeAndDirection

_APART = (
    0.09,
    0.07,
)  # of what the points span, to the side and upwards: nearer numbers would lie on each other
_WIDTH = 4.6


def figures(result: MagnitudeAndDirection) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    return {"": magnitude_sheet(result)}


def magnitude_panel(result: MagnitudeAndDirection) -> Panel:
    """ΔM against ΔD: a point a layer, a colour a module, each joined to the mean of random ΔW of its singular values."""
    trained = {name: layers for name in result.modules if (layers := result.of(name))}
    drawn = bool(result.draws)
    every = [one for layers in trained.values() for one in layers]
    pale: list[Colour] = ["pale"] * len(every)
    joined = Strokes(tuple(map(_stroke, every)), tuple(pale))
    names = _names(every)
    marks = [
        mark
        for k, (module, layers) in enumerate(trained.items())
        for mark in (
            *([_random(layers, k)] if drawn else []),
            _line(layers, module, k, [names[id(one)] for one in layers]),
        )
    ]
    grey = Line(
        np.array([np.nan]),
        np.array([np.nan]),
        "random ΔW, mean",
        "grey",
        "none",
        "circle",
        hollow=True,
    )
    return Panel(
        title="A point a layer",
        x=Axis("magnitude change ΔM"),
        y=Axis("directional change ΔD"),
        marks=(
            *([joined] if drawn and every else []),
            *marks,
            *([grey] if drawn and every else []),
        ),
        legend="below" if every else "none",
    )


def _names(layers: Sequence[LayerChange]) -> dict[int, str]:
    """The layers' numbers, but of those whose number would lie on another's."""
    points = np.array([(one.magnitude.value, one.direction.value) for one in layers])
    places = (
        points / np.where(np.ptp(points, 0) > 0, np.ptp(points, 0), 1) if len(points) else points
    )
    shown: list[int] = []
    for k, place in enumerate(places):
        if (np.abs(places[shown] - place) > _APART).any(1).all():
            shown.append(k)
    return {id(one): str(one.layer) if k in shown else "" for k, one in enumerate(layers)}


def _line(layers: Sequence[LayerChange], module: str, colour: Colour, names: Sequence[str]) -> Line:
    x = numbers([one.magnitude.value for one in layers])
    y = numbers([one.direction.value for one in layers])
    return Line(x, y, module, colour, "none", "circle", names=tuple(names))


def _random(layers: Sequence[LayerChange], colour: Colour) -> Line:
    x = numbers([one.magnitude.mean for one in layers])
    y = numbers([one.direction.mean for one in layers])
    return Line(x, y, "", colour, "none", "circle", hollow=True)


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
