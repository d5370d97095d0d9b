"""Widths and styles as they are typed, and matplotlib's settings while a figure is drawn."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from measured import collisions, cut, words_of

from lora_lens.errors import SettingsError
from lora_lens.show.drawing.arranged import arranged
from lora_lens.show.drawing.with_matplotlib import draw, sheet
from lora_lens.show.figure import Axis, Block, HeatMap, Line, Panel, Scale, Sheet, View, named
from lora_lens.show.paper import LEAST_POINTS, PLAIN, letter_size, paper
from lora_lens.show.style import colour


@pytest.mark.parametrize(
    ("typed", "inches"),
    [("3.25in", 3.25), ("8.255 cm", 3.25), ("82.55mm", 3.25), ("234.8775pt", 3.25), (3.25, 3.25), (7, 7.0)],
)  # fmt: skip
def test_a_width_has_a_unit(typed: str | float, inches: float) -> None:
    assert paper(typed).width == pytest.approx(inches, abs=1e-6)


@pytest.mark.parametrize(
    "typed", ["3", "wide", "-3in", "3.25 inch", "1.2.3cm", "", "1in", "3m", 0.2, "900cm"]
)
def test_what_is_no_width_is_one_line(typed: str | float) -> None:
    with pytest.raises(SettingsError, match="width .*expected") as raised:
        paper(typed)
    assert "\n" not in str(raised.value)


def test_what_is_no_style_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.mplstyle").write_text("no.such.setting: 3\n")
    (tmp_path / "wrong.mplstyle").write_text("font.size: large as life\n")
    (tmp_path / "tex.mplstyle").write_text("text.usetex: True\n")
    for style, said in (
        ("no-such-style", "one of .*ggplot"),
        (tmp_path / "bad.mplstyle", "sets nothing"),
        (tmp_path / "tex.mplstyle", "usetex"),
        ("ggplot,no-such-style", "no-such-style"),
        (tmp_path, "expected the file"),
    ):
        with pytest.raises(SettingsError, match=said) as raised:
            paper(style=style)
        assert "\n" not in str(raised.value)


def test_settings_are_as_before_afterwards() -> None:
    before = mpl.rcParams.copy()
    with paper("3.25in", "ggplot,dark_background").settings():
        assert mpl.rcParams["axes.facecolor"] == "black"
        assert mpl.rcParams["axes.grid"] == mpl.style.library["ggplot"]["axes.grid"]
    assert mpl.rcParams == before
    with PLAIN.settings():
        assert mpl.rcParams["font.size"] == before["font.size"]


def test_no_style_makes_letters_too_small(tmp_path: Path) -> None:
    style = tmp_path / "tiny.mplstyle"
    style.write_text("font.size: 4\nxtick.labelsize: 3\nlegend.fontsize: xx-small\n")
    with paper(style=style).settings():
        for setting in ("xtick.labelsize", "ytick.labelsize", "legend.fontsize", "axes.labelsize"):
            assert letter_size(setting) >= LEAST_POINTS
        assert FontProperties(size="small").get_size_in_points() >= LEAST_POINTS - 0.01


def test_a_styles_own_colours_and_sizes_are_taken(tmp_path: Path) -> None:
    style = tmp_path / "own.mplstyle"
    style.write_text("axes.prop_cycle: cycler('color', ['ff0000', '00ff00'])\nfont.size: 11\n")
    assert colour(0) != "#ff0000"
    with paper("6in", style).settings():
        assert [colour(k) for k in (0, 1, 2)] == ["#ff0000", "#00ff00", "#ff0000"]
        assert mpl.rcParams["font.size"] == 11
    with paper(style="dark_background").settings():
        assert colour("black") == "#ffffff"  # the ink of that style


def heat(title: str, layers: int = 12, **changes: object) -> Panel:
    names = tuple(map(str, range(layers)))
    phi = np.random.default_rng(0).uniform(0, 0.1, (layers, layers))
    made = HeatMap(names, names, {"phi": phi}, (View("phi", 0, 0.1),), diagonal=True, square=True)
    return Panel(title, named("layer", ()), named("layer", ()), heat=made)


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_numbers_are_legible_on_their_cells_in_every_style(style: str) -> None:
    with paper(style=style).settings():
        ax = Figure(figsize=(6, 6)).subplots()
        draw(heat("", layers=6), ax)
    mesh = ax.collections[0]
    for text, one in zip(ax.texts, mesh.get_array().ravel(), strict=True):
        face = to_rgba(ax.get_facecolor() if np.ma.is_masked(one) else mesh.to_rgba(one))
        assert abs(lightness(face) - lightness(to_rgba(text.get_color()))) > 0.4, text


def lightness(of: tuple[float, ...]) -> float:
    return float(np.array(of)[:3] @ (0.299, 0.587, 0.114))


def lines(title: str) -> Panel:
    x = np.arange(12.0)
    return Panel(
        title,
        named("layer", range(12)),
        Axis("φ", low=0),
        (Line(x, x, "this one"),),
        legend="inside",
    )


def titles(made: Sheet) -> list[list[str | None]]:
    return [[one and one.title for one in row] for block in made.blocks for row in block.rows]


def shortened(made: Sheet) -> list[list[str]]:
    """First and last letter of each panel's title."""
    return [[one[0] + one[-1] if one else "" for one in row] for row in titles(made)]


