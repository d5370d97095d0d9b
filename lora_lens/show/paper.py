"""What a figure is drawn for: how wide it is on the page, and in which style of matplotlib's.

Nothing here imports matplotlib before a style is asked for or a figure drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..ledger import reads

ENDINGS = (".png", ".svg", ".pdf")  # of the files of a figure
LEAST_POINTS = 6.0  # of any letter: what journals ask for
FONT = 7.5  # of a figure that is as wide as a page or a column: its small letters are five sixths of it
_INCH = {
    "in": 1.0,
    "cm": 1 / 2.54,
    "mm": 1 / 25.4,
    "pt": 1 / 72.27,
}  # TeX's points: of \columnwidth
_NARROWEST, _WIDEST = 1.5, 60.0
_SMALL = 5 / 6
# Strokes and marks of the size of the letters.
_FINE: Mapping[str, Any] = {
    "font.size": FONT,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.2,
    "xtick.labelsize": "small",
    "ytick.labelsize": "small",
    "axes.linewidth": 0.6,
    "axes.titlepad": 3.5,
    "axes.labelpad": 2.0,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "xtick.major.pad": 2.0,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
    "ytick.major.pad": 2.0,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "legend.handletextpad": 0.5,
    "figure.constrained_layout.w_pad": 0.02,
    "figure.constrained_layout.h_pad": 0.02,
}
_SIZES = (
    "axes.labelsize", "axes.titlesize", "figure.labelsize", "figure.titlesize", "legend.fontsize",
    "xtick.labelsize", "ytick.labelsize",
)  # fmt: skip


@dataclass(frozen=True)
class Paper:
    """How figures are drawn and written.

    Attributes:
        width: Of the whole figure in inches; None for the size that suits its panels.
        style: Names or files of matplotlib style sheets, a later one above an earlier one.
    """

    width: float | None = None
    style: tuple[str, ...] = ()

    @contextmanager
    def settings(self) -> Iterator[None]:
        """matplotlib's settings while figures are drawn and written; they are as before at the end."""
        from matplotlib import rc_context

        with rc_context():
            self._set()
            yield

    def _set(self) -> None:
        import matplotlib as mpl

        rcParams: dict[str, Any] = mpl.rcParams  # type: ignore[assignment]
        if self.width is not None:
            rcParams.update(_FINE)
        for one in self.style:
            rcParams.update(_sheet(one))
        if rcParams["savefig.dpi"] == "figure":
            rcParams["savefig.dpi"] = _DOTS if self.width is None else _DOTS_IN_PRINT
        if self == PLAIN:
            return
        rcParams["font.size"] = max(float(rcParams["font.size"]), LEAST_POINTS / _SMALL)
        for key in _SIZES:
            if letter_size(key) < LEAST_POINTS:
                rcParams[key] = LEAST_POINTS


PLAIN = Paper()


def letter_size(setting: str) -> float:
    """Points of letters that one of matplotlib's settings is about: ``xtick.labelsize``."""
    import matplotlib as mpl
    from matplotlib.font_manager import FontProperties

    known: dict[str, Any] = mpl.rcParams  # type: ignore[assignment]
    return FontProperties(size=known[setting]).get_size_in_points()


_DOTS, _DOTS_IN_PRINT = 160, 300


def paper(width: float | str | None = None, style: str | Path | None = None) -> Paper:
    """A width and a style as they are typed, looked at before anything is computed.

    Args:
        width: ``"3.25in"``, ``"8.3cm"``, ``"83mm"`` or ``"234.8pt"`` (of TeX); a number is in inches.
        style: A matplotlib style sheet: its name or its file; several with commas between them.

    Raises:
        SettingsError: It is no length, or too narrow or wide for a figure; there is no such style.

    Example:
        >>> paper("8.255cm").width
        3.25
        >>> paper("wide")
        Traceback (most recent call last):
        ...
        lora_lens.errors.SettingsError: width 'wide': expected a length with its unit, such as 3.25in, 8.3cm, 83mm or 235pt
    """
    styles = tuple(one.strip() for one in str(style or "").split(",") if one.strip())
    for one in styles:
        _sheet(one)
    return Paper(None if width is None else _inches(width), styles)


def _inches(width: float | str) -> float:
    if isinstance(width, str):
        found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(in|cm|mm|pt)\s*", width)
        if found is None:
            raise SettingsError(
                f"width {width!r}: expected a length with its unit, such as 3.25in, 8.3cm, 83mm or 235pt"
            )
        inches = round(float(found[1]) * _INCH[found[2]], 6)
    else:
        inches = float(width)
    if not _NARROWEST <= inches <= _WIDEST:
        raise SettingsError(
            f"width {width}{'' if isinstance(width, str) else ' in'}: expected {_NARROWEST:g} to "
            f"{_WIDEST:g} inches; a column is about 3.25, a page 6.75"
        )
    return inches


def _sheet(style: str) -> Mapping[str, Any]:
    """What a style sheet sets."""
    from matplotlib import rc_params_from_file
    from matplotlib import style as styles

    found: Mapping[Any, Any]
    if style in styles.library:
        found = styles.library[style]
    elif style == "default":
        return {}
    elif Path(style).is_file():
        reads(style)
        try:
            found = rc_params_from_file(style, use_default_template=False)
        except Exception as error:  # matplotlib says no more of what can be wrong
            raise SettingsError(f"style {style}: {error}") from None
        if not found:
            raise SettingsError(f"style {style} sets nothing that matplotlib knows")
    else:
        raise SettingsError(
            f"style {style!r}: expected the file of a matplotlib style sheet or one of "
            f"{', '.join(one for one in styles.available if not one.startswith('_'))}"
        )
    if found.get("text.usetex"):
        raise SettingsError(
            f"style {style} sets text in TeX (text.usetex), which has no φ or ‖; choose one without, or "
            "set text.usetex: False in a copy of it"
        )
    return {key: value for key, value in found.items() if key not in _NOT_OF_A_STYLE}


_NOT_OF_A_STYLE = {"backend", "interactive", "toolbar", "savefig.bbox"}
