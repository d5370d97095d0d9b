"""One description, drawn by matplotlib and made into plotly's numbers: both have the same."""

import warnings
from dataclasses import replace
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.formatters import PNGFormatter
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lora_lens.errors import LensError
from lora_lens.show.drawing import with_plotly
from lora_lens.show.drawing.with_matplotlib import draw, sheet
from lora_lens.show.figure import (
    Axis,
    Band,
    Bars,
    Block,
    HeatMap,
    Level,
    Line,
    Panel,
    Scale,
    Sheet,
    Strokes,
    View,
    named,
    round_top,
)
from lora_lens.show.style import cell, colour, words

X = np.arange(3.0)
MARKS = (
    Bars(X, X / 4, X / 2, X / 3, "chance, ± 2 sd", "grey"),
    Band(X, X - 1, X + 1, "between", 1),
    Line(X, np.array([1.0, np.nan, 3.0]), "found", 0, "dash", "square"),
    Level(2.0, "bar"),
)
PANEL = Panel("Marks", named("layer", [4, 7, 9]), Axis("φ", low=0), MARKS, legend="inside")


def heat(n: int = 3, **changes: object) -> HeatMap:
    rng = np.random.default_rng(0)
    phi = rng.uniform(0, 0.3, (n, n))
    np.fill_diagonal(phi, 1)
    views = (View("phi", 0, 0.3), View(("phi", "chance"), -0.3, 0.3, "both"))
    names = tuple(map(str, range(n)))
    made: dict[str, object] = {"diagonal": True, "square": True} | changes
    return HeatMap(names, names, {"phi": phi, "chance": 0.1}, views, **made)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [None, 3.25])
def test_a_notebook_shows_a_figure_before_pyplot_has_made_one(width: float | None) -> None:
    """A cell that ended with `result.plot()` showed ``<Figure size 1038x802 with 8 Axes>``."""
    made = sheet(Sheet((Block([[Panel("one")]]),), (3.25, 2.0)), width=width)
    assert made._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    formatter = PNGFormatter()
    assert formatter(made) == made._repr_png_()  # type: ignore[attr-defined]


