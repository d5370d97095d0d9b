import re
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from checkpoints import BertLike, write_lora
from planted import Factors, orthogonal, plant, regauged, unit
from scipy.linalg import subspace_angles
from slow_routes import slow_phi

from lora_lens import (
    LensError,
    RankError,
    demo_adapter,
    gaussian_baseline,
    load_adapter,
    rank_grids,
)
from lora_lens.chance.detectable import detectable_deviations
from lora_lens.chance.gaussian_moments import gaussian_grid
from lora_lens.errors import AdapterError, ModuleLookupError
from lora_lens.questions.grid.tables import legend
from lora_lens.questions.grid.words import claims, details
from lora_lens.show.findings import found as judged

SIDES = {"A": "right", "B": "left", "delta": None}


@pytest.mark.parametrize(("d", "r1", "r2"), [(1, 1, 1), (12, 3, 9), (9, 9, 9), (4096, 16, 70)])
def test_the_gaussian_null_of_all_cells_is_that_of_each(d: int, r1: int, r2: int) -> None:
    mean, sd = gaussian_grid(d, r1, r2)
    assert mean.shape == sd.shape == (r1, r2)
    for i, j in ((1, 1), (r1, r2), (1, r2), (r1, 1)):
        expected = gaussian_baseline(d, i, j)
        assert (mean[i - 1, j - 1], sd[i - 1, j - 1]) == pytest.approx(
            expected, rel=1e-12, abs=1e-18
        )


def factors(
    rng: np.random.Generator, ranks: tuple[int, ...], out: int = 12, inn: int = 9
) -> list[Factors]:
    return [(rng.standard_normal((out, r)), rng.standard_normal((r, inn))) for r in ranks]


def weights(rng: np.random.Generator, layers: int, out: int = 12, inn: int = 9) -> list[np.ndarray]:
    return [rng.standard_normal((out, inn)) for _ in range(layers)]


