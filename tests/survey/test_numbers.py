"""A survey's numbers by other routes: the questions about one adapter or two, dense matrices, planted truth."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, write_base, write_config, write_lora, write_tensors
from made_runs import LAYERS, MODULES, RANK, WIDTH, path_of, write_adapter
from pandas.testing import assert_frame_equal
from planted import orthogonal

import lora_lens as ll
from lora_lens.survey import write
from lora_lens.survey.table import read_rows


def test_spectra_are_those_of_each_adapter(dozen: Path, tmp_path: Path) -> None:
    found = ll.survey(dozen, tmp_path / "out", questions=["spectrum"]).table("spectrum")
    assert len(found) == 12 * LAYERS * len(MODULES)
    own = ll.inspect(ll.load_adapter(dozen / "seed-7")).to_dict()["modules"]
    mine = found[found["adapter"] == "seed-7"].set_index(["module", "layer"])
    for row in own:
        at = mine.loc[(row["module"], row["layer"])]
        for name in ("frobenius_norm", "stable_rank", "effective_rank", "rank"):
            assert at[name] == pytest.approx(row[name], rel=1e-10), name


def test_pairs_are_those_of_the_matrix(dozen: Path, tmp_path: Path) -> None:
    found = ll.survey(dozen, tmp_path / "out", questions=["pairs"])
    pairs = found.table("pairs")
    assert len(pairs) == 2 * 12 * 11 // 2
    grids = {}
    for matrix in ("A", "B"):
        for module in MODULES:
            grids[matrix, module] = ll.adapter_matrix([dozen], module, matrix=matrix, draws=0)
    names = grids["A", "query"].names
    for _, row in pairs.iterrows():
        at = names.index(row["one"]), names.index(row["other"])
        expected = np.mean([grids[row["matrix"], module].values[at] for module in MODULES])
        assert row["phi"] == pytest.approx(expected, abs=1e-6)
        assert row["places"] == 4
        assert row["gaussian_mean"] == pytest.approx(RANK / WIDTH, rel=1e-6)
        sd = ll.gaussian_baseline(WIDTH, RANK).sd / 2
        assert row["gaussian_sd"] == pytest.approx(sd, rel=1e-5)
        assert row["gaussian_z"] == pytest.approx((expected - RANK / WIDTH) / sd, abs=1e-4)


def test_a_rank_below_the_adapters_takes_leading_vectors_as_compare_does(
    dozen: Path, tmp_path: Path
) -> None:
    found = ll.survey(dozen, tmp_path / "out", questions=["pairs"], rank=2).table("pairs")
    row = found[(found["one"] == "seed-3") & (found["other"] == "seed-8")].set_index("matrix")
    expected = {"A": [], "B": []}
    for module in MODULES:
        both = [ll.load_adapter(dozen / name) for name in ("seed-3", "seed-8")]
        compared = ll.compare(*both, module, 2, draws=0)
        for matrix in expected:
            expected[matrix] += compared[matrix].values.tolist()
    for matrix, values in expected.items():
        assert row.loc[matrix, "phi"] == pytest.approx(np.mean(values), abs=1e-6)


@pytest.mark.parametrize("columns", [8, 17])
def test_blocks_of_any_size_give_the_same_pairs(
    dozen: Path, tmp_path: Path, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_adapter(dozen / "wider", seed=50, rank=5)
    whole = ll.survey(dozen, tmp_path / "whole")
    plain = write.Settings
    monkeypatch.setattr(write, "Settings", lambda **given: plain(**given, columns=columns))
    blocked = ll.survey(dozen, tmp_path / "blocked")
    for name in ("pairs", "interference", "outlying", "subspace", "merges"):
        one, other = whole.table(name), blocked.table(name)
        keys = [key for key in ("matrix", "one", "other") if key in one]
        if keys:
            one, other = (
                t.astype(dict.fromkeys(keys, str)).sort_values(keys) for t in (one, other)
            )
        for column in one.select_dtypes("number"):
            np.testing.assert_allclose(one[column], other[column], rtol=2e-5, atol=1e-6)


def test_cosines_and_the_merge_are_those_of_dense_updates(dozen: Path, tmp_path: Path) -> None:
    result = ll.survey(dozen, tmp_path / "out", questions=["interference"])
    adapters = {path.name: ll.load_adapter(path) for path in sorted(dozen.iterdir())}
    dense = {
        (name, module, layer): (
            adapter.modules[module].scaling[layer]
            * adapter.modules[module].b[layer].double() @ adapter.modules[module].a[layer].double()
        ).numpy()
        for name, adapter in adapters.items() for module in MODULES for layer in range(LAYERS)
    }  # fmt: skip
    for _, row in result.table("interference").iterrows():
        cosines, variances = [], []
        for module in MODULES:
            for layer in range(LAYERS):
                one, other = (dense[row[side], module, layer] for side in ("one", "other"))
                norms = np.linalg.norm(one) * np.linalg.norm(other)
                cosines.append(np.sum(one * other) / norms)
                variances.append((np.linalg.norm(one @ other.T) / norms) ** 2 / WIDTH)
        assert row["cosine"] == pytest.approx(np.mean(cosines), abs=1e-6)
        assert row["sd"] == pytest.approx(np.sqrt(sum(variances)) / len(variances), rel=1e-6)
        assert row["z"] == pytest.approx(row["cosine"] / row["sd"], abs=1e-6)
    for _, row in result.table("merges").iterrows():
        parts = [dense[name, row["module"], row["layer"]] for name in adapters]
        energy = sum(np.square(part).sum() for part in parts)
        assert row["cross_energy"] == pytest.approx(
            np.square(sum(parts)).sum() / energy - 1, rel=1e-9
        )
        met = [
            np.linalg.norm(one @ other.T)
            for k, one in enumerate(parts) for other in parts[:k]
        ]  # fmt: skip
        sd = 2 * np.linalg.norm(met) / np.sqrt(WIDTH) / energy
        assert row["sd"] == pytest.approx(sd, rel=1e-9)
        assert row["z"] == pytest.approx(row["cross_energy"] / sd, rel=1e-9)


def test_adapters_of_which_some_share_a_start_have_z_of_unrelated_b(tmp_path: Path) -> None:
    """z of the six pairs of one A went to ±20: φ over all pairs, of which they are few, had said that none is alike."""
    rng, into, out = np.random.default_rng(8), 192, 32
    common = rng.standard_normal((3, into))
    for k in range(24):
        a = common + 0.05 * rng.standard_normal((3, into)) if k < 4 else rng.standard_normal((3, into))  # fmt: skip
        write_adapter(tmp_path / "runs" / f"{k:02}", lambda *_, a=a: (a, rng.standard_normal((out, 3))))  # fmt: skip
    table = ll.survey(tmp_path / "runs", tmp_path / "out", questions="interference").table("interference")  # fmt: skip
    alike = table["one"].astype(str).lt("04") & table["other"].astype(str).lt("04")
    assert alike.sum() == 6
    assert table["z"][alike].abs().max() < 4
    assert table["z"][~alike].std() == pytest.approx(1, abs=0.15)
    sd = 1 / np.sqrt(into * out) / np.sqrt(LAYERS * len(MODULES))
    assert (table["cosine"][alike] / sd).abs().max() > 8


def test_adapters_whose_inputs_never_meet_have_no_z(tmp_path: Path) -> None:
    """A of separate coordinates: their cosine is 0 whatever B are, and not what rounding makes of it."""
    rng = np.random.default_rng(0)
    for k in range(2):
        a, b = np.zeros((2, WIDTH)), rng.standard_normal((WIDTH, 2))
        a[:, 3 * k : 3 * k + 3] = rng.standard_normal((2, 3))
        write_adapter(tmp_path / "runs" / f"{k}", lambda *_, a=a, b=b: (a, b), rank=2)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions="interference")
    (pair,) = result.table("interference").to_dict("records")
    assert (pair["cosine"], pair["sd"]) == (0, 0)
    assert np.isnan(pair["z"])
    assert [row["z"] for row in result.to_dict()["merges"]] == [None] * 4
    assert {row["cross_energy"] for row in result.to_dict()["merges"]} == {0}


def test_one_that_changes_nothing_has_no_cosine_and_adds_nothing(tmp_path: Path) -> None:
    found = []
    for folder in (tmp_path / "4", tmp_path / "5"):
        for k in range(4):
            write_adapter(folder / f"{k}", seed=k)
        if found:
            none = np.ones((RANK, WIDTH)), np.zeros((WIDTH, RANK))
            write_adapter(folder / "none", lambda *_, made=none: made)
        found.append(ll.survey(folder, folder / "out", questions=["interference"]))
    for name in ("interference", "merges"):
        one, other = (result.table(name) for result in found)
        assert_frame_equal(one, other, check_categorical=False)


def test_conversions_are_those_of_solving_with_w0(tmp_path: Path) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    for k in range(3):
        write_lora(tmp_path / "runs" / str(k), shape, base=str(tmp_path / "base"), seed=k)
    result = ll.survey(
        tmp_path / "runs", tmp_path / "out", base=tmp_path / "base", questions=["conversions"]
    )
    pairs = result.table("pairs")
    assert sorted(set(pairs["matrix"])) == ["conversion A", "conversion B"]
    # What is rare of their φ is W0's, and mean and deviation do not tell it.
    titles = [table.title for table in result.tables if table.title.startswith("Closest")]
    assert [title.partition(" (")[2] for title in titles] == ["3 pairs)"] * 2
    expected: dict[tuple[str, str, str], list[float]] = {}
    for module in shape.modules:
        for layer in range(shape.layers):
            w0 = np.asarray(shape.base[f"{shape.path(layer, module)}.weight"], dtype=np.float64)
            bases = {}
            for k in range(3):
                factors = ll.load_adapter(tmp_path / "runs" / str(k)).modules[module]
                for matrix, x in (("A", factors.a[layer].mT), ("B", factors.b[layer])):
                    solved = np.linalg.solve(w0, x.double().numpy())
                    bases[matrix, str(k)] = np.linalg.qr(solved)[0]
            for one, other in combinations("012", 2):
                for matrix in "AB":
                    cross = bases[matrix, one].T @ bases[matrix, other]
                    expected.setdefault((matrix, one, other), []).append(np.sum(cross**2) / 4)
    for _, row in pairs.iterrows():
        values = expected[row["matrix"].removeprefix("conversion "), row["one"], row["other"]]
        assert row["phi"] == pytest.approx(np.mean(values), abs=1e-6)
        assert 0.1 < row["propagated_mean"] < 0.6
        assert abs(row["propagated_z"]) < 5  # unrelated factors through the same W0


@pytest.mark.parametrize(("out", "into"), [(24, 10), (10, 24)])
def test_conversions_of_a_rectangular_w0_are_the_least_ones(
    tmp_path: Path, out: int, into: int
) -> None:
    rng = np.random.default_rng(8)
    w0 = {path_of(layer, "value"): rng.standard_normal((out, into)) for layer in range(LAYERS)}
    tensors = {f"{path}.weight": torch.from_numpy(w) for path, w in w0.items()}
    write_base(tmp_path / "base", BertLike(), tensors)
    factors = {}

    def made(seed: int, layer: int, module: str) -> tuple[np.ndarray, np.ndarray]:
        found = rng.standard_normal((RANK, into)), rng.standard_normal((out, RANK))
        factors[seed, layer] = found
        return found

    for k in range(2):
        folder = tmp_path / "runs" / str(k)
        write_adapter(folder, made, seed=k, modules=("value",), dtype=np.float64)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", base=tmp_path / "base")
    assert "conversions" in result.to_dict()["questions"]
    pairs = result.table("pairs").set_index("matrix")
    for matrix in "AB":
        expected = []
        for layer in range(LAYERS):
            w = w0[path_of(layer, "value")]
            solved = [
                np.linalg.pinv(w.T if matrix == "A" else w)
                @ (factors[k, layer][0].T if matrix == "A" else factors[k, layer][1])
                for k in range(2)
            ]
            bases = [np.linalg.qr(x)[0] for x in solved]
            expected.append(np.sum((bases[0].T @ bases[1]) ** 2) / RANK)
        found = pairs.loc[f"conversion {matrix}", "phi"]
        assert found == pytest.approx(np.mean(expected), abs=1e-6)


def same_start(a0: np.ndarray, moved: float):
    def factors(seed: int, layer: int, module: str) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([5, seed, layer, MODULES.index(module)])
        return a0 + moved * rng.standard_normal((RANK, WIDTH)), rng.standard_normal((WIDTH, RANK))

    return factors


def test_adapters_of_one_start_are_alike_by_the_start_and_not_beyond_it(tmp_path: Path) -> None:
    a0 = np.random.default_rng(0).standard_normal((RANK, WIDTH))
    for k in range(24):
        write_adapter(tmp_path / "runs" / f"{k}", same_start(a0, 0.5), seed=k)
    start = write_adapter(tmp_path / "start", lambda *_: (a0, np.zeros((WIDTH, RANK))))
    for given in (start, None):
        result = ll.survey(
            tmp_path / "runs", tmp_path / f"out-{given is None}", questions=["pairs"], start=given
        )
        pairs = result.table("pairs")
        a, b = (pairs[pairs["matrix"] == matrix] for matrix in "AB")
        assert a["phi"].mean() > 0.5
        assert a["gaussian_z"].min() > 10
        # φ is what the start alone makes of it; estimated by a mean of A, nearly.
        assert a["start_mean"].mean() == pytest.approx(a["phi"].mean(), abs=0.01 if given else 0.05)
        assert abs(a["start_z"].mean()) < (0.5 if given else 2)
        assert b["start_mean"].isna().all()
        assert abs(b["gaussian_z"].mean()) < 0.5
        if given:
            assert a["start_z"].std() == pytest.approx(1, abs=0.25)


def test_pairs_alike_beyond_their_start_are_told(tmp_path: Path) -> None:
    a0 = np.random.default_rng(0).standard_normal((RANK, WIDTH))
    for k in range(16):
        # Two of them have moved alike.
        write_adapter(tmp_path / "runs" / f"{k}", same_start(a0, 0.8), seed=4 if k == 9 else k)
    pairs = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["pairs"]).table("pairs")
    a = pairs[pairs["matrix"] == "A"].sort_values("start_z")
    assert a.iloc[-1][["one", "other"]].tolist() == ["4", "9"]
    assert a.iloc[-1]["start_z"] > a.iloc[-2]["start_z"] + 2


def test_a_that_hardly_moved_has_no_z_made_of_rounding(tmp_path: Path) -> None:
    """φ is 1 but for what float32 tells, in which the nulls' deviations of some billionths were counted: z up to 15."""
    rng = np.random.default_rng(8)
    start = orthogonal(WIDTH, rng)[:RANK]

    def factors(*_: object) -> tuple[np.ndarray, np.ndarray]:
        a = start + 3e-5 * rng.standard_normal((RANK, WIDTH))
        return a, rng.standard_normal((WIDTH, RANK))

    for k in range(10):
        write_adapter(tmp_path / "runs" / f"{k}", factors)
    pairs = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["pairs"]).table("pairs")
    pairs = pairs.set_index("matrix")
    assert pairs.loc["A", "phi"].between(1 - 1e-6, 1).all()
    assert pairs.loc["A", "start_sd"].between(1e-12, 1e-6).all()
    assert pairs.loc["A", ["start_z", "mean_adapter_z"]].isna().all(axis=None)
    assert pairs.loc["A", "gaussian_z"].notna().all()
    assert pairs.loc["B", ["gaussian_z", "mean_adapter_z"]].notna().all(axis=None)


