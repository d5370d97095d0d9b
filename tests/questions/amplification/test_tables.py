from pathlib import Path

import numpy as np
import pytest
from planted import plant, unit

from lora_lens import amplification
from lora_lens.questions.amplification.tables import layer_table, legend


def test_no_overlap_reads_infinite(tmp_path: Path) -> None:
    adapter = plant(tmp_path, [unit(6, *range(6))], [(unit(6, 0), unit(6, 1).T)])
    result = amplification(adapter, "value")
    (row,) = layer_table(result).rows
    assert row[-1] == "∞"
    assert "∞" not in result.summary


@pytest.mark.parametrize("zero", [1, 2])
def test_factors_are_told_where_w0_has_something(tmp_path: Path, zero: int) -> None:
    w0 = [np.zeros((6, 6))] * zero + [np.eye(6)] * (2 - zero)
    result = amplification(plant(tmp_path, w0, [(unit(6, 0), unit(6, 0).T)] * 2), "value")
    assert ("factors of 1.000 to ∞" in result.summary) == (zero == 1)
    assert ("W0 has nothing in ΔW's top directions" in result.summary) == (zero == 2)
    assert result.to_dict()["layers"][0]["z"] is None  # of a W0 of zeros
    assert result.plot().axes


def test_the_legend_says_which_mean_of_random_directions_it_is(tmp_path: Path) -> None:
    w0 = np.diag([3.0, 2.0, 1.0, 1.0, 1.0, 1.0])
    result = amplification(plant(tmp_path, [w0], [(unit(6, 0), unit(6, 1).T)]), "value")
    (layer,) = result.layers
    assert layer.w0_in_random**2 == pytest.approx(
        (w0**2).mean()
    )  # u_i v_j are 1/36 in the mean square
    assert "root mean square" in legend(result)[0]


@pytest.mark.parametrize(("along", "said"), [([0], "6.000 times"), ([0, 1, 0, 1], "4.243 times")])
def test_what_w0_has_there_is_told_in_multiples_of_random_directions(
    tmp_path: Path, along: list[int], said: str
) -> None:
    """Of one entry, 3, random lines of R^6 have 3/6; over the layers 6, 0, 6 and 0 times that."""
    w0 = [3 * unit(6, 0) @ unit(6, 0).T for _ in along]
    factors = [(unit(6, k), unit(6, k).T) for k in along]
    assert said in amplification(plant(tmp_path, w0, factors), "value").summary


def test_random_directions_are_told_as_such(tmp_path: Path) -> None:
    """The median over layers is .67 for random directions of rank 1."""
    rng = np.random.default_rng(0)
    w0 = [*rng.standard_normal((200, 12, 12))]
    factors = [(rng.standard_normal((12, 1)), rng.standard_normal((1, 12))) for _ in w0]
    said = amplification(plant(tmp_path, w0, factors), "value").summary
    times = float(said.split("W0 has ")[1].split()[0])
    assert times == pytest.approx(1, abs=0.15)
