"""Which singular vectors of a matrix are meant: the left ones or the right ones."""

from __future__ import annotations

from typing import Literal

Side = Literal["left", "right"]
