"""How often the only verdict of a survey errs where adapters have nothing in common."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_runs import MODULES, RANK, WIDTH, path_of, write_adapter

import lora_lens as ll
from lora_lens.core.many_adapters.robust import least_far_z, robust_distances
from lora_lens.survey.questions.outlying import evened, nearer
from lora_lens.survey.table import read_rows

Factors = tuple[np.ndarray, np.ndarray]


def effective_ranks(rng: np.random.Generator, n: int, r: int, d: int) -> np.ndarray:
    """Of n products of Gaussian factors."""
    a, b = rng.standard_normal((2, n, d, r))
    s = np.linalg.svd(np.linalg.qr(b)[1] @ np.linalg.qr(a)[1].transpose(0, 2, 1), compute_uv=False)
    p = s / s.sum(1, keepdims=True)
    return np.exp(-(p * np.log(p)).sum(1))


@pytest.mark.parametrize("r", [2, 4, 8])
def test_effective_ranks_of_unrelated_adapters_are_rarely_called_far(r: int) -> None:
    """As they are, every second to every twelfth sample would have one."""
    rng, samples, n = np.random.default_rng(r), 300, 60
    found = {"as they are": 0, "evened": 0}
    for _ in range(samples):
        ranks = effective_ranks(rng, n, r, 64)
        found["as they are"] += robust_distances(ranks).p.min() * n <= 0.05
        found["evened"] += robust_distances(evened(ranks, r)).p.min() * n <= 0.05
    assert found["evened"] <= samples * 0.05 + 3 * np.sqrt(samples * 0.05)
    assert found["as they are"] > samples * 0.05 + 2 * np.sqrt(samples * 0.05)


@pytest.mark.parametrize(("r", "common"), [(1, 0.0), (1, 0.3), (2, 0.5)])
def test_adapters_of_one_law_are_rarely_called_far_for_their_phi(r: int, common: float) -> None:
    """Of rank 1 φ leans to the right, and its root to the left where all have as much of one start: neither alone does."""
    rng, samples, n, d, places = np.random.default_rng(r), 40, 60, 64, 24
    found = dict.fromkeys(("as it is", "its root", "nearer"), 0)
    for _ in range(samples):
        least = dict.fromkeys(found, 1.0)
        for _ in range(places):
            start, own = rng.standard_normal((d, r)), rng.standard_normal((n, d, r))
            drawn = np.linalg.qr(common**0.5 * start + (1 - common) ** 0.5 * own)[0]
            basis = drawn.transpose(0, 2, 1).reshape(-1, d)
            phi = np.square(basis @ basis.T).reshape(n, r, n, r).sum((1, 3)) / r
            mean = (phi.sum(1) - 1) / (n - 1)
            both = robust_distances(mean), robust_distances(np.cbrt(mean))
            for name, distances in zip(found, (*both, nearer(*both)), strict=True):
                least[name] = min(least[name], float(distances.p.min()))
        for name, p in least.items():
            found[name] += p * n * places <= 0.05
    assert found["nearer"] <= samples * 0.05 + 3 * np.sqrt(samples * 0.05)
    assert common or r > 1 or found["as it is"] > found["nearer"]
    assert not common or found["its root"] > found["nearer"]


def test_a_factor_that_is_the_whole_space_hides_nothing_of_the_other(tmp_path: Path) -> None:
    """φ of A is 1 for all where its rank is W0's width, and tells nothing; B's was lost with it."""

    def factors(seed: int, layer: int, _: str) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, layer])
        return rng.standard_normal((4, 4)), rng.standard_normal((48, 4))

    for k in range(9):
        write_adapter(tmp_path / "runs" / f"{k}", factors, seed=k, rank=4)
    far = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying"]).table("outlying")
    assert (far["quantity"] == "phi B").sum() == 9 * 5  # four places, and all of them
    assert far[far["quantity"] == "phi B"]["z"].notna().all()
    assert not (far["quantity"] == "phi A").any()


def test_phi_is_held_against_others_by_itself_and_its_root(tmp_path: Path) -> None:
    for k in range(9):
        write_adapter(tmp_path / "runs" / f"{k}", seed=k, rank=1, width=64)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying", "pairs"])
    far = result.table("outlying")
    own = far[(far["quantity"] == "phi B") & (far["module"] == "query") & (far["layer"] == 0)]
    file = tmp_path / "out" / result.place_files["query", 0]
    pairs = read_rows(file, "pairs", ["one", "other", "phi"], matrix="B").to_pandas()
    mean = [pairs[(pairs[["one", "other"]] == k).any(axis=1)]["phi"].mean() for k in range(9)]
    root = robust_distances(np.cbrt(np.array(mean)))
    expected = nearer(robust_distances(np.array(mean)), root)
    np.testing.assert_allclose(own["z"], expected.z, atol=1e-4)  # of φ in float32
    assert own["value"].mean() == pytest.approx(0, abs=0.5)


def test_an_adapter_with_few_places_is_not_far_for_that(tmp_path: Path) -> None:
    """Its mean over them varies more."""

    modules = [f"m{k}" for k in range(12)]
    for k in range(30):
        own = modules[:1] if k < 4 else modules
        write_adapter(tmp_path / "runs" / f"{k}", seed=k, modules=own)
    far = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying"]).table("outlying")
    of_all = far[far["module"].isna()]
    assert len(of_all) == 4 * 30
    assert of_all["p_holm"].min() > 0.05
    few = of_all[of_all["adapter"].isin([str(k) for k in range(4)])]
    assert np.mean(few["z"] ** 2) < 4  # of 2 places beside means over 24, as they are, 12


def test_ranks_are_compared_among_adapters_of_one_rank(tmp_path: Path) -> None:
    """Beside others of its own effective rank one of four times the rank was far for what is missing to the rank."""

    def of(s: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        a, b = np.random.default_rng(seed).standard_normal((2, 64, len(s)))
        return np.linalg.qr(a)[0].T, np.linalg.qr(b)[0] * s

    rng = np.random.default_rng(0)
    for k in range(12):
        own = of(np.linspace(1, 0.6, 8) * np.exp(0.1 * rng.standard_normal(8)), k)
        write_adapter(tmp_path / "runs" / f"{k}", lambda *_, own=own: own, rank=8, width=64)
    wide = of(np.append(np.linspace(1, 0.6, 8), np.full(24, 1e-5)), 99)
    write_adapter(tmp_path / "runs" / "wide", lambda *_: wide, rank=32, width=64)
    few = of(np.append([1.0, 0.9], np.full(6, 1e-9)), 98)
    write_adapter(tmp_path / "runs" / "few", lambda *_: few, rank=8, width=64)
    found = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying"])
    ranks = found.table("outlying").query("quantity == 'effective rank'")
    assert ranks[ranks["adapter"] == "wide"]["z"].isna().all()
    assert set(ranks[ranks["p_holm"] <= 0.05]["adapter"]) == {"few"}


@pytest.mark.parametrize("norm", [None, 1.0])  # of which the logarithm is 0
def test_gauges_of_one_adapter_are_not_far_from_each_other(
    tmp_path: Path, norm: float | None
) -> None:
    """What sets them apart is float32's rounding."""
    rng = np.random.default_rng(3 if norm is None else 2)
    a, b = rng.standard_normal((RANK, WIDTH)), rng.standard_normal((WIDTH, RANK))
    if norm is not None:
        b *= norm / (2 * np.linalg.norm(b @ a))  # α/r is 2
    turns = [rng.standard_normal((RANK, RANK)) + 3 * np.eye(RANK) for _ in range(14)]
    for k, turn in enumerate(turns):
        made = (turn @ a, b @ np.linalg.inv(turn))
        write_adapter(tmp_path / "runs" / f"{k}", lambda *_, made=made: made, seed=k)
    result = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying"])
    assert "far from the others" not in result.summary