def test_of_more_directions_than_there_are_no_share_is_told(tmp_path: Path) -> None:
    """A half of eight adapters of rank 1 has two directions or more, not eight, and the mean of eight whose A are one has one input direction."""
    rng = np.random.default_rng(9)
    a = rng.standard_normal((1, WIDTH))
    for k in range(8):
        made = (a, rng.standard_normal((WIDTH, 1)))
        write_adapter(tmp_path / "runs" / f"{k}", lambda *_, made=made: made, rank=1)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["subspace"], k=8)
    found = result.table("subspace").query("module == 'query' and layer == 0")
    held = found.set_index(["side", "directions", "k"]).sort_index()
    left = held.loc["left", "shared"]
    assert left.loc[[1, 2], ["left_out", "z"]].notna().all(axis=None)
    assert left.loc[8, ["left_out", "z"]].isna().all()
    assert left.loc[8, "fitted"] == pytest.approx(1)
    right = held.loc["right", "shared"]
    assert right["left_out"].tolist() == pytest.approx([1] * 4)  # one holds all, and eight do
    for side in ("right", "left"):
        assert held.loc[side, "mean adapter"].index.tolist() == [1]
    assert "1 input direction shared by the others holds 1.000" in result.summary


def test_a_subspace_that_all_share_is_found_and_told_from_the_mean_adapter(tmp_path: Path) -> None:
    shared = orthogonal(WIDTH, np.random.default_rng(0))[:, :4]

    def factors(seed: int, layer: int, module: str) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([6, seed, layer, MODULES.index(module)])
        return rng.standard_normal((RANK, 4)) @ shared.T, rng.standard_normal((WIDTH, RANK))

    for k in range(40):
        write_adapter(tmp_path / "runs" / f"{k}", factors, seed=k)
    found = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["subspace"], k=4).table(
        "subspace"
    )
    right = (
        found[(found["side"] == "right") & (found["k"] == 4)]
        .groupby("directions")
        .mean(numeric_only=True)
    )
    assert right.loc["shared", ["fitted", "left_out"]].tolist() == pytest.approx([1, 1], abs=1e-6)
    assert right.loc["shared", "z"] > 20
    # No mean, as every adapter's own sign is as good as the other.
    assert right.loc["shared beside the mean", "left_out"] == pytest.approx(1, abs=1e-6)
    assert right.loc["random adapters", "left_out"] == pytest.approx(4 / WIDTH)
    left = (
        found[(found["side"] == "left") & (found["k"] == 4)]
        .groupby("directions")
        .mean(numeric_only=True)
    )
    assert abs(left.loc["shared", "left_out"] - 4 / WIDTH) < 0.03
    # Fitted directions hold as much of adapters that share nothing as of these.
    assert left.loc["shared", "fitted"] == pytest.approx(
        left.loc["random adapters", "fitted"], abs=0.03
    )


