"""What is asked of every place, and how: what goes into a place's file beside the adapters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from .. import __version__
from ..chance.p_values import check_seed
from ..core.conversions.conversion import ConventionChoice, check_convention
from ..errors import LensError, RankError
from ..several import several
from ..subspaces.device import check_dtype
from .questions import QUESTIONS
from .table import COLUMNS

WITHOUT_W0 = tuple(name for name in QUESTIONS if name != "conversions")
_LAYOUT = (
    9  # what the numbers of a place's file mean; another makes every file anew, as other columns do
)
_FEWEST_COLUMNS = 8


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of a survey; see `lora_lens.survey` for what each is.

    Attributes:
        questions: In the order of `QUESTIONS`.
        rank: i and j of φ; None for each adapter's own.
        convention: Of conversion matrices.
        k: Most shared directions.
        draws: Of the nulls that are drawn.
        seed: Of those draws, and of how adapters are dealt.
        dtype: Of the bases that are kept, and of the products of pairs.
        columns: Most singular vectors of a block of adapters.
    """

    questions: tuple[str, ...]
    rank: int | None
    convention: ConventionChoice
    k: int
    draws: int
    seed: int
    dtype: str
    columns: int = 1024

    @property
    def of_w0(self) -> bool:
        """Whether a question needs W0."""
        return "conversions" in self.questions

    def without_w0(self) -> Settings:
        """The same without the questions that need W0."""
        left = tuple(name for name in self.questions if name in WITHOUT_W0)
        return replace(self, questions=left)

    def told(self) -> str:
        """All of it that may change a number, with the version, as JSON."""
        made_by = {"version": __version__, "layout": [_LAYOUT, *COLUMNS]}
        return json.dumps(asdict(self) | made_by, sort_keys=True)


def check_settings(settings: Settings) -> None:
    """Raise LensError where settings are none of those that are known."""
    if settings.rank is not None and settings.rank < 1:
        raise RankError(f"asked for {settings.rank} singular vectors; expected at least 1")
    if settings.k < 1:
        raise LensError(f"k is {settings.k} shared directions, expected at least 1")
    if settings.draws < 1:
        raise LensError(f"draws is {settings.draws}, expected at least 1")
    check_seed(settings.seed)
    if settings.columns < _FEWEST_COLUMNS:
        raise LensError(f"columns is {settings.columns}, expected at least {_FEWEST_COLUMNS}")
    check_convention(settings.convention)
    check_dtype(settings.dtype)


def questions_named(asked: str | Sequence[str] | None, *, with_w0: bool) -> tuple[str, ...]:
    """The questions asked for, in their own order; by default all that can be answered.

    Raises:
        LensError: One is not known, or needs W0, and no base is named.
    """
    if asked is None:
        return tuple(QUESTIONS) if with_w0 else WITHOUT_W0
    asked = several(asked)
    unknown = [name for name in asked if name not in QUESTIONS]
    if unknown or not asked:
        raise LensError(
            f"no such question: {', '.join(unknown) or 'none is asked'}; expected some of {', '.join(QUESTIONS)}"
        )
    if "conversions" in asked and not with_w0:
        raise LensError("conversions are made with W0: pass --base with the adapters' base model")
    return tuple(name for name in QUESTIONS if name in asked)
