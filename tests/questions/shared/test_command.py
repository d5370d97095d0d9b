import csv
import json
from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike, write_base, write_lora
from typer.testing import CliRunner, Result

from lora_lens import demo_adapter, load_adapter, shared_subspace
from lora_lens.cli import app
from lora_lens.questions.shared.tables import predicted_tables


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["shared", *map(str, arguments)])


def test_json_is_what_python_gives(bert: BertLike, tmp_path: Path) -> None:
    result = run(tmp_path / "lora", "--module", "value", "--rank", 4, "--draws", 7, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    expected = shared_subspace(load_adapter(tmp_path / "lora"), "value", 4, draws=7)
    assert found == expected.to_dict()
    assert found["matrices"]["B"]["nulls"]["propagated"]["draws"] == 7


def test_table_shows_shares_nulls_and_layers(bert: BertLike, tmp_path: Path) -> None:
    result = run(tmp_path / "lora", "--draws", 9, "--shared-width", 3, "--convention", "consistent")
    assert result.exit_code == 0
    expected = shared_subspace(
        load_adapter(tmp_path / "lora"), "value", width=3, draws=9, convention="consistent"
    )
    shared = expected["A"]
    test = shared.nulls["propagated"].share
    lines = [line.split() for line in result.stdout.splitlines()]
    row = ["A", "captured", f"{shared.share:.3f}", "propagated", "9", f"{test.mean:.3f}", "±",
           f"{test.sd:.3f}", f"{test.z:+.1f}", f"{test.p:.3f}", f"{test.excess:+.3f}"]  # fmt: skip
    assert row in lines
    one = shared.predicted
    assert one is not None
    flipped = one.nulls["flipped"]
    assert ["A", f"{one.mean:.3f}", "flipped", "9", f"{flipped.mean:.3f}"] in [
        line[:5] for line in lines
    ]
    mean_of_layers = predicted_tables(expected)[0]
    assert "p: two-sided, uncorrected" in mean_of_layers.title
    assert mean_of_layers.rows[0][6] == f"{flipped.p_two_sided:.3f}"  # as the sentence's
    alone = one.by_layer
    assert [
        "2", f"{one.share[2]:.3f}", f"{alone.mean[2]:.3f}", "±", f"{alone.sd[2]:.3f}",
        f"{alone.p[2]:.3f}", f"{one.p_named(2)[2]:.3f}",
    ] in lines  # fmt: skip
    text = " ".join(result.stdout.split())
    assert expected.summary in text
    assert "captured: by the best layer of width 3" not in text
    # Conversions have a convention; what is predicted of a factor has none.
    first, second = result.stdout.split("conversions by the convention consistent, ")
    assert "consistent" not in first
    assert "predicted by layer" in first
    assert "Share of the conversions' subspaces (consistent), mean" in second
    told = run(tmp_path / "lora", "--draws", 9, "--shared-width", 3, "--explain")
    assert "captured: by the best layer of width 3" in told.stdout
    assert "nan" not in result.stdout


@pytest.mark.usefixtures("blank_figures")
def test_the_p_that_layers_are_named_by_is_in_json_and_csv_as_in_the_tables(
    bert: BertLike, tmp_path: Path
) -> None:
    """Over layers and tests; what was there before is over the layers alone, and names more of them."""
    write_lora(tmp_path / "other", bert, base=str(tmp_path / "base"), seed=5)
    result = run(
        tmp_path / "lora", tmp_path / "other", "--draws", 99, "--json", "--out", tmp_path / "out"
    )
    found = json.loads(result.stdout)
    expected = shared_subspace(tmp_path / "lora", other=tmp_path / "other", draws=99)
    assert expected.tests == 2
    printed = [
        [row[-1] for row in table.rows]
        for table in predicted_tables(expected)
        if table.head[-1] == "p (Holm)"
    ]
    wanted = [(name, matrix) for name in ("carried", "predicted") for matrix in "AB"]
    for (name, matrix), shown in zip(wanted, printed, strict=True):
        layers = found["matrices"][matrix][name]["layers"]
        kept = layers["p_holm_layers_and_tests"]
        assert [f"{p:.3f}" for p in kept] == shown
        assert kept == [min(1.0, 2 * p) for p in layers["p_holm"]]
        for stem in ("shared-other-value", f"shared-other-value-{name}"):
            with (tmp_path / "out" / f"{stem}.csv").open(encoding="utf-8") as file:
                rows = [row for row in csv.DictReader(file) if row["matrix"] == matrix]
            assert [float(row[f"{name}_p_holm_layers_and_tests"]) for row in rows] == kept
            assert [float(row[f"{name}_p_holm"]) for row in rows] == layers["p_holm"]


def test_without_draws_there_is_no_verdict(bert: BertLike, tmp_path: Path) -> None:
    result = run(tmp_path / "lora", "--draws", 0, "--matrix", "B")
    assert result.exit_code == 0
    assert "W0 alone" not in result.stdout
    assert "propagated" not in result.stdout.split("by layer")[0]
    assert "nan" not in result.stdout
    assert "A's" not in result.stdout


def test_condlora_is_captured_whole() -> None:
    result = run(demo_adapter("condlora"), "--convention", "consistent", "--draws", 59, "--explain")
    text = " ".join(result.stdout.split())
    assert "one shared layer of width 8 gives A and B in every layer" in text
    lines = [line.split() for line in result.stdout.splitlines()]
    # Each null beside its own draws, and p at the least of so many.
    for null, draws, least in (
        ("flipped", 59, 0.017),
        ("uniform", 50, 0.02),
        ("mismatched", 50, 0.02),
    ):
        rows = [line for line in lines if null in line[:3] and str(draws) in line]
        assert len(rows) == 2
        assert all(row[-2] == f"{least:.3f}" for row in rows)
    for null, draws in (("gaussian", 50), ("propagated", 59)):
        assert (
            sum(
                line[3:5] == [null, str(draws)] or line[4:6] == [null, str(draws)] for line in lines
            )
            == 4
        )
    assert "have 50 draws at most, whatever is asked for" in text
    assert "50 at most" in " ".join(run("--help").stdout.replace("│", "").split())


def test_too_few_draws_leave_a_share_of_one_a_number() -> None:
    """39 draws can find two tests, 38 cannot; the share is 1 whatever was drawn."""
    few, none = (shared_subspace(demo_adapter("condlora"), "value", draws=n) for n in (38, 0))
    assert few.summary == (
        "value: the predicted share of A and B is 1.0000 in every layer; 38 draws are too few to tell A and "
        "B from chance (39 are needed), so nothing could be found."
    )
    assert {one.word for one in few.findings} == {"not seen"}
    assert none.summary == (
        "value: θ fitted to the other layers predicts 100.0 % of A and 100.0 % of B, which nothing can be "
        "said of without draws of chance."
    )


@pytest.mark.usefixtures("blank_figures")
def test_out_writes_every_form(bert: BertLike, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(tmp_path / "lora", "--draws", 5, "--out", out)
    assert result.exit_code == 0
    assert {file.name for file in out.iterdir()} == {
        *(f"shared-value.{ending}" for ending in ("png", "svg", "pdf", "csv", "json", "md", "tex")),
        "shared-value-predicted.csv",
    }
    expected = shared_subspace(load_adapter(tmp_path / "lora"), "value", draws=5)
    rows = list(csv.DictReader((out / "shared-value.csv").read_text().splitlines()))
    assert len(rows) == 6
    np.testing.assert_allclose([float(r["left_out"]) for r in rows[:3]], expected["A"].left_out)
    assert json.loads((out / "shared-value.json").read_text()) == expected.to_dict()
    assert "B by layer" in (out / "shared-value.md").read_text()
    latex = (out / "shared-value.tex").read_text()
    assert latex.isascii()
    assert r"$\pm$" in latex


@pytest.mark.usefixtures("blank_figures")
def test_what_is_carried_over_has_files_of_its_own(bert: BertLike, tmp_path: Path) -> None:
    write_lora(tmp_path / "other", bert, base=str(tmp_path / "base"), seed=5)
    out = tmp_path / "out"
    for other in ((), (tmp_path / "other",)):
        made = run(tmp_path / "lora", *other, "--draws", 5, "--out", out)
        assert ("3 layers, carried over to other; lora on base" in made.stdout) is bool(other)
        assert made.exit_code == 0, made.output
    stem = "shared-other-value"
    assert (out / "shared-value.json").exists()  # of the adapter alone, and as it was
    assert "carried" not in json.loads((out / "shared-value.json").read_text())["matrices"]["A"]
    found = json.loads((out / f"{stem}.json").read_text())["matrices"]
    rows = list(csv.DictReader((out / f"{stem}-carried.csv").read_text().splitlines()))
    assert [(row["matrix"], row["layer"]) for row in rows] == [(m, k) for m in "AB" for k in "012"]
    for matrix in "AB":
        of = [row for row in rows if row["matrix"] == matrix]
        one = found[matrix]["carried"]
        np.testing.assert_allclose([float(row["carried"]) for row in of], one["share"])
        np.testing.assert_allclose(
            [float(row["carried_flipped_mean"]) for row in of], one["layers"]["mean"]
        )
    assert (out / f"{stem}-predicted.csv").exists()
    assert not (out / "shared-value-carried.csv").exists()


def test_a_single_layer_is_said_and_drawn(tmp_path: Path) -> None:
    shape = BertLike(layers=1, modules=("value",))
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    result = run(tmp_path / "lora", "--draws", 5, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "nothing can be shared" in result.stdout
    assert " 1 layer; " in result.stdout
    assert "nan" not in result.stdout


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--shared-width", "9"], "expected 1 to 8"),
        (["--rank", "5"], "at most 4 (rank=4, on the command line --rank 4)"),
    ],
)
def test_errors_are_one_line(bert: BertLike, tmp_path: Path, options: list[str], word: str) -> None:
    result = run(tmp_path / "lora", *options)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert word in result.stderr
