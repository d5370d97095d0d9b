"""What the page's script makes of the numbers, without a browser: Node where there is one."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lora_lens as ll
from lora_lens.chance.null_names import WITHOUT_SVD
from lora_lens.questions.grid.figures import thinned
from lora_lens.questions.similarity.figures import heat
from lora_lens.show.drawing.with_plotly import heat_maps

NODE = shutil.which("node")


def run(spec: dict[str, Any], states: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """`heatView` of a figure in several states of its switches."""
    if NODE is None:
        pytest.skip("no Node here")
    assets = resources.files("lora_lens.report") / "assets"
    script = folder / "view.js"
    script.write_text(
        "const isDark = () => false;\n"
        + (assets / "heatmaps.js").read_text("utf-8")
        + f"const spec = {json.dumps(spec)};\n"
        + f"for (const state of {json.dumps(states)}) {{\n"
        + "  const {z, hover, low, high, colours, words} = heatView(spec, state);\n"
        + "  console.log(JSON.stringify({z, hover, low, high, colours, words}));\n}\n",
        encoding="utf-8",
    )
    done = subprocess.run([NODE, str(script)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_view_shows_the_numbers_of_the_result(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    grid = ll.conversion_similarity(ll.load_adapter(pair[0]), "value", nulls=WITHOUT_SVD, draws=19)[
        "A"
    ]
    states = [
        {"view": view, "null": null, "stretch": False}
        for null in WITHOUT_SVD
        for view in ("phi", "null", "excess", "p", "p_bh")
    ]
    found = run(heat_maps([heat(grid)], "layer", "layer"), states, tmp_path)
    off = ~np.eye(3, dtype=bool)
    for state, view in zip(states, found, strict=True):
        test, baseline = grid.significance[state["null"]], grid.baselines[state["null"]]
        expected = {
            "phi": grid.values, "null": baseline.grid(3), "excess": test.excess, "p": test.p,
            "p_bh": test.p_bh,
        }[state["view"]]  # fmt: skip
        shown = np.array(view["z"], dtype=float)
        np.testing.assert_allclose(shown[off], expected[off], rtol=1e-4, atol=1e-6)
        if state["view"] in ("excess", "p", "p_bh"):
            assert np.isnan(np.diag(shown)).all()  # a layer with itself: not tested
        assert (view["low"], view["high"]) == (-1 if state["view"] == "excess" else 0, 1)
        cell = view["hover"][0][2].split("<br>")
        assert cell[:2] == ["A, layers 0 and 2", f"φ = {grid.values[0, 2]:.3f}"]
        assert cell[2].startswith(f"{state['null']} null {baseline.grid(3)[0, 2]:.3f} ± ")
        assert f"p = {test.p[0, 2]:.3f}" in cell[3]


def test_colours_stretch_to_what_is_off_the_diagonal(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    grid = ll.conversion_similarity(ll.load_adapter(pair[0]), "value", draws=19)["A"]
    states = [{"view": v, "null": "propagated", "stretch": True} for v in ("phi", "excess", "p")]
    phi, excess, p = run(heat_maps([heat(grid)], "layer", "layer"), states, tmp_path)
    off = ~np.eye(3, dtype=bool)
    assert phi["high"] == pytest.approx(grid.values[off].max(), rel=1e-5)
    assert excess["low"] == -excess["high"]
    assert (p["low"], p["high"]) == (0, 1)


def test_the_map_follows_matrix_and_layer(pair: tuple[Path, Path], tmp_path: Path) -> None:
    grids = ll.rank_grids(*map(ll.load_adapter, pair), "value", draws=0)
    states = [
        {"view": view, "matrix": "A (right)", "layer": "2", "stretch": False}
        for view in ("phi", "null")
    ]
    found = run(heat_maps([thinned(grid) for grid in grids], "j", "i"), states, tmp_path)
    expected = grids.of("A", "right")[2]
    np.testing.assert_allclose(found[0]["z"], expected.values, rtol=1e-4)
    np.testing.assert_allclose(found[1]["z"], expected.gaussian_mean, rtol=1e-4)
    assert "A (right), layer 2, i = 1, j = 1" in found[0]["hover"][0][0]