def test_both_draw_the_same_numbers() -> None:
    ax = draw(PANEL, Figure().subplots())
    traces = {trace["name"]: trace for trace in with_plotly.panel(PANEL)["data"]}
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(lines["found"].get_ydata(), [1, np.nan, 3])
    assert traces["found"]["y"] == [1.0, None, 3.0]
    assert traces["found"]["x"] == ["4", "7", "9"]
    low = [patch.get_y() for patch in ax.containers[0]]
    np.testing.assert_allclose(low, traces["chance, ± 2 sd"]["base"])
    np.testing.assert_allclose(
        [patch.get_height() for patch in ax.containers[0]], traces["chance, ± 2 sd"]["y"]
    )
    assert traces["between"]["y"] == [1, 2, 3]
    assert lines["bar"].get_ydata()[0] == with_plotly.panel(PANEL)["shapes"][0]["y0"] == 2
    assert [label.get_text() for label in ax.get_xticklabels()] == ["4", "7", "9"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("layer", "φ", "Marks")
    assert ax.get_ylim()[0] == 0


def test_plotly_knows_every_trace_and_shape() -> None:
    go = pytest.importorskip("plotly.graph_objects")
    spec = with_plotly.panel(PANEL)
    go.Figure(spec["data"], {"shapes": spec["shapes"]})  # raises where it has no such property


def test_a_heat_map_is_grey_where_it_says_nothing() -> None:
    made = heat()
    ax = draw(Panel("φ", Axis("layer"), Axis("layer"), heat=made), Figure().subplots())
    (mesh,) = ax.collections
    np.testing.assert_array_equal(np.ma.getmaskarray(mesh.get_array()), np.eye(3, dtype=bool))
    assert mesh.get_clim() == (0, 0.3)
    assert [text.get_text() for text in ax.texts] == [
        cell(float(value))
        for value in made.quantities["phi"].ravel()  # type: ignore[union-attr]
    ]
    beyond = draw(Panel(heat=replace(made, views=made.views[1:])), Figure().subplots())
    phi = made.quantities["phi"]
    expected = (phi - 0.1) / 0.9  # type: ignore[operator]
    off = ~np.eye(3, dtype=bool)
    shown = np.ma.getdata(beyond.collections[0].get_array())
    np.testing.assert_allclose(shown[off], np.asarray(expected)[off])
    assert len(beyond.texts) == 6  # no number where nothing is shown


@pytest.mark.parametrize("layers", [48, 80])
def test_many_cells_are_one_picture(layers: int) -> None:
    names, phi = tuple(map(str, range(layers))), np.zeros((layers, layers))
    many = replace(heat(), rows=names, columns=names, quantities={"phi": phi, "chance": phi})
    (mesh,) = draw(Panel(heat=many), Figure().subplots()).collections
    assert bool(mesh.get_rasterized()) is (layers > 50)


def test_a_views_top_is_what_is_off_the_diagonal() -> None:
    made = heat()
    phi = np.asarray(made.quantities["phi"])
    off = ~np.eye(3, dtype=bool)
    assert made.top(made.views[0]) == phi[off].max()
    assert heat(diagonal=False).top(made.views[0]) == 1


def test_heat_maps_share_what_they_have_in_common() -> None:
    one, other = heat(), heat(diagonal=False)
    spec = with_plotly.heat_maps([one, other], "x", "y")
    assert len(spec["arrays"]) == 2
    assert spec["frames"][0]["quantities"] == spec["frames"][1]["quantities"]
    assert spec["frames"][0]["views"][1]["shows"] == ["phi", "chance"]


@pytest.mark.parametrize("layers", [3, 6, 12, 32, 80])
def test_names_never_run_into_each_other(layers: int) -> None:
    """At the width of a paper's column, with many layers."""
    figure = Figure(figsize=(3.25, 3.25), layout="constrained", dpi=100)
    left, right = figure.subplots(1, 2)
    draw(Panel(heat=heat(layers)), left)
    line = Line(np.arange(float(layers)), np.ones(layers))
    draw(Panel("", named("layer", range(layers)), Axis("φ"), (line,)), right)
    figure.draw_without_rendering()
    for ax in (left, right):
        for axis, side in ((ax.xaxis, "x"), (ax.yaxis, "y")):
            boxes = [
                label.get_window_extent()
                for label in axis.get_ticklabels()
                if (label.get_text() and ax is left) or side == "x"
            ]
            ends = [(b.x0, b.x1) if side == "x" else (b.y0, b.y1) for b in boxes]
            ends.sort()
            assert all(a[1] <= b[0] for a, b in pairwise(ends))
            assert all(label.get_fontsize() >= 6 for label in axis.get_ticklabels())


def test_numbers_in_cells_can_be_read_or_are_not_there() -> None:
    for size, layers, written in ((4, 3, True), (4, 12, True), (1.3, 12, False), (4, 32, False)):
        ax = draw(Panel(heat=heat(layers)), Figure(figsize=(size, size)).subplots())
        assert bool(ax.texts) == written
        assert all(text.get_fontsize() >= 6 for text in ax.texts)


def test_an_axis_that_is_described_as_logarithmic_is_drawn_so() -> None:
    line = Line(np.array([0.8, 1.0, 40.0]), np.array([0.01, 0.1, 0.5]), dash="none", marker="dot")
    panel = Panel("", Axis("1/n²", log=True), Axis("share", log=True), (line,))
    ax = draw(panel, Figure(figsize=(2, 2), layout="constrained").subplots())
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert with_plotly.panel(panel)["logAlong"]
    assert not with_plotly.panel(PANEL)["logAlong"]
    ax.figure.draw_without_rendering()
    low, high = ax.get_xlim()
    shown = [float(text.get_text()) for text in ax.get_xticklabels() if text.get_text()]
    assert len([one for one in shown if low <= one <= high]) >= 2


def test_what_does_not_rise_is_a_name_and_all_are_there() -> None:
    """Coordinates are numbers, and the strongest comes first: none may be left out."""
    made = HeatMap(("118", "4", "80"), ("0", "1"), {"n": np.ones((3, 2))}, (View("n", 0, 2),))
    ax = draw(Panel(heat=made), Figure(figsize=(2, 1)).subplots())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["118", "4", "80"]


def test_names_that_would_be_too_small_are_none_and_the_axis_says_so() -> None:
    names = tuple(f"adapter-{chr(97 + k)}" for k in range(26))
    made = HeatMap(names, names, {"phi": np.ones((26, 26))}, (View("phi", 0, 1),))
    panel = Panel(x=Axis(unnamed="26 adapters"), heat=made)
    ax = draw(panel, Figure(figsize=(1.5, 1.5)).subplots())
    assert not [label for label in ax.get_xticklabels() if label.get_text()]
    assert ax.get_xlabel() == "26 adapters"


def test_long_names_are_turned_and_kept() -> None:
    names = tuple(f"adapter-{k}" for k in range(12))
    made = HeatMap(
        names, names, {"phi": np.ones((12, 12))}, (View("phi", 0, 1),), shades=(0, 1) * 6
    )
    ax = draw(Panel(y=Axis(far=True), heat=made), Figure().subplots())
    labels = ax.get_xticklabels()
    assert [label.get_text() for label in labels] == list(names)
    assert {label.get_rotation() for label in labels} == {90.0}
    assert [label.get_color() for label in labels[:2]] == [colour(0), colour(1)]


def test_a_sheet_has_its_blocks_scales_title_and_legend() -> None:
    before = dict(plt.rcParams)
    block = Block([[Panel(heat=heat()), Panel(heat=heat())], [Panel(heat=heat()), None]], "rows",
                  (Scale(0, 0.3, "φ", of=(0, 1), marks=(0.1,)),))  # fmt: skip
    made = sheet(Sheet((block, Block([[PANEL]])), (6, 6), "Title of $1", "note", font=8))
    assert isinstance(made, Figure)
    assert made.get_suptitle() == r"Title of \$1"
    first, second = made.subfigs
    assert first.get_suptitle() == "rows"
    shown = [ax for ax in first.axes if ax.axison]
    assert len(shown) == 3 + 1
    bar = shown[-1]
    assert [line.get_xdata()[0] for line in bar.lines] == [0.1]
    assert not shown[1].get_ylabel()
    assert len(second.axes) == 1
    made.draw_without_rendering()
    assert dict(plt.rcParams) == before
    assert not plt.get_fignums()


def test_one_legend_has_each_label_once() -> None:
    panel = Panel("", PANEL.x, PANEL.y, MARKS)
    made = sheet(Sheet((Block([[panel, panel]]),), (8, 4), note="said", legend="below"))
    (legend,) = made.legends
    labels = sorted(text.get_text() for text in legend.get_texts())
    assert labels == ["bar", "between", "chance, ± 2 sd", "found"]
    assert legend.get_title().get_text() == "said"


def test_strokes_have_their_colours() -> None:
    path = np.array([(0.0, 0.0), (1.0, 0.0)])
    ax = draw(Panel(marks=(Strokes((path, path), (0, "grey")),), bare=True), Figure().subplots())
    (tree,) = ax.collections
    assert [to_hex(one) for one in tree.get_colors()] == [colour(0), "#808080"]
    assert len(ax.get_yticks()) == 0


def test_ends_of_scales_are_round() -> None:
    assert [round_top(x) for x in (0.004, 0.02, 0.11, 0.45, 0.97, 1.2)] == [
        0.01, 0.02, 0.15, 0.5, 1.0, 1.0,
    ]  # fmt: skip


def test_cells_and_words() -> None:
    assert [cell(x) for x in (0.123, 1, -0.02, -0.001, -1)] == [".12", "1", "−.02", ".00", "−1"]
    assert cell(12.0, 0) == "12"
    assert [cell(x) for x in (1.004, 1.23, -1.5)] == ["1", "1.23", "−1.50"]  # norms go beyond 1
    assert cell(1234.5, None) == "1.23e+03"
    assert words("‖ΔW‖_F of $x") == r"‖ΔW‖$_F$ of \$x"


@pytest.mark.parametrize("layers", [12, 32, 100])
@pytest.mark.parametrize("width", [None, 3.25])
def test_layers_are_thinned_alike_down_and_across(layers: int, width: float | None) -> None:
    four = [[Panel("φ", Axis("layer"), Axis("layer"), heat=heat(layers))] * 2] * 2
    figure = sheet(Sheet((Block(four),), (9.0, 9.0)), width=width)
    figure.draw_without_rendering()
    for ax in figure.axes:
        down, across = ax.get_yticks(), ax.get_xticks()
        assert list(down) == list(across)
        assert 3 <= len(down) <= layers


def test_lines_of_a_title_are_about_alike_and_a_long_name_is_broken() -> None:
    """A title's last word stood alone, and one word that was wider than the figure was cut at both ends."""
    panel = Panel("φ", Axis("layer"), Axis("layer"), heat=heat())
    said = "φ of ΔW (left singular vectors), value, i = j = 8, mean of 6 layers"
    name = "a_very_long_name_of_a_projection_that_nobody_would_type_out_in_full"
    for title in (said, f"φ between two adapters, {name}, i = j = 4"):
        made = sheet(Sheet((Block([[panel]]),), (5.0, 5.0), title))
        text = made.texts[0]
        lines = text.get_text().split("\n")
        assert len(lines) == 2
        assert 0.6 < len(lines[0]) / len(lines[1]) < 1.7
        made.draw_without_rendering()
        assert made.bbox.x0 <= text.get_window_extent().x0
        assert text.get_window_extent().x1 <= made.bbox.x1


@pytest.mark.parametrize("panels", [1, 2, 3])
def test_no_title_is_cut_or_runs_into_another(panels: int) -> None:
    """The title of a grid of one layer began with “ue: i over the first adapter's singular vectors”."""
    panel = Panel("Excess over the propagated null, A", Axis("layer"), Axis("layer"), heat=heat())
    block = Block(
        [[panel] * panels], "Of the first of two adapters and of its own W0", (Scale(0, 1, "φ"),)
    )
    title = "φ(i, j) of value: i over the first adapter's singular vectors, j over the second's"
    made = sheet(
        Sheet((block, block), (2.1 * panels, 5), title, note="Red on the scale: " + "said " * 12)
    )
    made.draw_without_rendering()
    whole = made.bbox
    texts = [text for one in (made, *made.subfigs) for text in one.texts]
    titles = [ax.title for ax in [ax for one in made.subfigs for ax in one.axes] if ax.get_title()]
    assert len(titles) == 2 * panels
    for box in [text.get_window_extent() for text in [*texts, *titles]]:
        assert whole.x0 <= box.x0
        assert box.x1 <= whole.x1
        assert box.y1 <= whole.y1
    for row in (titles[:panels], titles[panels:]):
        ends = sorted((one.get_window_extent().x0, one.get_window_extent().x1) for one in row)
        assert all(a[1] < b[0] for a, b in pairwise(ends))
    assert {" ".join(one.get_text().split()) for one in titles} == {panel.title}
    assert made.get_figheight() > 5


@pytest.mark.parametrize("given", ["figure", "part"])
def test_no_title_is_cut_or_runs_into_another_in_a_figure_that_is_given(given: str) -> None:
    """Of four panels in a part of eight inches the last title was cut by the figure's end."""
    panel = Panel("B: by width of the shared layer", Axis("k"), Axis("captured, mean over layers"))
    wide = Sheet((Block([[panel] * 4] * 2),), (14.4, 6.0))
    root = Figure(figsize=(7.0, 6.0) if given == "figure" else (14.0, 6.0), layout="constrained")
    part = root if given == "figure" else root.subfigures(1, 2)[1]
    sheet(wide, part)
    root.draw_without_rendering()
    boxes = [ax.title.get_window_extent() for ax in part.axes if ax.get_title()]
    assert len(boxes) == 8
    for box in boxes:
        assert part.bbox.x0 <= box.x0
        assert box.x1 <= part.bbox.x1
    by_row: dict[int, list[tuple[float, float]]] = {}
    for ax, box in zip(part.axes, boxes, strict=True):
        by_row.setdefault(round(ax.get_position().y0, 3), []).append((box.x0, box.x1))
    for row in by_row.values():
        assert all(a[1] < b[0] for a, b in pairwise(sorted(row)))


def test_a_figure_grows_with_the_letters_of_its_style() -> None:
    described = Sheet((Block([[PANEL]]),), (4.0, 3.0))
    assert sheet(described).get_size_inches().tolist() == [4.0, 3.0]
    for setting, size, times in (
        ("font.size", 20, 2),
        ("font.size", 8, 1),
        ("axes.labelsize", 15, 1.5),
    ):
        with plt.rc_context({setting: size}):
            assert sheet(described).get_size_inches().tolist() == [4 * times, 3 * times]
            assert sheet(described, width=3.25).get_figwidth() == 3.25


@pytest.mark.parametrize("width", [None, 3.0])
def test_letters_that_the_font_has_not_are_told_by_what_shows_them(width: float | None) -> None:
    """Where a name is measured, before anything is drawn, it is too early to say so."""
    described = Sheet((Block([[Panel("模型", marks=MARKS)]]),), (2.0, 2.0), note="模型" * 30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sheet(described, width=width)


def test_a_logarithmic_axis_of_nothing_has_no_numbers() -> None:
    """Singular values of ΔW = 0 stood beside 10⁻²⁹⁶; the axis of another panel that has some is numbered."""
    nothing = Panel("0", y=Axis("σ", log=True), marks=(Line(X, X * np.nan),))
    some = Panel("1", y=Axis("σ", log=True), marks=(Line(X, X + 1),))
    for row, numbered in (([nothing, nothing], False), ([nothing, some], True)):
        made = sheet(Sheet((Block([row], joined=True),), (4.0, 2.0)))
        made.canvas.draw()
        texts = [one.get_text() for one in made.axes[0].yaxis.get_ticklabels()]
        assert bool(texts) == numbered


def test_names_stand_beside_their_points() -> None:
    names = ("0", "", "2")
    described = Panel("named", marks=(Line(X, X, dash="none", marker="circle", names=names),))
    ax = draw(described, plt.figure().subplots())
    assert [(text.get_text(), text.xy[0]) for text in ax.texts] == [("0", X[0]), ("2", X[2])]
    (trace,) = with_plotly.panel(described)["data"]
    assert (trace["mode"], trace["text"]) == ("markers+text", list(names))
    plt.close("all")


def test_axes_that_cannot_take_a_panel_are_refused() -> None:
    figure = Figure()
    for ax in (
        figure.add_subplot(projection="polar"),
        figure.add_subplot(projection="3d"),
        Figure().subplots(1, 2),
        figure,
    ):
        with pytest.raises(
            LensError, match="^ax is of .*; expected one of matplotlib's axes of two straight lines"
        ):
            draw(Panel("norms"), ax)  # type: ignore[arg-type]
