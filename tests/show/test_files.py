"""Figures as files that a journal takes."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image
from pypdf import PdfReader

from lora_lens.show.files import write_figures
from lora_lens.show.paper import ENDINGS


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