def test_two_adapters_of_different_ranks_equal_full_svds_cell_by_cell(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ours, theirs = factors(rng, (3, 2)), factors(rng, (4, 5))
    w0 = weights(rng, 2)
    one, other = plant(tmp_path / "1", w0, ours), plant(tmp_path / "2", w0, theirs, scaling=3)
    result = rank_grids(one, other, "value")
    assert result.kinds == (("A", "right"), ("B", "left"), ("delta", "left"), ("delta", "right"))
    assert len(result) == 8
    for grid in result:
        (b, a), (d, c) = ours[grid.layer], theirs[grid.layer]
        x, y = {"A": (a, c), "B": (b, d), "delta": (b @ a, d @ c)}[grid.matrix]
        assert grid.shape == (len(a), len(c))
        space = 9 if grid.side == "right" else 12
        assert grid.dimension == space
        for i in range(1, len(a) + 1):
            for j in range(1, len(c) + 1):
                expected = slow_phi(x, y, i, j, grid.side)
                assert grid.values[i - 1, j - 1] == pytest.approx(expected, abs=1e-10)
                null = (grid.gaussian_mean[i - 1, j - 1], grid.gaussian_sd[i - 1, j - 1])
                assert null == pytest.approx(
                    tuple(gaussian_baseline(space, i, j)), rel=1e-12, abs=1e-15
                )
        spans = (a.T, c.T) if grid.side == "right" else (b, d)
        angles = np.rad2deg(subspace_angles(*spans))[::-1]
        np.testing.assert_allclose(grid.angles, angles, atol=1e-6)


def test_planted_directions_are_found_where_they_are(tmp_path: Path) -> None:
    # A's right singular vectors, by size: e0, e1 of the one, e1, e2, e3 of the other.
    one = plant(tmp_path / "1", [np.eye(6)], [(unit(6, 0, 1), np.diag([5.0, 2]) @ unit(6, 0, 1).T)])
    other = plant(
        tmp_path / "2", [np.eye(6)], [(unit(6, 3, 4, 5), np.diag([4.0, 3, 1]) @ unit(6, 1, 2, 3).T)]
    )
    result = rank_grids(one, other, "value")
    a, b, *_ = result
    np.testing.assert_allclose(a.values, [[0, 0, 0], [1, 0.5, 0.5]], atol=1e-12)
    np.testing.assert_allclose(b.values, 0, atol=1e-12)
    np.testing.assert_allclose(a.angles, [0, 90], atol=1e-5)
    np.testing.assert_allclose(b.angles, [90, 90], atol=1e-5)
    rows = result.angles()
    assert len(rows) == 4 * 2
    assert [row["degrees"] for row in rows[:2]] == pytest.approx([0, 90], abs=1e-5)
    assert any("gauge" in note for note in result.notes)
    assert any("one seed" in note for note in result.notes)
    (of_bases,) = rank_grids(one, other, "value", matrices=["delta-left"]).notes
    assert "one seed" not in of_bases
    right = rank_grids(one, other, "value", matrices=["delta-right"]).notes
    assert any("one seed" in note for note in right)
    assert "different base models" in of_bases
    made = demo_adapter("condlora")  # of W0, by no random A
    of_w0 = rank_grids(made, made, "value", layers=[0], matrices=["A", "delta-right"]).notes
    assert not any("one seed" in note for note in of_w0)


def test_delta_in_the_fourth_direction_of_w0_enters_at_i_4(tmp_path: Path) -> None:
    w0 = np.diag(np.arange(8.0, 0, -1))
    adapter = plant(tmp_path, [w0], [(3 * unit(8, 3), unit(8, 6).T)])
    left, right = rank_grids(adapter, None, "value")
    assert (left.matrix, left.side, right.side) == ("delta", "left", "right")
    np.testing.assert_allclose(left.values[:, 0], [0, 0, 0, 1, 1, 1, 1, 1], atol=1e-12)
    np.testing.assert_allclose(right.values[:, 0], [0, 0, 0, 0, 0, 0, 1, 1], atol=1e-12)
    np.testing.assert_allclose(left.gaussian_mean[:, 0], np.arange(1, 9) / 8)
    assert np.isnan(left.z[-1, 0])  # the whole space holds every direction, by chance too


def test_w0_and_delta_equal_full_svds_cell_by_cell(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    w0, planted = weights(rng, 2), factors(rng, (2, 3))
    result = rank_grids(plant(tmp_path, w0, planted), None, "value", top=4)
    assert result.between == "w0-delta"
    for grid in result:
        b, a = planted[grid.layer]
        for i in range(1, 5):
            for j in range(1, len(a) + 1):
                expected = slow_phi(w0[grid.layer], b @ a, i, j, grid.side)
                assert grid.values[i - 1, j - 1] == pytest.approx(expected, abs=1e-10)


def test_gauge_moves_a_and_b_below_the_rank_and_nothing_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    w0, planted, others = weights(rng, 1), factors(rng, (3,)), factors(rng, (4,))
    other = plant(tmp_path / "o", w0, others)
    before = rank_grids(plant(tmp_path / "1", w0, planted), other, "value")
    after = rank_grids(plant(tmp_path / "2", w0, regauged(planted, rng)), other, "value")
    for x, y in zip(before, after, strict=True):
        assert x.values[-1, -1] == pytest.approx(y.values[-1, -1], abs=1e-10)
        moved = np.abs(x.values - y.values).max()
        assert moved < 1e-10 if x.matrix == "delta" else moved > 1e-3


def test_turning_the_space_changes_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    w0, planted = weights(rng, 1), factors(rng, (3,))
    q, p = orthogonal(12, rng), orthogonal(9, rng)
    turned = [(q @ b, a @ p.T) for b, a in planted]
    before = rank_grids(plant(tmp_path / "1", w0, planted), None, "value")
    after = rank_grids(plant(tmp_path / "2", [q @ w0[0] @ p.T], turned), None, "value")
    for x, y in zip(before, after, strict=True):
        np.testing.assert_allclose(x.values, y.values, atol=1e-10)
        np.testing.assert_allclose(x.angles, y.angles, atol=1e-6)


def test_a_low_rank_b_bounds_the_grid(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    (b, a), w0 = factors(rng, (3,))[0], weights(rng, 1)
    b[:, 2] = b[:, 0] - b[:, 1]
    adapter = plant(tmp_path, w0, [(b, a)])
    shapes = {(g.matrix, g.side): g.shape for g in rank_grids(adapter, adapter, "value")}
    assert shapes["A", "right"] == (3, 3)
    assert shapes["B", "left"] == shapes["delta", "left"] == shapes["delta", "right"] == (2, 2)


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    w0, planted = weights(rng, 2), factors(rng, (2, 2))
    adapter = plant(tmp_path / "1", w0, planted)
    zero = plant(tmp_path / "0", w0, [planted[0], (0 * planted[1][0], planted[1][1])])
    wide = plant(tmp_path / "w", weights(rng, 1, 10, 10), factors(rng, (2,), 10, 10))
    with pytest.raises(ModuleLookupError, match="no layer 7 of value; it has: 0, 1"):
        rank_grids(adapter, None, "value", layers=[7])
    with pytest.raises(RankError, match="layer 1: the adapter is untrained"):
        rank_grids(zero, None, "value")
    with pytest.raises(RankError, match="B of value is all zero in layer 1"):
        rank_grids(adapter, zero, "value")
    with pytest.raises(RankError, match="rank 9 in layer 0; expected 1 to 9"):
        rank_grids(adapter, None, "value", top=10)
    with pytest.raises(LensError, match="expected some of delta-left, delta-right"):
        rank_grids(adapter, None, "value", matrices=["A"])
    with pytest.raises(LensError, match="top limits W0"):
        rank_grids(adapter, adapter, "value", top=3)
    with pytest.raises(AdapterError, match="different base models"):
        rank_grids(adapter, wide, "value")
    assert rank_grids(zero, None, "value", layers=[0]).layers == (0,)
    nothing = plant(tmp_path / "n", [w0[0], 0 * w0[1]], planted)
    with pytest.raises(RankError, match="W0 of value in layer 1 is all zero"):
        rank_grids(nothing, None, "value")


def test_a_narrow_w0_has_no_more_directions_than_its_rank(tmp_path: Path) -> None:
    w0 = np.diag([3.0, 2, 1, 0, 0, 0])
    adapter = plant(tmp_path, [w0], [(unit(6, 4), unit(6, 5).T)])
    (left, _) = rank_grids(adapter, None, "value")
    assert left.shape == (3, 1)
    np.testing.assert_allclose(left.values, 0, atol=1e-12)


def test_whole_subspaces_are_tested_layer_by_layer(tmp_path: Path) -> None:
    """Second route: Gaussian frames in full, scipy's percentile of φ among theirs, and its adjustment."""
    for name, shape, seed in (("one", BertLike(rank=2), 1), ("other", BertLike(rank=3), 2)):
        write_lora(tmp_path / name, shape, seed=seed)
    one, other = (load_adapter(tmp_path / name) for name in ("one", "other"))
    result = rank_grids(one, other, "value", draws=4000)
    rng = np.random.default_rng(0)
    frames = [np.linalg.qr(rng.standard_normal((4000, 24, k)))[0] for k in (2, 3)]
    null = ((frames[0].transpose(0, 2, 1) @ frames[1]) ** 2).sum((1, 2)) / 2
    rows = iter(result.to_dict()["grids"])
    for matrix, side in result.kinds:
        grids, test = result.of(matrix, side), result.significance[matrix, side]
        phi = np.array([grid.values[-1, -1] for grid in grids])
        expected = 1 - scipy.stats.percentileofscore(null, phi, "strict") / 100
        np.testing.assert_allclose(test.p, expected, atol=0.04)  # 3.6 deviations of a difference
        np.testing.assert_allclose(test.p_bh, scipy.stats.false_discovery_control(test.p))
        np.testing.assert_allclose(test.z, [grid.z[-1, -1] for grid in grids])
        np.testing.assert_allclose(test.excess, (phi - 3 / 24) / (1 - 3 / 24))
        assert [next(rows)["whole"]["p"] for _ in grids] == list(test.p)
    left = [result.significance[kind].p for kind in (("B", "left"), ("delta", "left"))]
    with pytest.raises(LensError, match="draws is 1"):
        rank_grids(one, other, "value", draws=1)
    bare = rank_grids(one, one, "value", draws=0)
    assert {row["whole"]["p"] for row in bare.to_dict()["grids"]} == {None}
    same = rank_grids(one, one, "value", draws=99)
    assert {row["whole"]["p"] for row in same.to_dict()["grids"]} == {0.01}
    # B's left subspace is ΔW's where both have rank 2: one φ, one p.
    np.testing.assert_array_equal(*left)


def test_of_w0_it_is_said_how_many_directions_of_how_many(tmp_path: Path) -> None:
    """The verdict is on the leading ones, which the sentence called W0's whole subspaces."""
    rng = np.random.default_rng(1)
    w0 = weights(rng, 2)
    w0[1][:, 0] = w0[1][:, 1]  # of rank 8, where the other is of 9
    adapter = plant(tmp_path / "1", w0, factors(rng, (3, 2)))
    cut = rank_grids(adapter, None, "value", top=4, draws=99)
    assert {grid.full[0] for grid in cut} == {8, 9}
    taken = "W0's leading 4 of 8 to 9 directions and all of ΔW's"
    assert cut.findings[0].claim.about.startswith(f"subspaces of W0 and ΔW (left) alike, {taken} (")
    assert re.search(r"left( and right)?: W0's leading 4 of 8 to 9 directions hold ", cut.summary)
    fewer = rank_grids(
        adapter, None, "value", top=2, draws=99
    ).summary  # than ΔW has: none is held whole
    assert f"W0 and ΔW (right), {taken.replace('4', '2')}, are " in fewer
    assert details(cut).startswith(f"Mean over the layers, {taken}. ")
    assert "whole subspaces" not in cut.summary + details(cut)
    told = r"φ\(1, 1\), of the top directions alone, is in the mean over the layers 0\.\d+ \(left\) and 0\.\d+ \(right\); "
    assert re.search(told, cut.summary)
    bare = rank_grids(adapter, None, "value", top=4, draws=0).summary
    assert f"of the subspaces, {taken}, " in bare
    assert [one["w0_rank"] for one in cut.to_dict()["grids"]] == [9, 8, 9, 8]
    uncut = rank_grids(adapter, None, "value", draws=99)  # W0's 64 or all that it has
    assert "the whole subspaces of W0 and ΔW (left) and " in uncut.summary
    wide = plant(tmp_path / "2", weights(rng, 1, 80, 70), factors(rng, (3,), 80, 70))
    assert "W0's leading 64 of 70 directions" in rank_grids(wide, None, "value").summary
    two = rank_grids(adapter, adapter, "value", draws=99)
    assert "over the whole subspaces" in details(two)
    assert {grid.full == grid.shape for grid in two} == {True}


def test_what_would_have_been_seen_is_of_a_skewed_null_above_what_phi_is_at_least(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(9)
    adapter = plant(tmp_path / "1", weights(rng, 2, 12, 12), factors(rng, (3, 3), 12, 12))
    (one,) = {claim.trial.floor for claim in claims(rank_grids(adapter, None, "value", top=11))}
    assert one == pytest.approx(2 / 3)  # 11 and 3 of 12 directions have 2 of 3 in common
    line = plant(tmp_path / "2", weights(rng, 1), factors(rng, (1,)))
    single = rank_grids(line, None, "value", top=1)
    for found in judged(claims(single)):
        trial = found.claim.trial
        assert trial.floor == 0
        normal = detectable_deviations(0.05 / 2, trial.draws)
        assert normal is not None
        assert found.verdict.detectable is not None
        assert found.verdict.detectable > 1.05 * normal * trial.sd


def test_nothing_is_claimed_of_a_side_where_the_layers_of_both_lie_alike(tmp_path: Path) -> None:
    """As of VeRA, whose A serves all layers, on layers with directions in common: unrelated ones would be claimed of too often."""
    rng = np.random.default_rng(0)
    common, a = rng.standard_normal((40, 60)), rng.standard_normal((2, 60))
    w0 = [common + 0.1 * rng.standard_normal((40, 60)) for _ in range(6)]
    own = [(rng.standard_normal((40, 2)), a) for _ in range(6)]
    result = rank_grids(plant(tmp_path, w0, own), None, "value", top=4, draws=99)
    assert result.scatter["delta", "right"] == pytest.approx(6**0.5, rel=0.1)
    assert result.scatter["delta", "left"] == pytest.approx(1, abs=0.1)
    assert result.together == (("delta", "right"),)
    assert [one.label for one in claims(result)] == ["W0 and ΔW (left)"]
    (note,) = (one for one in result.notes if "nothing is claimed of that side" in one)
    assert note.startswith("W0's leading right directions lie alike in its layers, and ΔW's too")
    assert "delta (right)" not in legend(result)[1]
    times = [one["times"] for one in result.to_dict()["scatter"]]
    assert times == [result.scatter["delta", side] for side in ("left", "right")]


def test_trained_layers_are_independent_of_each_other_in_w0s_directions() -> None:
    result = rank_grids(demo_adapter("lora"), None, "query", draws=19)
    assert all(one == pytest.approx(1, abs=0.02) for one in result.scatter.values())
    assert len(claims(result)) == 2


def test_equal_singular_values_of_w0_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    factors = [(unit(6, 0, 1), unit(6, 2, 3).T)]
    notes = {
        name: rank_grids(plant(tmp_path / name, [w0], factors), module="value", draws=0).notes
        for name, w0 in (("equal", orthogonal(6, rng)), ("apart", rng.standard_normal((6, 6))))
    }
    assert ["equal to rounding" in " ".join(said) for said in notes.values()] == [True, False]
