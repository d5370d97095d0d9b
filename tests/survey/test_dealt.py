"""How adapters are dealt into halves: by their numbers alone, with little scatter left, and a level that is kept."""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from made_runs import write_adapter
from pandas.testing import assert_frame_equal

import lora_lens as ll
from lora_lens.core.factors.balanced import balanced
from lora_lens.survey.questions.folds import FOLDS, HALVINGS, Dealt, even_halvings, fold_of, met
from lora_lens.survey.questions.pair_block import PairBlock
from lora_lens.survey.questions.pairs import Given, Thetas
from lora_lens.survey.questions.question import Facts, One
from lora_lens.survey.questions.spool import TensorSpool
from lora_lens.survey.questions.subspace import Subspace
from lora_lens.survey.questions.sums import Sums
from lora_lens.survey.questions.whole_sums import WholeSums
from lora_lens.survey.result import SurveyResult
from lora_lens.survey.settings import Settings

ASKED = ["pairs", "subspace"]
KEYS = ["module", "layer", "side", "directions", "k"]
SETTINGS = Settings(
    questions=("subspace",), rank=None, convention="auto", k=4, draws=1, seed=0, dtype="float64"
)


def test_any_two_folds_are_apart_in_four_of_seven_halvings() -> None:
    for one in range(FOLDS):
        for other in range(one):
            assert sum((one in half) != (other in half) for half, _ in HALVINGS) == 4
    assert all(len(half) == 4 for halving in HALVINGS for half in halving)
    assert met([1] * 8, HALVINGS) == pytest.approx(8 / 7)
    assert met([1] * 8, HALVINGS[:1]) == 2  # as of two halves that know of each other alone


def test_halves_of_few_are_passed_over() -> None:
    assert even_halvings([9, 1, 1, 1, 0, 0, 0, 0]) == ()
    assert even_halvings([0] * 8) == ()
    some = even_halvings([2, 2, 2, 2, 0, 0, 0, 0])
    assert 0 < len(some) < len(HALVINGS)


def test_folds_are_as_large_as_chance_has_them() -> None:
    counts = np.bincount([fold_of(f"{k:x}", 0) for k in range(4000)], minlength=FOLDS)
    assert ((counts - 500) ** 2 / 500).sum() < 24.3  # χ² of 7, p .001


