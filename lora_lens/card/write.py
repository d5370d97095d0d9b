"""A model card and its picture, written beside an adapter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import LensError
from ..files.locate import local_folder
from ..formats import load_adapter
from ..ledger import wrote
from ..questions.spectrum.analysis import spectrum
from ..questions.spectrum.result import Spectrum
from ..show.files import write_figures
from ..staging import staged
from ..training.methods import METHODS
from .metadata import is_folder, named
from .text import card_text, is_untouched

CARD, PICTURE = "README.md", "spectrum"
FILES = (CARD, f"{PICTURE}.png")


def write_card(folder: Path, record: Mapping[str, Any], repository: str | None = None) -> bool:
    """Write ``README.md`` and ``spectrum.png`` into an adapter's folder; whether it was.

    A card that lora-lens did not write, or that somebody has changed since, stays as it is. Spectra that cannot be had are said to be
    missing, with the reason.

    Args:
        folder: Of the adapter.
        record: What its ``run.json`` holds.
        repository: Where the adapter is going to be on the hub, if that is known.

    Raises:
        OutputError: The folder cannot be written.
    """
    if not may_write(folder):
        return False
    wrote(folder)  # a card is a part of the adapter that it is read for
    found, why = _spectrum(folder, record)
    with staged(folder, last=CARD) as staging:
        picture = None
        if found is not None:
            (picture,) = write_figures({PICTURE: found.plot()}, staging, (".png",))
        text = card_text(record, found, why=why, figure=picture, repository=repository)
        (staging / CARD).write_text(text, encoding="utf-8")
    return True


def may_write(folder: Path) -> bool:
    """Whether there is no card, or one that lora-lens wrote and nobody has changed."""
    try:
        return is_untouched((folder / CARD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except (OSError, UnicodeDecodeError):
        return False


def _spectrum(folder: Path, record: Mapping[str, Any]) -> tuple[Spectrum | None, str]:
    method, base = (record["settings"][name] for name in ("method", "base"))
    if method == "head-alone":
        return None, "no layer is adapted."
    if METHODS[method].from_w0 and is_folder(record) and local_folder(base) is None:
        # A repository that is called so is another's.
        return None, f"the base, {named(record)}, is a folder, and not here."
    try:
        # CondLoRA's factors are made of W0, which the run has just used.
        adapter = load_adapter(folder, base)
        return spectrum(adapter, beside_w0=False), ""
    except LensError as error:
        return None, str(error).replace(str(folder), folder.name).replace(base, named(record))
