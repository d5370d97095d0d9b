"""What a report asks of each module of each adapter, and of each two: settled before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..adapter import Adapter
from ..bases.weights import BaseWeights
from ..core.computing.work import Size, seconds_of
from ..errors import AdapterError, BaseModelError, LensError
from ..subspaces.device import select_device
from ..subspaces.pairing import base_of_both
from .asked import ASKED, Asked
from .forecast import Forecast, Part
from .module_sizes import sizes_of
from .request import Request
from .rows import Row
from .speed import measured_speed
from .w0_cost import with_spectra_of_w0

_NO_W0 = "everything that W0 is needed for"
_NO_FACTORS = "everything that A and B are needed for"
Opened = Sequence[tuple[BaseWeights | None, str]]


@dataclass(frozen=True)
class Unit:
    """One module of one adapter, or of two.

    Attributes:
        module: Its name, as the first of these adapters has it.
        of: Their places in the report.
        base: W0 of all of them; None where there is none at hand.
        asked: The questions.
        errors: Why others are not asked, by what they are about.
    """

    module: str
    of: tuple[int, ...]
    base: BaseWeights | None
    asked: tuple[Asked, ...]
    errors: dict[str, LensError] = field(default_factory=dict)


def units_of(adapters: Sequence[Adapter], opened: Opened, rows: Sequence[Row]) -> Iterator[Unit]:
    """Each module of each adapter that has it, and behind those each pair."""
    for row in rows:
        have = [k for k, name in enumerate(row) if name is not None]
        alone = [(k,) for k in have]
        pairs = [(k, other) for k in have for other in have if k < other]
        for of in (*alone, *pairs):
            yield _unit(adapters, opened, str(row[of[0]]), of)


def _unit(adapters: Sequence[Adapter], opened: Opened, name: str, of: tuple[int, ...]) -> Unit:
    base, no_base = opened[of[0]]
    alone = len(of) == 1
    if not alone and base_of_both(*(adapters[k] for k in of)) is None:  # no W0 is that of both
        base = None
    shapes = [sizes_of(adapters[k], name) for k in of]
    asked: list[Asked] = []
    errors: dict[str, LensError] = {}
    for one in ASKED:
        if (one.needs == "other") == alone:
            continue
        if one.needs == "w0" and shapes[0].in_full:
            errors[_NO_FACTORS] = AdapterError("trained in full, with a dense ΔW, and no A and B")
            continue
        if one.needs == "w0" and base is None:
            errors[_NO_W0] = BaseModelError(no_base)
            continue
        settled, dear = with_spectra_of_w0(one, base, shapes[0])
        if dear:
            errors["the spectra of W0 and W0 + ΔW"] = LensError(dear)
        asked.append(settled)
    return Unit(name, of, base, tuple(asked), errors)


def forecast_of(adapters: Sequence[Adapter], units: Sequence[Unit], request: Request) -> Forecast:
    """How long all of it will take on this machine, as fast as that is now.

    Raises:
        LensError: No such device.
    """
    speed = measured_speed(select_device(request.device, request.dtype).device)
    parts = [
        Part(one.question.name, seconds_of(one.work(size), speed))
        for unit in units
        for size in [_size([adapters[k] for k in unit.of], unit.module, request)]
        for one in unit.asked
    ]
    return Forecast(parts)


def _size(adapters: Sequence[Adapter], module: str, request: Request) -> Size:
    shapes = [sizes_of(each, module) for each in adapters]
    first, dense = shapes[0], sum(shape.in_full for shape in shapes)
    rank = request.rank or min(first.ranks)
    sizes = first.out_features, first.in_features
    return Size(first.layers, *sizes, rank, request.draws or 0, dense)