def of_ranks(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Of rank 2 or 4, as many of either; some of one start, and one without B."""
    rng = np.random.default_rng([12, k])
    rank = 2 + 2 * (k % 2)
    a, b = rng.standard_normal((2, rank, 24))
    if k < 6:
        a += np.random.default_rng(5).standard_normal((4, 24))[:rank]
    return a, b.T * (k != 13)


def survey_of(folder: Path, order: list[int]) -> SurveyResult:
    for position, k in enumerate(order):
        rank = 2 + 2 * (k % 2)
        path = folder / "runs" / f"{position:02d}"
        made = of_ranks(k)
        write_adapter(path, lambda *_, made=made: made, rank=rank, modules=["query"])
    return ll.survey(folder / "runs", folder / "out", questions=ASKED, k=6)


def test_names_and_order_change_no_number(tmp_path: Path) -> None:
    """Folds went by position: z of one set was 1.1 to 4.1 under four orders of its names."""
    orders = [
        list(range(14)),
        list(range(14))[::-1],
        *(np.random.default_rng(seed).permutation(14).tolist() for seed in range(2)),
    ]
    found = [survey_of(tmp_path / f"{at}", order) for at, order in enumerate(orders)]
    pairs = []
    for result, order in zip(found, orders, strict=True):
        table = result.table("pairs")
        both = [[order[int(name)] for name in table[side]] for side in ("one", "other")]
        table["one"], table["other"] = np.sort(both, axis=0)
        pairs.append(table.sort_values(["matrix", "one", "other"], ignore_index=True))
    assert found[0].table("subspace")["deal_sd"].notna().any()
    assert pairs[0]["mean_adapter_z"].notna().any()
    for result, table in zip(found[1:], pairs[1:], strict=True):
        assert_frame_equal(result.table("subspace"), found[0].table("subspace"), atol=1e-9)
        assert_frame_equal(
            table, pairs[0], rtol=1e-5, atol=1e-6, check_categorical=False
        )  # φ in float32
        assert result.summary == found[0].summary
        shares, first = (
            [str(one) for one in some.tables if "ΔW that k" in one.title]
            for some in (result, found[0])
        )
        assert shares == first


def test_one_more_deals_no_other_anew(tmp_path: Path) -> None:
    """One without B has no share: all others' were other numbers for it."""
    for k in range(12):
        write_adapter(tmp_path / "runs" / f"{k}", seed=k, modules=["query"])
    before = ll.survey(tmp_path / "runs", tmp_path / "before", questions=["subspace"], k=4)
    none = np.ones((3, 24)), np.zeros((24, 3))
    write_adapter(tmp_path / "runs" / "0a", lambda *_: none, modules=["query"])
    after = ll.survey(tmp_path / "runs", tmp_path / "after", questions=["subspace"], k=4)
    one, other = (
        result.table("subspace").query("directions != 'start'").reset_index(drop=True)
        for result in (before, after)
    )
    assert_frame_equal(one, other, atol=1e-9)


def test_another_deal_gives_nearly_the_same_share(tmp_path: Path) -> None:
    """By one way to halve them the deviation was that of chance."""
    for k in range(20):
        write_adapter(tmp_path / "runs" / f"{k}", seed=k, modules=["query"])
    found = []
    for seed in range(8):
        result = ll.survey(
            tmp_path / "runs", tmp_path / f"{seed}", questions=["subspace"], k=4, seed=seed
        )
        table = result.table("subspace").set_index(KEYS)
        found.append(table[table.index.isin(["shared", "mean adapter"], level="directions")])
    scatter = np.std([one["left_out"] for one in found], axis=0, ddof=1)
    chance = np.mean([one["chance_sd"] for one in found], axis=0)
    told = np.sqrt(np.mean([one["deal_sd"] ** 2 for one in found], axis=0))
    assert scatter.max() > 0
    assert np.sqrt(np.mean((scatter / chance) ** 2)) < 0.4
    assert np.sqrt(np.mean(scatter**2)) == pytest.approx(np.sqrt(np.mean(told**2)), rel=0.4)


def test_copies_make_nothing_surer(tmp_path: Path) -> None:
    """Each adapter three times under other names: shares, their chance and z are those of one of each."""
    rows = []
    for times in (1, 3):
        for k in range(10 * times):
            write_adapter(tmp_path / f"of{times}" / f"{k}", seed=k % 10, modules=["query"])
        result = ll.survey(
            tmp_path / f"of{times}", tmp_path / f"out{times}", questions=["subspace"], k=4
        )
        rows.append(
            result.table("subspace").set_index(KEYS).drop("random adapters", level="directions")
        )
    one, thrice = rows
    for column in ("left_out", "deal_sd", "chance_sd", "z"):
        np.testing.assert_allclose(thrice[column], one[column], rtol=1e-6, err_msg=column)


def test_a_pair_is_beside_what_neither_helped_to_make() -> None:
    """Second route: for each pair one known span, that of the folds which neither is in."""
    own, d, spools = [0, 3, 1, 3, 7, 0], 12, ExitStack()
    facts = Facts(SETTINGS, len(own), d, d, lambda *of: spools.enter_context(TensorSpool(*of)))
    bases = np.linalg.qr(np.random.default_rng(0).standard_normal((len(own), d, 2)))[0]
    rows = torch.from_numpy(bases).mT

    def span(folds: Sequence[int]) -> torch.Tensor:
        found = np.linalg.qr(np.random.default_rng(folds).standard_normal((d, 3)))[0]
        return torch.from_numpy(found)

    def given(theta: Thetas, folds: int, own: list[int]) -> Given:
        made = Given(facts, "A", theta, folds, own)
        made.fill(lambda which: rows[which.start : which.stop].flatten(0, 1), [2] * len(own))
        return made

    every = range(len(own))
    dealt = given(span, FOLDS, own)
    found = dealt.moments(PairBlock(every, every, {}))
    apart = dealt.moments(PairBlock(every[:2], every[2:], {}))
    for m, n in combinations(every, 2):
        known = span([fold for fold in range(FOLDS) if fold not in (own[m], own[n])])
        fixed = given(lambda _, known=known: known, 1, [0] * len(own))  # type: ignore[misc]
        for one, other in zip(found, fixed.moments(PairBlock(every, every, {})), strict=True):
            assert one[[m, n], [n, m]].tolist() == pytest.approx([float(other[m, n])] * 2)
        if m < 2 <= n:
            for one, other in zip(apart, found, strict=True):
                assert float(one[m, n - 2]) == pytest.approx(float(other[m, n]))
    spools.close()


def test_an_a_of_zeros_is_no_part_of_a_mean_a() -> None:
    sums = WholeSums(Dealt([0], [1]), 24, 24, 2, most=4, energies=False)
    a, b = torch.zeros(2, 24), torch.ones(24, 2)
    (delta,) = balanced(a[None].double(), b[None].double(), torch.ones(1, dtype=torch.float64))
    sums.see([One(0, 2, 1.0, a, b, delta)])
    assert not sums.a.any()
    assert not sums.has_start([0])


def unrelated(rng: np.random.Generator, count: int, d: int, rank: int) -> Sums:
    """Sums of adapters of Gaussian factors, dealt as any are."""
    sums = WholeSums(
        Dealt(rng.integers(0, FOLDS, count).tolist(), [1] * count),
        d,
        d,
        rank,
        most=4,
        energies=True,
    )
    a, b = (torch.from_numpy(x) for x in rng.standard_normal((2, count, rank, d)))
    deltas = balanced(a, b.mT, torch.ones(count, dtype=torch.float64))
    sums.see([One(k, rank, 1.0, a[k], b[k].mT, delta) for k, delta in enumerate(deltas)])
    return sums


@pytest.mark.parametrize(("count", "d", "rank"), [(8, 24, 2), (24, 32, 1)])
def test_shares_of_unrelated_adapters_are_rarely_beyond_chance(
    count: int, d: int, rank: int
) -> None:
    rng, sets = np.random.default_rng(count), 40
    facts = Facts(SETTINGS, count, d, d, lambda *_: pytest.fail("no bases are kept"))
    z: dict[str, list[np.ndarray]] = {"shared": [], "mean adapter": []}
    for _ in range(sets):
        sums = unrelated(rng, count, d, rank)
        if not sums.enough:
            continue
        for _, row in Subspace(facts, sums, 0).seen({}):
            if row["quantity"] in z:
                z[row["quantity"]].append(row["z"][:rank])  # k that every half has
    for values in z.values():
        found = np.array(values)  # of both sides
        found = found[~np.isnan(found).any(1)]
        assert len(found) > 1.8 * sets
        assert (found > 1.645).mean(0).max() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(found))
        assert np.all(np.abs(found.mean(0)) < 4 / np.sqrt(len(found)))
        assert np.all(found.std(0) > 0.5)
        assert np.all(found.std(0) < 1.1)
