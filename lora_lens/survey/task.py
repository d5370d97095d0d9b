"""A place's task: all that whoever does it needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..adapter import Placement
from .places import Place
from .reading import Piece
from .settings import Settings


@dataclass(frozen=True)
class PlaceTask:
    """All that a worker is told; it can be sent to another machine that sees the same files.

    Attributes:
        place: Which, and what lies there.
        settings: What is asked, and how; of a place whose W0 the base lacks without what needs it.
        folder: To write into.
        file: The name of its file.
        of_w0: Digest of W0, as it was when the survey began; empty where no question of the place needs it.
        base: As in `lora_lens.load_adapter`.
        fan_in_fan_out: Whether an adapter says that W0 is stored (in, out).
        placement: Where the base has W0 that is not where its path says.
        start: The common initial A's piece, where it is given.
    """

    place: Place
    settings: Settings
    folder: Path
    file: str
    of_w0: str
    base: str | None
    fan_in_fan_out: bool
    placement: Placement
    start: Piece | None

    @property
    def path(self) -> Path:
        """Of its file, when it is whole."""
        return self.folder / self.file