def test_rows_are_turned_wrapped_or_run_on() -> None:
    rows = [[heat(f"{matrix} in a long title {k}") for k in range(3)] for matrix in "AB"]
    scales = (Scale(0, 1, "φ", of=(0, 1)), Scale(-1, 1, "excess", "both", of=(2,)))

    def made(how: str) -> Sheet:
        block = Block(rows, scales=scales, narrow=how)  # type: ignore[arg-type]
        return arranged(Sheet((block,), (14, 9)), 3.25, 7.5)

    short = shortened(made("turn"))
    assert short == [["A0", "B0"], ["A1", "B1"], ["A2", "B2"]]
    first, second = made("turn").blocks[0].scales
    assert (first.at, first.lies) == (((0, 0), (0, 1), (1, 0), (1, 1)), False)
    assert (second.at, second.lies) == (((2, 0), (2, 1)), False)
    short = shortened(made("wrap"))
    assert short == [["A0", "A1"], ["B0", "B1"], ["A2", ""], ["B2", ""]]
    assert made("wrap").blocks[0].scales[1].at == ((2, 0), (3, 0))
    short = shortened(made("flow"))
    assert short == [["A0", "A1"], ["A2", "B0"], ["B1", "B2"]]
    assert made("flow").blocks[0].scales[1].at == ((1, 0), (2, 1))
    assert [len(row) for row in made("keep").blocks[0].rows] == [3, 3]


def test_on_a_wide_page_the_rows_stay() -> None:
    block = Block([[heat(str(k)) for k in range(3)]])
    assert [len(row) for row in arranged(Sheet((block,), (9, 3)), 6.75, 7.5).blocks[0].rows] == [3]


@pytest.mark.parametrize("width", [2.5, 3.25, 5.0, 6.75])
def test_a_figure_is_as_wide_as_asked_for_and_its_words_are_apart(width: float) -> None:
    several = [lines(f"A title that takes more room than a panel has, {k}") for k in range(4)]
    described = Sheet(
        (Block([several]),), (14, 3), title="A heading over all of them " * 4, note="said below " * 9
    )  # fmt: skip
    with paper(width).settings():
        figure = sheet(described, width=width)
    found = words_of(figure)
    assert figure.get_figwidth() == width
    assert min(one.size for one in found) >= LEAST_POINTS
    assert not collisions(found)
    assert not cut(found, figure)
    panels = [ax for ax in figure.axes if ax.axison]
    assert all(ax.get_window_extent().height / figure.dpi >= 0.9 for ax in panels)


def test_a_part_of_a_figure_that_is_narrow_is_filled_for_its_width() -> None:
    part, _ = Figure(figsize=(6.5, 6), layout="constrained").subfigures(1, 2)
    sheet(Sheet((Block([[heat(f"heat map number {k}") for k in range(4)]]),), (14, 4)), part)
    grid = part.axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == (2, 2)


def test_what_is_measured_can_fail() -> None:
    """Words over each other and over the edge are seen."""
    figure = Figure(figsize=(2, 2))
    figure.text(0.5, 0.5, "one")
    figure.text(0.52, 0.5, "other")
    figure.text(0.9, 0.1, "a long one", fontsize=4)
    found = words_of(figure)
    assert collisions(found) == [("one", "other")]
    assert cut(found, figure) == ["a long one"]
    assert min(one.size for one in found) == 4
