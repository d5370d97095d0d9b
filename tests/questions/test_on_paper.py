"""Every question's figures at the width of a journal's column, with 6, 12 and 32 layers: measured."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkpoints import BertLike, write_base, write_lora
from commands import run
from measured import collisions, cut, out_of_sight, words_of
from PIL import Image
from pypdf import PdfReader

import lora_lens as ll
from lora_lens.questions import QUESTIONS
from lora_lens.show.paper import LEAST_POINTS, paper

BY_NAME = {question.name: question for question in QUESTIONS}
COLUMN = 3.25


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Adapters on a base of so many layers."""
    root = tmp_path_factory.mktemp("paper")

    def made(layers: int) -> Path:
        home = root / str(layers)
        if not home.exists():
            shape = BertLike(layers=layers, width=32, rank=4)
            write_base(home / "base", shape)
            names = ["one", "other", "run/checkpoint-1000", "run/checkpoint-2000"]
            for seed, name in enumerate([*names, *(f"many/adapter-{k}" for k in range(9))]):
                write_lora(home / name, shape, base=str(home / "base"), seed=seed)
        return home

    return made


def asked(name: str, home: Path) -> Any:
    ask = BY_NAME[name].ask
    if name == "dynamics":
        return ask(home / "run", "value")
    if name == "matrix":
        return ask(sorted((home / "many").iterdir()), "value", draws=5)
    one, other = (ll.load_adapter(home / each) for each in ("one", "other"))
    if name == "grid":
        return ask(one, other, module="value", matrices=["delta-left"], draws=5)
    if name == "comparison":
        return ask(one, other, "value", draws=5)
    if name in ("inventory", "spectrum"):
        return ask(one)
    draws = {"draws": 5} if "draws" in inspect.signature(ask).parameters else {}
    return ask(one, "value", **draws)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        *((name, layers) for name in BY_NAME for layers in (12, 32) if (name, layers) != ("grid", 32)),
        ("similarity", 6), ("shared", 6), ("grid", 6),
    ],
)  # fmt: skip
def test_at_a_columns_width_all_can_be_read(
    name: str, layers: int, folder: Callable[[int], Path]
) -> None:
    figures = BY_NAME[name].figures(asked(name, folder(layers)), paper(COLUMN))
    for suffix, figure in figures.items():
        found = words_of(figure)
        assert figure.get_figwidth() == COLUMN
        assert min(one.size for one in found) >= LEAST_POINTS, suffix
        assert not collisions(found), suffix
        assert not cut(found, figure), suffix
        assert not out_of_sight(figure), suffix
        if name != "grid":  # which has a panel a layer
            assert figure.get_figheight() < 9.5, suffix  # of a page


def picture(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        return opened.convert("RGB")


def test_the_files_are_as_wide_as_asked_for(folder: Callable[[int], Path], tmp_path: Path) -> None:
    """One command leaves what a journal takes, in the style that was named."""
    style = tmp_path / "journal.mplstyle"
    style.write_text("savefig.bbox: tight\naxes.prop_cycle: cycler('color', ['123456'])\n")
    given = ("compare", folder(12) / "one", folder(12) / "other", "--draws", 5)
    result = run(*given, "--out", tmp_path / "out", "--width", "3.25in", "--style", style)
    assert result.exit_code == 0, result.stderr
    stem = tmp_path / "out" / "compare-value"
    assert picture(Path(f"{stem}.png")).width == 975  # 300 dots to the inch
    assert float(PdfReader(f"{stem}.pdf").pages[0].mediabox.width) == pytest.approx(234)
    drawn = Path(f"{stem}.svg").read_text(encoding="utf-8")
    assert 'width="234pt"' in drawn
    assert "#123456" in drawn


def test_figure_1_comes_with_similarity_in_the_papers_form(
    folder: Callable[[int], Path], tmp_path: Path
) -> None:
    given = ("similarity", folder(6) / "one", "--draws", 5, "--out", tmp_path / "out")
    result = run(*given, "--width", "82.55mm")
    assert result.exit_code == 0, result.stderr
    assert picture(tmp_path / "out" / "similarity-value-figure1.png").width == 975
    (page,) = PdfReader(tmp_path / "out" / "similarity-value-figure1.pdf").pages
    said = page.extract_text()
    # 4 of 32 dimensions: what the red line on the scale is stands in the figure.
    for words in (
        "A: W0",
        "B: W0",
        "random, same W0",
        "Red on the scale: unrelated subspaces, 0.125.",
    ):
        assert words in said


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--width", "3"), 1, "with its unit"),
        (("--width", "0.5in"), 1, "1.5 to 60 inches"),
        (("--style", "no-such"), 1, "no-such"),
    ],
)
def test_a_wrong_width_or_style_is_one_line_before_anything_is_computed(
    options: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    """The adapter is not even there."""
    result = run("similarity", tmp_path / "none", "--out", tmp_path / "out", *options)
    assert result.exit_code == code
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_columns_of_the_shared_layer_as_they_were_asked_for_before(
    folder: Callable[[int], Path],
) -> None:
    before = run("shared", folder(6) / "one", "--width", "2", "--draws", "0", "--json")
    now = run("shared", folder(6) / "one", "--shared-width", "2", "--draws", "0", "--json")
    assert before.stdout == now.stdout
    assert json.loads(now.stdout)["width"] == 2
    assert before.stderr.startswith("warning: --width is of figures now; say --shared-width 2")


def test_a_width_without_files_is_a_mistake(folder: Callable[[int], Path]) -> None:
    result = run("shared", folder(6) / "one", "--width", "3in")
    assert result.exit_code == 2
    assert "--out" in result.stderr


@pytest.mark.parametrize("command", sorted(question.command for question in QUESTIONS))
def test_every_command_that_writes_figures_has_the_options(command: str) -> None:
    shown = run(command, "--help").output
    assert shown.count("--width ") == 1
    assert "--style" in shown


def test_python_does_the_same(folder: Callable[[int], Path], tmp_path: Path) -> None:
    result = asked("comparison", folder(6))
    assert result.plot(width=5).get_figwidth() == 5
    result.save(tmp_path, width="8.255cm", style="dark_background")
    drawn = picture(tmp_path / "compare-value.png")
    assert drawn.width == 975
    assert drawn.getpixel((0, 0)) == (0, 0, 0)
    with pytest.raises(ll.LensError, match="with its unit"):
        result.plot(width="wide")
