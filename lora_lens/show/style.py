"""What the figures share: colours, fonts, and the text in a cell."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib import rcParams, rcParamsDefault
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, to_hex, to_rgba

from ..printable import printable
from .figure import Colour, Ramp

# Lightness falls evenly along it: legible in grey and to colour-blind eyes.
COLOURS = "mako_r"
# So does it here, and neighbours have hues of their own: thin lines whose shade alone differs are hard to tell apart.
LINES = "plasma_r"
_BOTH = ("#1f5f9e", "#8db9dd", "#f4f4f2", "#eba878", "#ad4a12")
_GREYS = {"grey": "0.5", "pale": "0.8", "red": "crimson"}
# seaborn's "colorblind"; importing it takes as long as a small figure does.
_PALETTE = (
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc",
    "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9",
)  # fmt: skip
MOST_ANNOTATED = 16  # rows of a heat map; above it the numbers in the cells would not be read


def colour(one: Colour) -> str:
    """A colour of the palette, which colour-blind eyes tell apart, or a grey.

    A style's own cycle of colours comes before the palette, and black is the colour of its text.
    """
    if isinstance(one, int):
        cycle = _own_cycle() or _PALETTE
        return cycle[one % len(cycle)]
    return to_hex(rcParams["text.color"]) if one == "black" else _GREYS[one]


def _own_cycle() -> tuple[str, ...]:
    cycle = rcParams["axes.prop_cycle"]
    if cycle == rcParamsDefault["axes.prop_cycle"]:
        return ()
    return tuple(map(to_hex, cycle.by_key().get("color", ())))


def colours(ramp: Ramp = "up") -> Colormap:
    """From pale to dark, both ways from the middle, or for p from dark (small) to pale."""
    if ramp == "both":
        return LinearSegmentedColormap.from_list("excess", _BOTH)
    import seaborn  # noqa: F401  (which tells matplotlib of this map)

    return plt.get_cmap(COLOURS if ramp == "up" else COLOURS.removesuffix("_r"))


def line_ramp() -> tuple[Colormap, float, float]:
    """Of many lines: the colour map, where on it the first is, and how far from it the last.

    The last line stands out most from the ground that the style has: darkest on white, palest on black.
    """
    if _on_dark():
        return plt.get_cmap(LINES.removesuffix("_r")), 0.3, 0.7
    return plt.get_cmap(LINES), 0.1, 0.9


def _on_dark() -> bool:
    grounds = map(to_rgba, (rcParams["axes.facecolor"], rcParams["figure.facecolor"]))
    red, green, blue, _ = next((one for one in grounds if one[-1] > 0), (1.0, 1.0, 1.0, 1.0))
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.5


def line_scale(low: float, high: float) -> ScalarMappable:
    """The colour scale of lines from `low` to `high`, which take a part of the colour map."""
    ramp, first, span = line_ramp()
    whole = max(1.0, high - low) / span
    return ScalarMappable(Normalize(low - first * whole, low + (1 - first) * whole), ramp)


def scale(low: float = 0.0, high: float = 1.0, ramp: Ramp = "up") -> ScalarMappable:
    """The colour scale, for a bar that is of several axes."""
    return ScalarMappable(Normalize(low, high), colours(ramp))


def cell(value: float, decimals: int | None = 2) -> str:
    """Two decimals without the leading zero, as the paper's cells are narrow; 1 is 1."""
    if decimals is None:
        return f"{value:.3g}"
    if decimals == 0:
        return f"{value:.0f}"
    if 0.995 <= abs(value) < 1.005:
        return "1" if value > 0 else "−1"
    text = f"{value:.{decimals}f}".replace("0.", ".", 1)
    return text.replace("-", "−") if float(text) else text.removeprefix("-")


def percent(value: float) -> str:
    """A share in percent, as short as two decimals of it are."""
    text = f"{100 * value:.1f}"
    return text.replace("-", "−") if float(text) else "0.0"


def words(text: str) -> str:
    """A text as matplotlib takes it: its dollars are dollars, and norms have their index below."""
    plain = printable(text).replace("$", r"\$")
    for index in "F2":
        plain = plain.replace(f"‖_{index}", f"‖$_{index}$")
    return plain
