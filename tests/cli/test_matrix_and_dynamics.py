"""`matrix` and `dynamics` on the command line."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike, write_config, write_lora
from commands import fails, run

from lora_lens import adapter_matrix, dynamics


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    for k in range(4):
        write_lora(tmp_path / "seeds" / f"seed-{k}", BertLike(rank=4 if k else 6), seed=k + 1)
    return tmp_path / "seeds"


@pytest.fixture
def training(tmp_path: Path) -> Path:
    for step in (5, 20, 100):
        write_lora(tmp_path / "run" / "checkpoints" / f"checkpoint-{step}", BertLike(), seed=step)
    write_config(tmp_path / "run" / "checkpoints" / "checkpoint-200", base=None, r=4)
    return tmp_path / "run"


def test_matrix_json(seeds: Path) -> None:
    result = run("matrix", seeds, "--module", "value", "--rank", 3, "--json")
    found = json.loads(result.stdout)
    expected = adapter_matrix([seeds], "value", 3)
    np.testing.assert_array_equal(found["phi"], expected.values)
    assert [found[key] for key in ("module", "matrix", "side", "rank")] == [
        "value", "delta", "left", 3,
    ]  # fmt: skip
    assert [one["name"] for one in found["adapters"]] == [f"seed-{k}" for k in range(4)]


def test_matrix_table(seeds: Path) -> None:
    folders = [seeds / f"seed-{k}" for k in range(4)]
    result = run("matrix", *folders, "--matrix", "B", "--explain")
    assert result.exit_code == 0
    for word in ("φ of B (left side) between 4 adapters", "each at its own rank, 4 to 6", "seed-3",
                 "All 6 pairs", "0.250 ±", "0.167 ±", "no evidence", "1.000"):  # fmt: skip
        assert word in result.stdout
    assert "nan" not in result.stdout


def test_many_adapters_are_summed_up(tmp_path: Path) -> None:
    shape = BertLike(layers=1, modules=("value",))
    for k in range(20):
        write_lora(tmp_path / f"s{k}", shape, seed=k + 1)
    result = run("matrix", tmp_path)
    assert "The 10 closest of 190 pairs" in result.stdout
    assert "median" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_dynamics_json(training: Path) -> None:
    result = run("dynamics", training, "--rank", 3, "--json")
    found = json.loads(result.stdout)
    expected = dynamics(training, "value", 3)
    np.testing.assert_array_equal(found["to_end"]["A"]["phi"], expected.to_end["A"])
    assert [point["step"] for point in found["checkpoints"]] == [5, 20, 100]
    assert found["norms"]["delta"]["mean"] == pytest.approx(expected.norms["delta"].mean(1))
    assert "note: checkpoint-200 is passed over" in result.stderr


def test_dynamics_table(training: Path) -> None:
    result = run("dynamics", training)
    assert result.exit_code == 0
    for word in ("φ to the end point (checkpoint-100)", "φ to the first checkpoint kept (checkpoint-5)", "1.000",
                 "ΔW right", "gaussian", "0.167 ±", "‖ΔW‖_F", "effective rank ΔW (s)",
                 "passed over"):  # fmt: skip
        assert word in result.stdout


def test_out_writes_every_form_whole(seeds: Path, training: Path, tmp_path: Path) -> None:
    for command, folder, rows in (("matrix", seeds, 6), ("dynamics", training, 9)):
        out = tmp_path / command
        result = run(command, folder, "--out", out)
        assert result.exit_code == 0, result.stderr
        stem = f"{command}-value"
        assert {path.name for path in out.iterdir()} == {
            f"{stem}.{ending}" for ending in ("png", "svg", "pdf", "csv", "json", "md", "tex")
        }
        assert (out / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
        with (out / f"{stem}.csv").open() as stream:
            assert len(list(csv.DictReader(stream))) == rows
        assert json.loads((out / f"{stem}.json").read_text())
        tex = (out / f"{stem}.tex").read_text()
        assert r"\begin{tabular}" in tex
        assert not set(tex) & set("φ‖Δ−±–")


def test_failures_are_one_line_and_leave_nothing(
    seeds: Path, training: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    fails(run("matrix", seeds / "seed-0", "--out", out), "at least two")
    fails(run("matrix", seeds, "--rank", 5, "--out", out), "seed-1 has rank 4")
    fails(run("matrix", seeds, "--matrix", "A", "--side", "left"), "R^rank")
    fails(run("matrix", seeds, tmp_path / "nowhere"), "is not a folder")
    fails(run("matrix", seeds, "--clusters", 9), "9 clusters of 4 adapters")
    fails(run("dynamics", seeds, "--out", out), "no checkpoint-N folder")
    fails(run("dynamics", training, "--module", "dense", "--out", out), "it has: query, value")
    assert not out.exists()
    assert run("matrix").exit_code == 2
    assert run("matrix", seeds, "--matrix", "C").exit_code == 2


@pytest.mark.parametrize("command", ["matrix", "dynamics"])
def test_help_teaches(command: str) -> None:
    text = " ".join(run(command, "--help").stdout.split())
    assert f"Example: lora-lens {command}" in text
