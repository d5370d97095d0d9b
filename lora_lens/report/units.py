"""What a report asks of each module of each adapter, and of each two: settled before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..adapter import Adapter
from ..bases.weights import BaseWeights
from ..core.computing.work import Size, seconds_of
from ..errors import AdapterError, BaseModelError, LensError
from ..subspaces.device import select_device
from ..subspaces.pairing import base_of_both
from .asked import ASKED, Asked, Unanswered
from .forecast import Forecast, Part
from .module_sizes import ModuleSizes, sizes_of
from .request import Request
from .rows import Row
from .speed import measured_speed
from .w0_cost import with_spectra_of_w0

Opened = Sequence[tuple[BaseWeights | None, str]]


@dataclass(frozen=True)
class Unit:
    """One module of one adapter, or of two.

    Attributes:
        module: Its name, as the first of these adapters has it.
        of: Their places in the report.
        adapters: They themselves.
        sizes: The module's, in each of them.
        base: W0 of all of them; None where there is none at hand.
        asked: The questions.
        not_asked: What others are about, and why they are not asked.
    """

    module: str
    of: tuple[int, ...]
    adapters: tuple[Adapter, ...]
    sizes: tuple[ModuleSizes, ...]
    base: BaseWeights | None
    asked: tuple[Asked, ...]
    not_asked: tuple[Unanswered, ...] = ()


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
    own = tuple(adapters[k] for k in of)
    if len(of) > 1 and base_of_both(*own) is None:  # no W0 is that of both
        base = None
    sizes = tuple(sizes_of(each, name) for each in own)
    wanted = [one for one in ASKED if (one.needs == "other") == (len(of) > 1)]
    not_asked: list[Unanswered] = []
    if any(one.needs == "w0" for one in wanted) and (sizes[0].in_full or base is None):
        not_asked.append(_no_factors() if sizes[0].in_full else _no_w0(no_base))
        wanted = [one for one in wanted if one.needs != "w0"]
    asked: list[Asked] = []
    for one in wanted:
        settled, dear = with_spectra_of_w0(one, base, sizes[0])
        if dear:
            not_asked.append(Unanswered("the spectra of W0 and W0 + ΔW", LensError(dear)))
        asked.append(settled)
    return Unit(name, of, own, sizes, base, tuple(asked), tuple(not_asked))


def _no_factors() -> Unanswered:
    why = AdapterError("trained in full, with a dense ΔW, and no A and B")
    return Unanswered("everything that A and B are needed for", why)


def _no_w0(why: str) -> Unanswered:
    return Unanswered("everything that W0 is needed for", BaseModelError(why))


def forecast_of(units: Sequence[Unit], request: Request) -> Forecast:
    """How long all of it will take on this machine, as fast as that is now.

    Raises:
        LensError: No such device.
    """
    speed = measured_speed(select_device(request.device, request.dtype).device)
    parts = [
        Part(one.question.name, seconds_of(one.work(size), speed))
        for unit in units
        for size in [_size(unit.sizes, request)]
        for one in unit.asked
    ]
    return Forecast(parts)


def _size(of_each: Sequence[ModuleSizes], request: Request) -> Size:
    first, dense = of_each[0], sum(sizes.in_full for sizes in of_each)
    rank = request.rank or min(first.ranks)
    sizes = first.out_features, first.in_features
    return Size(first.layers, *sizes, rank, request.draws or 0, dense)