def test_too_small_a_norm_is_no_error(tmp_path: Path) -> None:
    for k in range(6):
        write_adapter(tmp_path / "runs" / f"{k}", seed=k)
    tiny = (np.full((RANK, WIDTH), 1e-30), np.full((WIDTH, RANK), 1e-30))
    write_adapter(tmp_path / "runs" / "tiny", lambda *_: tiny, seed=9)
    assert ll.survey(tmp_path / "runs", tmp_path / "out").adapters == 7


def along_one_w0(seed: int, k: int, rank: int, layer: int, module: str, *, own: bool) -> Factors:
    """A = θ′W0 and B = W0θ of norm 1, or of no W0; every adapter has θ of its own."""
    of_place = np.random.default_rng([seed, layer, len(module)])
    u, v = (np.linalg.qr(of_place.standard_normal((48, 48)))[0] for _ in range(2))
    w0 = np.eye(48) if own else u * np.geomspace(1, 1e-3, 48) @ v
    rng = np.random.default_rng([seed, layer, len(module), k])
    a, b = rng.standard_normal((rank, 48)) @ w0, w0 @ rng.standard_normal((48, rank))
    return a, b / np.linalg.norm(b @ a)


def write_ranks(folder: Path, seed: int, ranks: list[tuple[int, int]], own: int | None) -> None:
    """Adapters with a rank a layer."""
    for k, by_layer in enumerate(ranks):

        def factors(_: int, layer: int, module: str, k: int = k, by_layer: tuple[int, int] = by_layer) -> Factors:  # fmt: skip
            return along_one_w0(seed, k, by_layer[layer], layer, module, own=k == own)

        path = write_adapter(folder / f"{k}", factors, rank=by_layer[0], width=48)
        config = json.loads((path / "adapter_config.json").read_text())
        config["rank_pattern"] = {path_of(1, module): by_layer[1] for module in MODULES}
        (path / "adapter_config.json").write_text(json.dumps(config))


