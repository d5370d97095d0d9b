import io
from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike, write_base, write_lora
from rich.console import Console

from lora_lens import conversion_similarity, load_adapter
from lora_lens.chance.baseline import Baseline
from lora_lens.chance.null_names import NULLS
from lora_lens.questions.similarity.result import LayerGrid, SimilarityResult
from lora_lens.questions.similarity.tables import (
    chance_notes,
    chance_table,
    grid_table,
    highest_pairs,
    null_legend,
)
from lora_lens.questions.similarity.terminal import terminal
from lora_lens.show import against_chance
from lora_lens.show.console import table


def test_summary_has_a_row_a_matrix_and_null(result: SimilarityResult) -> None:
    table = chance_table(result)
    assert table.head == ["matrix", "mean φ", "null", "null mean", "z", "p", "excess", "pairs"]
    rows = iter(table.rows)
    for matrix, grid in result.items():
        for null in ("gaussian", "propagated"):
            row, test = next(rows), grid.significance[null]
            first = null == "gaussian"
            assert row[:3] == [matrix if first else "", f"{grid.mean:.3f}" if first else "", null]
            mean = 4 / 24 if first else grid.baseline_mean("propagated")
            assert row[3].startswith(f"{mean:.3f} ±")
            assert row[4:7] == [
                f"{test.of_mean.z:+.1f}", f"{test.of_mean.p:.3f}", f"{test.of_mean.excess:+.3f}"
            ]  # fmt: skip
            assert row[7] == (
                f"{test.discoveries} of 3" if test.discoveries else "–"
            )  # of 30 draws
    assert next(rows, None) is None
    assert grid_table(result["A"]).rows[1][2] == "1.000"


def test_the_highest_pair_is_named(result: SimilarityResult) -> None:
    line = highest_pairs(result)
    for matrix in "AB":
        values = result[matrix].values
        off = np.where(np.tri(3, dtype=bool), -1, np.maximum(values, values.T))  # one number, twice
        row, column = np.unravel_index(off.argmax(), off.shape)
        assert f"{matrix} {off.max():.3f} ({row}, {column})" in line
    assert "BA" not in line  # its numbers are B's


def test_none_is_no_count_where_nearly_all_pairs_would_have_to_be_found(
    bert: BertLike, tmp_path: Path
) -> None:
    """Three pairs: 20 draws give p ≥ 1/21, which all three would have to have, and 38 let two of them be found."""
    adapter = load_adapter(tmp_path / "lora")
    for draws, said in ((20, "unless 3 of 3 have it at once"), (38, "unless 2 of 3"), (59, "")):
        result = conversion_similarity(adapter, "value", draws=draws)
        assert [row[7] for row in chance_table(result).rows] == ["–" if said else "0 of 3"] * 6
        console = Console(file=io.StringIO(), width=200)
        console.print(terminal(result, console))
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert (f"note: {draws} draws are too few to count pairs" in shown) == bool(said)
        assert said in shown
    alike = LayerGrid(
        matrix="A", module="value", side="left", i=2, j=2, convention="stored", layers=(0, 1, 2),
        values=np.ones((3, 3)),
        baselines={"gaussian": Baseline(0.2, 0.1, 0.1, 20, np.linspace(0.1, 0.3, 20).repeat(9).reshape(-1, 3, 3))},
    )  # fmt: skip
    assert against_chance.tested(alike.significance["gaussian"], 20, two_sided=False)[4] == "3 of 3"


def test_counts_that_cannot_be_found_are_said(bert: BertLike, tmp_path: Path) -> None:
    """Three pairs: 5 draws give p ≥ 1/6, and 3/(3·6) is above 0.05."""
    adapter = load_adapter(tmp_path / "lora")
    result = conversion_similarity(adapter, "value", nulls=NULLS, draws=5)
    assert [row[7] for row in chance_table(result).rows] == ["–"] * 16
    line = next(line for line in null_legend(result) if line.startswith("p is at least"))
    assert "more than there are (gaussian, propagated, mismatched, initialisation, flipped)" in line
    (said,) = chance_notes(result)
    assert said.startswith(
        "5 draws are too few to count pairs above chance: p is at least 1/6, too much"
    )
    assert said.endswith("even where all 3 have it at once (for one alone 59 are needed)")
    enough = conversion_similarity(adapter, "value", draws=60)
    assert not chance_notes(enough)
    assert [row[7] for row in chance_table(enough).rows] == ["0 of 3"] * 6
    assert not any("p is at least" in line for line in null_legend(enough))


def test_what_is_absent_is_said(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    result = conversion_similarity(adapter, "value", nulls=NULLS, draws=5)
    lines = null_legend(result)
    assert "no initialisation null for B, BA: PEFT starts B at zero" in lines[-1]
    for null in NULLS:
        assert f"{null}:" in lines[0]
    bare = conversion_similarity(adapter, "value", draws=0)
    assert null_legend(bare)[-1] == "no propagated null for A, B, BA: there are no draws."
    assert [row[5] for row in chance_table(bare).rows] == ["–"] * 3


def test_summary_fits_eighty_columns(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    result = conversion_similarity(adapter, "value", nulls=NULLS, draws=20)
    stream = io.StringIO()
    Console(file=stream, width=80).print(table(chance_table(result)))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 + 1 + (6 + 5 + 5)  # a blank line and the title, the head, a line a row


def test_grid_is_shaded_where_the_terminal_has_colours(result: SimilarityResult) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=True, color_system="truecolor")
    console.print(terminal(result, console))
    assert "48;2;8;48;107" in stream.getvalue()  # the darkest shade, on the diagonal
    assert "1.0" in stream.getvalue()


def printed(result: SimilarityResult, width: int) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width)
    console.print(terminal(result, console))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def of_layers(folder: Path, layers: int) -> SimilarityResult:
    shape = BertLike(layers=layers)
    write_lora(folder / "deep", shape, base=str(write_base(folder / "deep-base", shape)))
    return conversion_similarity(load_adapter(folder / "deep"), "value", draws=0)


@pytest.mark.parametrize(("width", "lines"), [(80, 45), (100, 30), (120, 30)])
def test_many_layers_are_means_of_neighbours(tmp_path: Path, width: int, lines: int) -> None:
    """Eighty were 160 lines of shades. Of 33, nine blocks of four, the last of one layer alone."""
    result = of_layers(tmp_path, 33)
    found = printed(result, width)
    assert len(found) <= lines
    assert max(map(len, found)) <= width
    start = next(k for k, line in enumerate(found) if line.startswith("A, means of 4 × 4 layers"))
    rows = [line[:40].split() for line in found[start + 2 : start + 11]]
    values = result["A"].values
    for row, first in zip(rows, range(0, 33, 4), strict=True):
        means = []
        for other in range(0, 33, 4):
            pairs = [
                values[k, m]
                for k in range(first, min(first + 4, 33))
                for m in range(other, min(other + 4, 33))
                if k != m
            ]
            means.append(f"{np.mean(pairs):.2f}".removeprefix("0") if pairs else "·")
        assert row == [str(first), *means]
    said = " ".join(" ".join(found).split())
    assert "33 layers are too many for a row each" in said
    assert "every pair is in --json, and in the figure and files of --out" in said


def test_every_layer_has_a_row_while_there_are_not_many(tmp_path: Path) -> None:
    found = printed(of_layers(tmp_path, 32), 80)
    assert sum(line.lstrip().startswith("31 ") for line in found) == 2  # of A and of B
    assert not any("means" in line for line in found)
