"""Places whose W0 the base lacks: they have no conversions, and their other questions go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..bases.weights import BaseWeights
from ..show.wording import few
from .escaped import escaped_line
from .places import Place
from .w0 import NoW0Error, digest_of_w0, w0_at

_NAMED = 3  # adapters in a line


def digests_at(opened: BaseWeights, places: Sequence[Place]) -> list[str | NoW0Error]:
    """Of each place the digest of its W0, or why the base has none that fits.

    Raises:
        NoW0Error: It has none for any place, and is not the adapters' base.
        BaseModelError: One is there, and cannot be read, or several can be meant.
    """
    found: list[str | NoW0Error] = []
    for place in places:
        try:
            found.append(digest_of_w0(w0_at(opened, place)))
        except NoW0Error as error:
            found.append(error)
    lacking = [one for one in found if isinstance(one, NoW0Error)]
    if lacking and len(lacking) == len(found):
        raise lacking[0]
    return found


def no_conversions(place: Place, names: Mapping[int, str], why: NoW0Error) -> str:
    """The line of a place without W0, which names adapters that are there.

    Args:
        place: Which.
        names: Of the adapters, by number.
        why: Of `digests_at`.
    """
    here = few([names[piece.adapter] for piece in place.pieces], _NAMED)
    return f"no conversions: the base has no W0 here that fits {here}: {escaped_line(str(why))}"