def test_an_adapter_is_not_far_for_its_rank(tmp_path: Path) -> None:
    """A likeness that all have is another z at another rank: beside all others those of rank 4 were far, of each seed."""
    named = {"nothing": 0, "one": 0}
    for seed in range(3):
        for own in (None, 3):
            folder = tmp_path / f"{seed}-{own}"
            write_ranks(folder / "runs", seed, [(12, 12)] * 24 + [(4, 4)] * 6, own)
            found = ll.survey(folder / "runs", folder / "out", questions=["outlying"])
            far = found.table("outlying").query("p_holm <= 0.05")
            named["nothing"] += own is None and len(far) > 0
            if own is not None:
                named["one"] += {"phi A", "phi B"} <= set(far["quantity"])
                assert set(far["adapter"]) <= {"3"}
    assert named == {"nothing": 0, "one": 3}


def test_a_copy_of_none_is_far_among_its_rank(tmp_path: Path) -> None:
    """All others have nearly one A, whatever their rank."""
    shared = np.random.default_rng(0).standard_normal((8, 48))

    def factors(seed: int, layer: int, module: str) -> Factors:
        rng = np.random.default_rng([seed, layer, len(module)])
        rank = 8 if seed < 20 else 4
        a = rng.standard_normal((rank, 48))
        a = a if seed == 7 else shared[:rank] + 0.3 * a
        b = rng.standard_normal((48, rank))
        return a, b / np.linalg.norm(b @ a)

    for k in range(26):
        write_adapter(
            tmp_path / "runs" / f"{k}", factors, seed=k, rank=8 if k < 20 else 4, width=48
        )
    far = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying"]).table("outlying")
    far = far[far["p_holm"] <= 0.05]
    assert set(far["adapter"]) == {"7"}
    assert set(far["quantity"]) == {"phi A"}
    assert set(far["rank"]) == {8.0}


@pytest.mark.parametrize("wide", [3, 16])
def test_a_family_below_the_chance_of_larger_ranks_is_found(tmp_path: Path, wide: int) -> None:
    """Pairs of rank 16 have φ of 1/3 by chance; by φ alone they were joined first, and the tree cut there."""
    shared = np.random.default_rng(0).standard_normal((3, 48))

    def factors(seed: int, layer: int, module: str) -> Factors:
        rng = np.random.default_rng([seed, layer, len(module)])
        rank = 3 if seed < 6 else wide
        a, b = rng.standard_normal((2, rank, 48))
        return (a + shared if seed < 6 else a), b.T

    for k in range(18):
        own = 3 if k < 6 else wide
        write_adapter(tmp_path / "runs" / f"{k}", factors, seed=k, rank=own, width=48)
    found = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["pairs"])
    pairs = found.table("pairs").query("matrix == 'A'")
    family = pairs[pairs[["one", "other"]].astype(int).max(axis=1) < 6]
    assert family["gaussian_z"].min() > 4
    clusters = found.table("clusters").query("matrix == 'A'").astype({"adapter": int})
    assert clusters[clusters["adapter"] < 6]["cluster"].nunique() == 1
    assert clusters[clusters["adapter"] >= 6]["cluster"].nunique() == 12


