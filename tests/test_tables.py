import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike, write_lora
from rich.console import Console

from lora_lens import compare, conversion_similarity, load_adapter
from lora_lens.analyses.null_bases import NULLS
from lora_lens.results import SimilarityResult
from lora_lens.sentences import comparison_sentence, similarity_sentence
from lora_lens.tables import terminal
from lora_lens.tables.files import as_csv, as_json, as_latex, as_markdown
from lora_lens.tables.layout import (
    Table,
    comparison_tests,
    grid_table,
    highest_pairs,
    null_legend,
    similarity_summary,
)


@pytest.fixture
def result(bert: BertLike, tmp_path: Path) -> SimilarityResult:
    return conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=50)


def test_csv_is_tidy_and_exact(result: SimilarityResult) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(result.rows()))))
    assert len(rows) == 27
    for row, cell in zip(rows, result.rows(), strict=True):
        assert float(row["phi"]) == cell["phi"]
        assert row["matrix"] == cell["matrix"]


def test_json_round_trips(result: SimilarityResult) -> None:
    assert json.loads(as_json(result.to_dict())) == json.loads(json.dumps(result.to_dict()))


def test_markdown_and_latex_escape_what_they_must() -> None:
    table = Table("a_title of φ ± 1", ["q_proj"], [["50 % & more"]])
    latex = as_latex([table])
    assert r"a\_title of $\phi$ $\pm$ 1" in latex
    assert r"50 \% \& more" in latex
    assert r"q\_proj" in latex
    assert "| q_proj" in as_markdown([table])


def test_csv_leaves_empty_what_is_not_a_number() -> None:
    assert as_csv([{"a": 1.5, "b": float("nan"), "c": "x"}]) == "a,b,c\n1.5,,x\n"


def test_csv_has_every_nulls_columns_whichever_matrix_comes_first(
    bert: BertLike, tmp_path: Path
) -> None:
    adapter = load_adapter(tmp_path / "lora")
    result = conversion_similarity(adapter, "value", matrices=["B", "A"], nulls=NULLS, draws=20)
    rows = list(csv.DictReader(io.StringIO(as_csv(result.rows()))))
    cell = {row["matrix"]: row for row in rows if (row["layer"], row["other_layer"]) == ("0", "1")}
    for null in NULLS:
        for statistic in ("mean", "sd", "z", "p", "p_bh", "p_max", "excess"):
            assert bool(cell["B"][f"{null}_{statistic}"]) == (null != "initialisation")
            assert cell["A"][f"{null}_{statistic}"]
    grid = result["A"].significance["mismatched"]
    assert float(cell["A"]["mismatched_p"]) == grid.p[0, 1]


def test_summary_has_a_row_a_matrix_and_null(result: SimilarityResult) -> None:
    table = similarity_summary(result)
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
            assert row[7] == f"{test.discoveries} of 3"
    assert next(rows, None) is None
    assert grid_table(result["A"]).rows[1][2] == "1.000"


def test_the_highest_pair_is_named_with_its_corrected_p(result: SimilarityResult) -> None:
    line = highest_pairs(result)
    for matrix, grid in result.items():
        off = np.where(np.eye(3, dtype=bool), -1, grid.values)
        row, column = np.unravel_index(off.argmax(), off.shape)
        p = grid.significance["propagated"].p_max[row, column]
        assert f"{matrix} {off.max():.3f} ({row}, {column}), p = {p:.3f}" in line
    assert "max-statistic" in line


def test_what_is_absent_is_said(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    result = conversion_similarity(adapter, "value", nulls=NULLS, draws=5)
    legend = null_legend(result)
    assert "no initialisation null for B, BA: PEFT starts B at zero" in legend[-1]
    for null in NULLS:
        assert f"{null}:" in legend[0]
    bare = conversion_similarity(adapter, "value", draws=0)
    assert null_legend(bare)[-1] == "no propagated null for A, B, BA: there are no draws."
    assert [row[5] for row in similarity_summary(bare).rows] == ["–"] * 3


def test_summary_fits_eighty_columns(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    result = conversion_similarity(adapter, "value", nulls=NULLS, draws=20)
    stream = io.StringIO()
    Console(file=stream, width=80).print(terminal.table(similarity_summary(result)))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 + 1 + (4 + 3 + 3)  # a blank line and the title, the head, a line a row


def test_comparison_has_its_tests_below(bert: BertLike, tmp_path: Path) -> None:
    write_lora(tmp_path / "other", BertLike(), seed=9)
    result = compare(load_adapter(tmp_path / "lora"), load_adapter(tmp_path / "other"), "value")
    table = comparison_tests(result)
    for row, series in zip(table.rows, result.values(), strict=True):
        test = series.significance
        assert row[1] == f"{series.mean:.3f}"
        assert row[4] == f"{test.of_mean.p:.3f}"
        assert row[6] == f"{test.discoveries} of 3"
    sentence = comparison_sentence(result)
    assert "0, 0 and 0 of 3 layers are above that after Benjamini-Hochberg at 0.05" in sentence


def test_grid_is_shaded_where_the_terminal_has_colours(result: SimilarityResult) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=True, color_system="truecolor")
    console.print(terminal.similarity(result, console))
    assert "48;2;8;48;107" in stream.getvalue()  # the darkest shade, on the diagonal
    assert "1.0" in stream.getvalue()


def test_random_factors_are_said_to_be_no_more_alike_than_w0_makes_them(
    result: SimilarityResult,
) -> None:
    sentence = similarity_sentence(result)
    assert sentence.startswith("lora value, convention stored: ")
    assert "BA" in sentence.split("no more alike than W0 alone makes them")[0]
    assert "more alike than W0 alone makes them" not in sentence.replace("no more", "")
    for grid in result.values():
        assert f"{grid.mean:.3f}" in sentence


@pytest.mark.parametrize(
    ("shift", "verdict"), [(10.0, "more alike than W0"), (-10.0, "less alike than W0")]
)
def test_far_from_the_null_is_said_with_its_distance(
    result: SimilarityResult, shift: float, verdict: str
) -> None:
    grid = result["A"]
    null = grid.baselines["propagated"]
    off = ~np.eye(3, dtype=bool)
    values = np.where(off, null.mean + shift * null.mean_sd, 1.0)
    moved = replace(result, grids={"A": replace(grid, values=values)})
    sentence = similarity_sentence(moved)
    assert verdict in sentence
    excess = shift * null.mean_sd / (1 - grid.baseline_mean("propagated"))
    assert f"excess {excess:+.3f}" in sentence
    if shift > 0:
        assert "A (excess" in sentence
        assert "p = 0.020, 3 of 3 pairs after Benjamini-Hochberg at 0.05) is more" in sentence
    else:
        assert f"A (z = {shift:.1f}, excess" in sentence


def test_one_theta_is_not_said_of_the_right_side(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    sentence = similarity_sentence(conversion_similarity(adapter, "value", side="right", draws=5))
    assert "is 1 for A and B, as it is on the right side" in sentence
    assert "θ" not in sentence
