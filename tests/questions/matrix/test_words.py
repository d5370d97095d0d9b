"""What the sentence says of pairs that are above unrelated subspaces."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy.stats import binom

from lora_lens import (
    Adapter,
    adapter_matrix,
    demo_adapter,
    gaussian_baseline,
    load_adapter,
)
from lora_lens.chance.detectable import POWER
from lora_lens.chance.detectable_phi import detectable_deviations_of_phi
from lora_lens.questions.matrix.tables import cluster_table, legend
from lora_lens.questions.matrix.words import beside_unrelated
from lora_lens.show.wording import ENOUGH


@pytest.fixture
def twins(tmp_path: Path) -> list[Path]:
    return [
        Path(shutil.copytree(demo_adapter("lora"), tmp_path / name)) for name in ("one", "other")
    ]


def test_what_lies_along_w0_is_not_for_that_the_same_subspace(twins: list[Path]) -> None:
    same = adapter_matrix(twins, "query", draws=200)
    assert same.summary.endswith(
        "the closest one and other: φ = 1 of 1: the same subspace, far above chance."
    )
    assert ENOUGH not in same.summary


def test_of_pairs_below_one_it_is_said_what_is_enough(twins: list[Path]) -> None:
    three = adapter_matrix([*twins, Path(demo_adapter("condlora"))], "query", matrix="B", draws=200)
    assert "3 of 3 pairs have" in three.summary
    assert (
        f"the same subspace, far above chance; of a φ below 1 {ENOUGH}, and `compare`"
        in three.summary
    )
    two = adapter_matrix([twins[0], Path(demo_adapter("condlora"))], "query", matrix="B", draws=200)
    assert f"; for this {ENOUGH}, and `compare`" in two.summary


def test_a_cut_that_is_not_at_chance_is_told(twins: list[Path]) -> None:
    """Pairs 141 deviations above chance were called alone, for the tree was cut at its largest gap."""
    found = adapter_matrix([*twins, Path(demo_adapter("condlora"))], "query", matrix="B", draws=200)
    assert found.cut == found.to_dict()["cut"] == "gap"
    told = "2 clusters at the tree's largest gap (φ ≥ 1.000)"
    assert found.summary.endswith(f"; {told}, an arbitrary cut: all merges are above chance.")
    table = cluster_table(found)
    assert table.title.startswith(f"{told}, by average")
    assert [row[0] for row in table.rows][1:] == ["in none at this cut"]
    assert found.to_dict()["cut_phi"] == pytest.approx(1)
    asked = adapter_matrix(found.sources, "query", matrix="B", draws=0, clusters=3)
    assert asked.summary.endswith("3 clusters, as many as asked for.")
    assert [row[0] for row in cluster_table(asked).rows] == ["in none at this cut"]
    assert asked.to_dict()["cut_phi"] is None


def test_the_legend_says_of_which_subspaces_the_level_is(twins: list[Path]) -> None:
    """Of rows whose norms differ e-fold, three unrelated models had a pair above chance in 32 of 60 sets, before it was allowed for."""
    (told,) = legend(adapter_matrix(twins, "query", draws=20))
    assert "Where a few coordinates outweigh the rest in both adapters" in told


def test_what_is_at_chance_is_alone() -> None:
    found = adapter_matrix(unrelated(4, 0), "value", draws=200)
    assert found.cut == "chance"
    assert [row[0] for row in cluster_table(found).rows] == ["alone"]
    assert found.summary.endswith("; 4 clusters.")


def unrelated(
    count: int, seed: int, *, layers: int = 1, d: int = 64, rank: int = 1
) -> list[Adapter]:
    """Adapters of uniform B and A, in memory."""
    one = load_adapter(demo_adapter("lora"))
    value = one.modules["value"]
    generator = torch.Generator().manual_seed(seed)
    found = []
    for k in range(count):
        a, b = torch.randn(2, layers, rank, d, generator=generator, dtype=torch.float64)
        module = replace(
            value, layers=tuple(range(layers)), names=value.names[:layers], ranks=(rank,) * layers,
            scaling=value.scaling[:layers], a=a, b=b.mT.contiguous(),
        )  # fmt: skip
        found.append(replace(one, source=f"a{k}", modules={"value": module}))
    return found


def test_the_excess_that_would_have_been_seen_is_seen() -> None:
    """One line of R^64 in one layer, φ of one pair as stated and exactly: it was found in none of 100 sets."""
    seen, sets = 0, 30
    for seed in range(sets):
        adapters = unrelated(4, seed)
        chance = 1 / 64
        excess = beside_unrelated(
            adapter_matrix(adapters, "value", matrix="B", draws=249, seed=seed)
        ).verdict.detectable
        assert 0.1 < excess < 0.5
        first, second = (one.modules["value"].b[0] for one in adapters[:2])
        x = torch.linalg.qr(first)[0]
        y = torch.linalg.qr(second - x @ (x.T @ second))[0]
        phi = chance + excess
        planted = phi**0.5 * x + (1 - phi) ** 0.5 * y
        module = replace(adapters[1].modules["value"], b=planted[None])
        adapters[1] = replace(adapters[1], modules={"value": module})
        found = adapter_matrix(adapters, "value", matrix="B", draws=249, seed=seed)
        assert found.values[0, 1] == pytest.approx(phi)
        seen += found.p_bh[0, 1] <= 0.05
    assert seen >= binom.ppf(1e-3, sets, POWER)


def test_of_several_ranks_it_is_that_of_the_pair_that_takes_most() -> None:
    wide, narrow = (unrelated(2, rank, rank=rank) for rank in (8, 1))
    adapters = [replace(one, source=f"b{k}") for k, one in enumerate([*wide, *narrow])]
    excess = beside_unrelated(adapter_matrix(adapters, "value", draws=999)).verdict.detectable
    mean, sd, *_ = gaussian_baseline(64, 1, 8)  # a line beside one of rank 8
    far = detectable_deviations_of_phi((mean / sd) ** 2, 0.05 / 6, 999, tails=1)
    assert far is not None
    assert excess == pytest.approx(far * sd)
    wide_alone = beside_unrelated(adapter_matrix(wide, "value", draws=999)).verdict.detectable
    assert excess > 2 * wide_alone


def test_one_and_the_same_subspace_would_have_been_seen_in_little_room() -> None:
    result = adapter_matrix(unrelated(3, 0, d=4), "value", draws=999)
    tested = beside_unrelated(result)
    assert tested.verdict.detectable <= 1 - 1 / 4
    assert "more than there can be" not in result.summary


@pytest.mark.parametrize(
    ("count", "draws", "alone", "together"),
    [(11, 1000, 1099, "2 or more of 55"), (3, 19, 59, "all 3")],
)
def test_what_several_pairs_could_have_been_is_not_denied_for_one(
    count: int, draws: int, alone: int, together: str
) -> None:
    result = adapter_matrix(unrelated(count, 1, layers=3), "value", draws=draws)
    assert (
        f", and no pair is seen above that: {draws} draws are too few to tell one pair alone from chance ({alone} are "
        f"needed), so only {together} pairs together could be found; " in result.summary
    )
    assert result.to_dict()["beside_unrelated"]["detectable"] is None
    enough = adapter_matrix(unrelated(count, 1, layers=3), "value", draws=alone)
    assert "would have been seen in 80 of 100 cases" in enough.summary
    less = adapter_matrix(unrelated(count, 1, layers=3), "value", draws=alone - 1)
    assert "to tell one pair alone" in less.summary


def test_so_many_pairs_together_are_found_and_one_fewer_is_not() -> None:
    """Of 55 pairs by 500 draws three, whose p is the least there can be."""
    adapters = unrelated(11, 2, layers=3)
    said = adapter_matrix(adapters, "value", draws=500).summary
    assert "so only 3 or more of 55 pairs together" in said
    for same, word in ((2, "not seen"), (3, "more")):  # one pair and three
        twins = [replace(adapters[0], source=f"t{k}") for k in range(same)]
        result = adapter_matrix([*twins, *adapters[same:]], "value", draws=500)
        assert beside_unrelated(result).word == word


def test_where_nothing_could_be_found_it_says_so() -> None:
    said = adapter_matrix(unrelated(3, 1), "value", draws=9).summary
    assert (
        ", and 9 draws are too few to tell any pair from chance (59 are needed, 19 if all 3 are as far above), so "
        "nothing could be found; " in said
    )
    two = adapter_matrix(unrelated(2, 1), "value", draws=9).summary
    assert "too few to tell any pair from chance (19 are needed), so nothing" in two