def test_ranks_may_differ_by_place(tmp_path: Path) -> None:
    """Each number is beside those of its rank there, a mean beside those of its ranks; too few of one are left out."""
    ranks = [(4, 4)] * 12 + [(4, 8)] * 6 + [(4, 2)] * 2
    write_ranks(tmp_path / "runs", 0, ranks, None)
    found = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying"])
    table = found.table("outlying")
    phi = table[table["quantity"] == "phi B"].assign(k=lambda rows: rows["adapter"].astype(int))
    for layer, expected in ((0, [20] * 20), (1, [12] * 12 + [6] * 6 + [2] * 2)):
        some = phi[phi["layer"] == layer].groupby("k")["among"]
        assert some.min().tolist() == some.max().tolist() == expected
    assert phi[(phi["layer"] == 1) & (phi["k"] >= 18)]["p"].isna().all()
    assert phi[(phi["layer"] == 1) & (phi["k"] < 18)]["p"].notna().all()
    means = phi[phi["module"].isna()].sort_values("k")
    # The last two have layer 0 alone, which all have at one rank.
    assert means["among"].tolist() == [12] * 12 + [6] * 6 + [20] * 2
    assert means["p"].notna().all()
    assert found.to_dict()["outlying_seen"]["by_norm_alone"] == 2
    assert any(note.startswith("2 adapters are compared by the norm alone") for note in found.notes)


def test_of_heavier_tails_more_are_far_and_a_note_says_so(tmp_path: Path) -> None:
    """One column of W0 is 40 times the others, and all adapters are by one law."""
    rng = np.random.default_rng(0)
    w0 = rng.standard_normal((WIDTH, WIDTH)) * np.append(40, np.ones(WIDTH - 1))
    for k in range(30):
        a, b = rng.standard_normal((1, WIDTH)), w0 @ rng.standard_normal((WIDTH, 1))
        write_adapter(tmp_path / "runs" / f"{k}", lambda *_, m=(a, b): m, rank=1)
    found = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying"])
    assert {row["quantity"] for row in found.to_dict()["outlying"]} == {"phi B"}
    assert any("heavier tails" in note for note in found.notes)
    assert found.notes == tuple(found.to_dict()["notes"])


@pytest.mark.parametrize(("adapters", "times"), [(6, 1000), (12, 1000), (12, 1)])
def test_no_adapter_far_stands_with_what_would_have_been(
    tmp_path: Path, adapters: int, times: float
) -> None:
    for k in range(adapters):
        rng = np.random.default_rng([k, 1])
        a, b = rng.standard_normal((2, 2, RANK, WIDTH))
        scale = np.exp(0.3 * rng.standard_normal()) * (times if k == 0 else 1)
        made = (a[0], scale * b[0].T)
        write_adapter(tmp_path / "runs" / f"{k}", lambda *_, made=made: made)
    found = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying"])
    table, seen = found.table("outlying"), found.to_dict()["outlying_seen"]
    assert seen["level"] == 0.05
    assert seen["comparisons"] == table["p"].notna().sum() == adapters * 4 * 5
    (least,) = seen["least_z"]
    assert least["among"] == adapters
    assert least["comparisons"] == seen["comparisons"]
    assert f"robust z under {least['z']:.1f} among {adapters} would go unseen." in found.summary
    farthest = table.loc[table["p"].idxmin()]
    assert (farthest["p_holm"] <= 0.05) == (abs(farthest["z"]) >= least["z"])
    assert ("No adapter is far" in found.summary) == (adapters == 6 or times == 1)
    enough = seen["enough"]["adapters"]
    assert least_far_z(enough, enough * 20, 0.05) <= 10 < least_far_z(enough - 1, enough * 20 - 20, 0.05)  # fmt: skip
    assert any(f"{enough} adapters are enough" in note for note in found.notes) == (adapters == 6)


def test_fewer_than_five_adapters_are_too_few(tmp_path: Path) -> None:
    for k in range(4):
        write_adapter(tmp_path / "runs" / f"{k}", seed=k)
    found = ll.survey(tmp_path / "runs", tmp_path / "out", questions=["outlying"])
    seen = found.to_dict()["outlying_seen"]
    assert seen["least_z"] == []
    enough = seen["enough"]["adapters"]
    assert "There are too few adapters to call any far." in found.sentences
    assert any(f"{enough} adapters are enough" in note for note in found.notes)
    assert least_far_z(enough, enough * 20, 0.05) <= 10 < least_far_z(enough - 1, enough * 20 - 20, 0.05)  # fmt: skip
