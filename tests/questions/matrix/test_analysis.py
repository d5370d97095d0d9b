import json
import math
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_lora, write_tensors
from safetensors.torch import load_file, save_file
from scipy.stats import false_discovery_control

from lora_lens import (
    RankError,
    adapter_matrix,
    compare,
    demo_adapter,
    gaussian_baseline,
    load_adapter,
)
from lora_lens.core.many_adapters.clustering import joined
from lora_lens.errors import AdapterError, LensError, ModuleLookupError
from lora_lens.questions.matrix.reading import space_named

RANKS = (4, 4, 6, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k, rank in enumerate(RANKS):
        write_lora(tmp_path / "all" / f"seed-{k}", BertLike(rank=rank), seed=k + 1)
    return tmp_path / "all"


@pytest.mark.parametrize("matrix", ["A", "B", "delta"])
def test_equals_compare_pair_by_pair(folder: Path, matrix: str) -> None:
    result = adapter_matrix([folder], "value", matrix=matrix)
    adapters = [load_adapter(folder / name) for name in result.names]
    for one, other in combinations(range(4), 2):
        series = compare(adapters[one], adapters[other], "value", i=RANKS[one], j=RANKS[other])[
            matrix
        ]
        assert result.side == series.side
        np.testing.assert_allclose(result.by_layer[:, one, other], series.values, atol=1e-12)
        assert result.values[one, other] == pytest.approx(series.mean, abs=1e-12)
        assert result.values[other, one] == result.values[one, other]
        assert result.gaussian_mean[one, other] == pytest.approx(series.baseline.mean)
        assert result.gaussian_sd[one, other] == pytest.approx(series.baseline.mean_sd)
        z = (series.mean - series.baseline.mean) / series.baseline.mean_sd
        assert result.z[one, other] == pytest.approx(z, abs=1e-9)
        test = series.significance.of_mean  # by other draws: 4 deviations of a difference of p
        assert result.p[one, other] == pytest.approx(test.p, abs=0.09)
        assert result.p[other, one] == result.p[one, other]
        assert result.excess[one, other] == pytest.approx(test.excess)
    np.testing.assert_allclose(np.diag(result.values), 1, atol=1e-12)
    assert np.isnan(np.diag(result.z)).all()
    assert np.isnan(np.diag(result.p)).all()
    pairs = result.pairs()
    np.testing.assert_allclose(result.p_bh[pairs], false_discovery_control(result.p[pairs]))
    assert "each adapter at its own" in result.notes[0]


@pytest.mark.parametrize("rank", [3, 2])
def test_one_rank_for_all(folder: Path, rank: int) -> None:
    result = adapter_matrix([folder], "value", rank)
    adapters = [load_adapter(folder / name) for name in result.names]
    for one, other in combinations(range(4), 2):
        expected = compare(adapters[one], adapters[other], "value", rank)["delta"].mean
        assert result.values[one, other] == pytest.approx(expected, abs=1e-12)
    assert (result.ranks == rank).all()
    assert result.notes == ()


def test_right_side_of_delta_at_full_rank_is_that_of_a(folder: Path) -> None:
    right = adapter_matrix([folder], "value", side="right")
    np.testing.assert_allclose(
        right.values, adapter_matrix([folder], "value", matrix="A").values, atol=1e-10
    )
    assert any("same A" in note for note in right.notes)


@pytest.mark.parametrize("columns", [1, 5, 9, 10**6])
def test_blocks_give_what_one_block_gives(folder: Path, columns: int) -> None:
    whole = adapter_matrix([folder], "value")
    np.testing.assert_allclose(
        adapter_matrix([folder], "value", columns=columns).by_layer, whole.by_layer, atol=1e-14
    )


def test_one_adapter_in_two_gauges_is_1_and_orthogonal_ones_are_0(tmp_path: Path) -> None:
    shape = BertLike(layers=2, width=12, rank=3, modules=("value",))
    write_lora(tmp_path / "one", shape)
    r = random(3, 3, seed=5) + 3 * torch.eye(3)
    gauge = {
        n: (r @ t if "lora_A" in n else t @ torch.linalg.inv(r)).contiguous()
        for n, t in shape.adapter.items()
    }
    write_tensors(tmp_path / "two", gauge)
    apart = {}
    for n, t in shape.adapter.items():
        wide = t.T if "lora_A" in n else t
        q = torch.linalg.qr(torch.cat([wide, random(12, 3, seed=8)], 1)).Q[:, 3:]
        apart[n] = (q.T if "lora_A" in n else q).contiguous()
    write_tensors(tmp_path / "three", apart)
    for name in ("two", "three"):
        write_config(tmp_path / name, base=None, r=3)
    for matrix in ("A", "B", "delta"):
        result = adapter_matrix(
            [tmp_path / n for n in ("one", "two", "three")], "value", matrix=matrix
        )
        np.testing.assert_allclose(
            result.values, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-6
        )  # float32 files
        assert result.closest(1) == [(0, 1)]
        assert result.clusters[0] == result.clusters[1] != result.clusters[2]


def planted(folder: Path, family: int, seed: int) -> None:
    shape = BertLike(layers=2, width=32, rank=4, modules=("value",))
    write_lora(folder, shape, seed=seed)
    common = BertLike(layers=2, width=32, rank=4, modules=("value",))
    write_lora(folder, common, seed=900 + family)
    write_tensors(folder, {n: common.adapter[n] + 0.5 * shape.adapter[n] for n in shape.adapter})


def test_three_planted_families_are_told_apart(tmp_path: Path) -> None:
    for seed in range(9):
        planted(tmp_path / f"seed-{seed}", seed % 3, seed)
    result = adapter_matrix([tmp_path], "value")
    families = {frozenset(members) for members in result.members().values()}
    assert families == {frozenset({k, k + 3, k + 6}) for k in range(3)}
    assert result.within() > 0.4
    assert result.between() < 0.2
    labels = np.array(result.clusters)
    pairs = [(a, b) for a, b in combinations(range(9), 2)]
    inside = [result.values[p] for p in pairs if labels[p[0]] == labels[p[1]]]
    across = [result.values[p] for p in pairs if labels[p[0]] != labels[p[1]]]
    assert result.within() == pytest.approx(np.mean(inside))
    assert result.between() == pytest.approx(np.mean(across))
    assert adapter_matrix([tmp_path], "value", clusters=2).clusters_given
    assert len(adapter_matrix([tmp_path], "value", clusters=2).members()) == 2


def test_random_adapters_are_no_family_and_their_z_are_standard(tmp_path: Path) -> None:
    for seed in range(24):
        write_lora(tmp_path / f"s{seed}", BertLike(layers=4, modules=("value",)), seed=seed + 30)
    result = adapter_matrix([tmp_path], "value")
    assert len(result.members()) == 24
    z = result.z[result.pairs()]
    assert abs(z.mean()) < 0.25  # 276 pairs: 4 standard errors
    assert 0.8 < z.std() < 1.2


def test_ranks_that_differ_between_layers(tmp_path: Path) -> None:
    pattern = {f"encoder.layer.{k}.attention.self.value": r for k, r in ((0, 2), (1, 5))}
    write_lora(
        tmp_path / "mixed", BertLike(), seed=1, ranks={"0.value": 2, "1.value": 5},
        config={"rank_pattern": pattern},
    )  # fmt: skip
    write_lora(tmp_path / "plain", BertLike(), seed=2)
    result = adapter_matrix([tmp_path], "value")
    np.testing.assert_array_equal(result.ranks, [[2, 5, 4], [4, 4, 4]])
    one, other = (load_adapter(tmp_path / name) for name in ("mixed", "plain"))
    for position, i in enumerate((2, 5, 4)):
        factors = [a.modules["value"] for a in (one, other)]
        u, v = (
            np.linalg.qr(f.b[position, :, :r].double().numpy())[0]
            for f, r in zip(factors, (i, 4), strict=True)
        )
        expected = (np.linalg.norm(u.T @ v) ** 2) / min(i, 4)
        assert result.by_layer[position, 0, 1] == pytest.approx(expected, abs=1e-12)
    moments = [gaussian_baseline(24, i, 4) for i in (2, 5, 4)]
    assert result.gaussian_mean[0, 1] == pytest.approx(np.mean([m.mean for m in moments]))
    assert result.gaussian_sd[0, 1] == pytest.approx(math.sqrt(sum(m.sd**2 for m in moments)) / 3)
    assert result.dimension(0) == "2–5"


def test_common_layers_only_and_said_so(folder: Path) -> None:
    write_lora(folder / "short", BertLike(layers=2), seed=9)
    result = adapter_matrix([folder], "value")
    assert result.layers == (0, 1)
    assert (
        "only layers 0, 1 are compared; seed-0, seed-1, seed-2 and seed-3 have more" in result.notes
    )


def test_float32_is_near_float64(folder: Path) -> None:
    exact = adapter_matrix([folder], "value")
    np.testing.assert_allclose(
        adapter_matrix([folder], "value", dtype="float32").values, exact.values, atol=1e-6
    )


def test_a_matrix_of_untrained_adapters_exists_for_a_alone(tmp_path: Path) -> None:
    for k in range(2):
        shape = BertLike()
        write_lora(tmp_path / f"s{k}", shape, seed=k)
        write_tensors(
            tmp_path / f"s{k}",
            {n: 0 * t if "lora_B" in n else t for n, t in shape.adapter.items()},
        )
    assert np.isfinite(adapter_matrix([tmp_path], "value", matrix="A").values).all()
    for matrix in ("B", "delta"):
        with pytest.raises(
            RankError, match=r"s0 \(layer 0\) and s1 \(layer 0\): a factor or its scaling is zero"
        ):
            adapter_matrix([tmp_path], "value", matrix=matrix)


def test_a_dora_at_its_start_has_no_delta(tmp_path: Path) -> None:
    shape = BertLike(layers=1, modules=("value",))
    path = shape.path(0, "value")
    w0 = random(24, 24, seed=7)
    base = write_base(tmp_path / "base", shape, {f"{path}.weight": w0})
    name = f"base_model.model.bert.{path}"
    start = {
        f"{name}.lora_A.weight": random(4, 24, seed=1),
        f"{name}.lora_B.weight": torch.zeros(24, 4),
        f"{name}.lora_magnitude_vector.weight": w0.norm(dim=1),
    }
    dora, none = {"use_dora": True}, BertLike(layers=0)
    for k in range(2):
        write_lora(tmp_path / f"s{k}", none, base=str(base), config=dora, extra=start)
    with pytest.raises(RankError, match=r"s0 \(layer 0\) and s1 \(layer 0\)"):
        adapter_matrix([tmp_path / "s0", tmp_path / "s1"], "value")


def test_a_scaling_of_zero_leaves_no_delta(tmp_path: Path) -> None:
    for k in range(2):
        write_lora(tmp_path / f"s{k}", BertLike(), seed=k, config={"lora_alpha": 0 if k else 8})
    assert np.isfinite(adapter_matrix([tmp_path], "value", matrix="B").values).all()
    with pytest.raises(RankError, match=r"s1 \(layer 0\): a factor or its scaling is zero"):
        adapter_matrix([tmp_path], "value")


def test_errors_name_the_adapters(folder: Path, tmp_path: Path) -> None:
    write_lora(folder / "zz-query", BertLike(modules=("query",)))
    with pytest.raises(ModuleLookupError, match=r"^zz-query: no module 'value'.*it has: query"):
        adapter_matrix([folder], "value")
    wide = [folder / "seed-0", folder / "seed-1", write_lora(tmp_path / "w", BertLike(width=32))]
    with pytest.raises(AdapterError, match="24 in and 24 out in all/seed-0 and all/seed-1; 32 in"):
        adapter_matrix(wide, "value")
    with pytest.raises(RankError, match="asked for 4 singular vectors.*seed-3 has rank 3"):
        adapter_matrix([folder / f"seed-{k}" for k in range(4)], "value", 4)
    with pytest.raises(RankError, match="at least 1"):
        adapter_matrix([folder / "seed-0", folder / "seed-1"], "value", 0)
    one = load_adapter(folder / "seed-0")
    for given in ([folder / "seed-0"], [folder / "seed-0", folder / "seed-0"], [one, one], []):
        with pytest.raises(AdapterError, match="at least two"):
            adapter_matrix(given, "value")
    two = [folder / "seed-0", folder / "seed-1"]
    for matrix, side in (("A", "left"), ("B", "right")):
        with pytest.raises(LensError, match=r"live in R\^rank"):
            adapter_matrix(two, "value", matrix=matrix, side=side)
    with pytest.raises(LensError, match="expected 'A', 'B' or 'delta'"):
        space_named("C", None)
    with pytest.raises(LensError, match="expected 1 to"):
        adapter_matrix(two, "value", clusters=3)


def test_no_common_layer(tmp_path: Path) -> None:
    one, other = BertLike(layers=1, modules=("value",)), BertLike(layers=2, modules=("value",))
    write_lora(tmp_path / "one", one)
    write_lora(tmp_path / "other", other)
    write_tensors(tmp_path / "other", {n: t for n, t in other.adapter.items() if "layer.1." in n})
    with pytest.raises(
        AdapterError, match="no layer has value in all 2 adapters: layers 0 in one; 1 in other"
    ):
        adapter_matrix([tmp_path], "value")


def test_adapters_in_memory_and_other_bases(folder: Path) -> None:
    write_config(folder / "seed-0", base="model-x", r=4)
    write_config(folder / "seed-1", base="model-y", r=4)
    loaded = [load_adapter(folder / f"seed-{k}") for k in range(2)]
    result = adapter_matrix(loaded, "value")
    assert result.names == ("seed-0", "seed-1")
    assert any("model-x, model-y" in note for note in result.notes)
    np.testing.assert_array_equal(
        result.values, adapter_matrix([folder / "seed-0", folder / "seed-1"], "value").values
    )


def test_forms(folder: Path) -> None:
    result = adapter_matrix([folder], "value")
    frame = result.to_frame()
    assert result.rows() == frame.to_dict("records")
    assert len(frame) == 6
    row = frame[(frame.one == "seed-1") & (frame.other == "seed-3")].iloc[0]
    assert row.phi == result.values[1, 3]
    assert (row.i, row.j, row.z) == ("4", "3", result.z[1, 3])
    assert row.phi_layer_2 == result.by_layer[2, 1, 3]
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    np.testing.assert_array_equal(found["phi"], result.values)
    np.testing.assert_array_equal(found["by_layer"], result.by_layer)
    assert found["z"][0][0] is None
    np.testing.assert_array_equal(found["gaussian"]["mean"], result.gaussian_mean)
    alike = adapter_matrix([folder], "value", 3).to_dict()["gaussian"]
    assert alike["mean"] == pytest.approx(3 / 24)
    assert [c["mean_within"] for c in found["clusters"]] == [
        None if np.isnan(result.within(c)) else result.within(c) for c in result.members()
    ]
    assert [a["name"] for a in found["adapters"]] == list(result.names)
    assert "seed-2" in result._repr_html_()
    bare = adapter_matrix([folder], "value", per_layer=False)
    assert bare.by_layer is None
    assert bare.to_dict()["by_layer"] is None
    np.testing.assert_array_equal(bare.values, result.values)


@pytest.mark.parametrize(("rank", "by"), [(None, "excess"), (3, "phi")])
def test_the_cut_is_told_in_the_unit_of_the_means(folder: Path, rank: int | None, by: str) -> None:
    """Ranks differ, and so does chance: means within and between are in excess, and the cut was in φ alone."""
    result = adapter_matrix([folder], "value", rank, clusters=2, draws=0)
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert found["by"] == by
    compared = np.array(found["phi" if by == "phi" else "excess"], dtype=float)
    merges = [
        compared[np.ix_(one, other)].mean()
        for (one, other), inside in zip(joined(result.linkage), result.inside, strict=True)
        if inside
    ]
    assert len(merges) == 2
    assert found["cut_at"] == pytest.approx(min(merges))
    assert (found["cut_at"] == pytest.approx(found["cut_phi"])) is (by == "phi")
    for cluster in found["clusters"]:
        assert cluster["mean_within"] is None or cluster["mean_within"] >= found["cut_at"] - 1e-12
    alone = adapter_matrix([folder], "value", rank, clusters=4, draws=0).to_dict()
    assert alone["cut_at"] is None


def test_progress_ends_at_its_total(folder: Path) -> None:
    calls: list[tuple[int, int]] = []
    adapter_matrix([folder], "value", columns=4, progress=lambda *at: calls.append(at))
    assert [done for done, _ in calls] == list(range(1, len(calls) + 1))
    assert calls[-1][0] == calls[-1][1] == 4 + 3 * (4 * 5 // 2)


def test_untrained_condlora_adapters_look_alike_and_it_is_said_why(tmp_path: Path) -> None:
    """Both send θ through the same W0, so unrelated θ are above the gaussian null."""
    saved = load_file(demo_adapter("condlora") / "adapter_model.safetensors")
    for name in ("one", "other"):
        shutil.copytree(demo_adapter("condlora"), tmp_path / name)
        generator = torch.Generator().manual_seed(len(name))
        drawn = {
            key: torch.randn(value.shape, generator=generator) if "theta" in key else value
            for key, value in saved.items()
        }
        save_file(drawn, tmp_path / name / "adapter_model.safetensors")
    result = adapter_matrix([tmp_path / "one", tmp_path / "other"], "value")
    assert result.z[0, 1] > 10
    assert any("unrelated subspaces are too low a bar" in note for note in result.notes)