def test_families_are_clusters_and_a_far_one_is_named(tmp_path: Path) -> None:
    starts = np.random.default_rng(0).standard_normal((2, RANK, WIDTH))

    def factors(seed: int, layer: int, module: str) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([7, seed, layer, MODULES.index(module)])
        b = rng.standard_normal((WIDTH, RANK)) * (9 if seed == 5 else 1)
        return starts[seed % 2] + 0.3 * rng.standard_normal((RANK, WIDTH)), b

    for k in range(20):
        write_adapter(tmp_path / "runs" / f"{k}", factors, seed=k)
    result = ll.survey(tmp_path / "runs", tmp_path / "out")
    clusters = result.table("clusters")
    own = clusters[clusters["matrix"] == "A"].set_index("adapter")["cluster"]
    assert own.nunique() == 2
    for k in range(20):
        assert own[str(k)] == own[str(k % 2)]
    far = result.table("outlying")
    far = far[far["p_holm"] <= 0.05]
    assert set(far["adapter"]) == {"5"}
    assert set(far["quantity"]) == {"log10 norm"}
    assert far["module"].isna().sum() == 1  # and over all places
    assert "1 adapter is far from the others" in result.summary


def test_unrelated_adapters_show_nothing(dozen: Path, tmp_path: Path) -> None:
    result = ll.survey(dozen, tmp_path / "out")
    assert result.to_dict()["outlying"] == []
    pairs = result.table("pairs")
    for null in ("gaussian", "start", "mean_adapter"):
        z = pairs[f"{null}_z"].dropna()
        assert len(z) >= 66
        assert abs(z.mean()) < 0.5
        assert 0.7 < z.std() < 1.3
    subspace = result.table("subspace")
    shared = subspace[subspace["directions"] == "shared"]
    assert shared["z"].abs().max() < 4.5
    assert result.table("merges")["z"].abs().max() < 4


