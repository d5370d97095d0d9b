"""Figures as files that a journal takes."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image
from pypdf import PdfReader

from lora_lens.show.files import write_figures
from lora_lens.show.paper import ENDINGS, PLAIN
from lora_lens.show.shown_figure import ShownFigure


@pytest.fixture
def figure() -> Figure:
    made = Figure(figsize=(3, 2))
    made.subplots().set_title("mean φ of layers")
    return made


def test_words_stay_words(figure: Figure, tmp_path: Path) -> None:
    assert write_figures({"one": figure}, tmp_path) == [f"one{ending}" for ending in ENDINGS]
    assert "mean φ of layers</text>" in (tmp_path / "one.svg").read_text(encoding="utf-8")
    (page,) = PdfReader(tmp_path / "one.pdf").pages
    assert "mean φ of layers" in page.extract_text()


def test_the_same_figure_is_the_same_file(figure: Figure, tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        write_figures({"one": figure}, folder)
    for ending in ENDINGS:
        assert (tmp_path / "one" / f"one{ending}").read_bytes() == (
            tmp_path / "other" / f"one{ending}"
        ).read_bytes()


def test_it_is_laid_out_once_and_its_own_layout_is_given_back(tmp_path: Path) -> None:
    figure = Figure(figsize=(3, 2), layout="constrained")
    axes = figure.subplots()
    axes.set_ylabel("share")
    own = figure.get_layout_engine()
    write_figures({"one": figure}, tmp_path)
    assert type(figure.get_layout_engine()) is type(own)
    before = axes.get_position().x0
    axes.set_ylabel("share\nof the factor")
    figure.draw_without_rendering()
    assert axes.get_position().x0 > before


def test_each_file_is_drawn_once(tmp_path: Path) -> None:
    """matplotlib draws a figure that has a layout twice, the first time for nothing but its places."""
    figure = ShownFigure(figsize=(3, 2), layout="constrained")
    figure.colorbar(figure.subplots().pcolormesh(np.eye(3)))
    drawn: list[object] = []
    figure.canvas.mpl_connect("draw_event", drawn.append)
    with rc_context({"figure.constrained_layout.use": True}):
        write_figures({"one": figure}, tmp_path)
    assert len(drawn) == len(ENDINGS)
    figure._repr_png_()
    assert len(drawn) == len(ENDINGS) + 1
    assert isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine)


def test_a_file_is_what_matplotlib_makes_of_the_figure(tmp_path: Path) -> None:
    """Its layout is made at the dots of the file, as saving does, and left as it was."""
    with PLAIN.settings(), rc_context({"svg.hashsalt": "one", "svg.fonttype": "none"}):
        for folder in ("written", "saved"):
            (tmp_path / folder).mkdir()
            figure = ShownFigure(figsize=(3, 2), layout="compressed")
            for ax in figure.subplots(1, 2):
                mesh = ax.pcolormesh(np.eye(3))
                ax.set(aspect="equal", ylabel="layer", title="φ")
            figure.colorbar(mesh, ax=figure.axes)
            if folder == "written":
                write_figures({"one": figure}, tmp_path / folder, (".png", ".svg"))
                continue
            for ending, none in {".png": {}, ".svg": {"Date": None}}.items():
                said = {"Title": "one", **none}
                figure.savefig(tmp_path / folder / f"one{ending}", metadata=said)
                figure.set_layout_engine("none")
    for ending in (".png", ".svg"):
        written, saved = (tmp_path / folder / f"one{ending}" for folder in ("written", "saved"))
        assert written.read_bytes() == saved.read_bytes()


def test_letters_that_the_font_has_not_are_told_once(figure: Figure, tmp_path: Path) -> None:
    """Matplotlib says it of every letter in every file, with the path and line of ours."""
    figure.axes[0].set_title("模型")
    with pytest.warns(UserWarning, match="shows boxes") as told:
        write_figures({"one": figure, "two": figure}, tmp_path)
    (one,) = told
    assert "no 模型 and shows boxes there: give --style" in str(one.message)


def test_a_file_says_what_it_shows(figure: Figure, tmp_path: Path) -> None:
    """To a screen reader and in a list of files: its title, and what it is called where it has none."""
    write_figures({"one": figure}, tmp_path)
    figure.suptitle("φ of layers,\nvalue")
    write_figures({"two": figure}, tmp_path)
    for name, title in {"one": "one", "two": "φ of layers, value"}.items():
        assert f"<title>{title}</title>" in (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        said = PdfReader(tmp_path / f"{name}.pdf").metadata
        assert said is not None
        assert said.title == title
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.info["Title"] == title