def test_by_place_rows_say_where_they_are_from(dozen: Path, tmp_path: Path) -> None:
    result = ll.survey(dozen, tmp_path / "out", questions=["pairs"])
    assert sorted(result.place_files) == sorted((m, l) for m in MODULES for l in range(LAYERS))
    path = tmp_path / "out" / result.place_files["value", 1]
    rows = read_rows(path, "pairs", ["module", "layer", "matrix", "phi"]).to_pandas()
    assert set(rows["module"]) == {"value"}
    assert set(rows["layer"]) == {1}
    assert len(rows) == 2 * 66


def test_float32_is_within_a_millionth(dozen: Path, tmp_path: Path) -> None:
    one = ll.survey(dozen, tmp_path / "64", questions=["pairs", "interference"])
    other = ll.survey(dozen, tmp_path / "32", questions=["pairs", "interference"], dtype="float32")
    for name, column in (("pairs", "phi"), ("interference", "cosine")):
        np.testing.assert_allclose(one.table(name)[column], other.table(name)[column], atol=1e-6)


def test_bfloat16_and_bin_files_are_read_as_they_are(tmp_path: Path) -> None:
    shape = BertLike()
    for k in range(3):
        write_lora(tmp_path / "runs" / f"plain-{k}", shape, seed=k)
        write_lora(tmp_path / "runs" / f"bin-{k}", shape, seed=k, binary=True)
        half = {name: tensor.bfloat16() for name, tensor in shape.adapter.items()}
        write_tensors(tmp_path / "runs" / f"half-{k}", half)
        write_config(tmp_path / "runs" / f"half-{k}", base=None, r=4)
    pairs = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["pairs"]).table("pairs")
    at = pairs.set_index(["matrix", "one", "other"])["phi"]
    for matrix in "AB":
        for k in range(3):
            assert at[matrix, f"bin-{k}", f"plain-{k}"] == pytest.approx(1, abs=1e-6)
            assert 0.999 < at[matrix, f"half-{k}", f"plain-{k}"] < 1
