"""Two adapters along the same W0's leading directions are alike with nothing learnt in common: no verdict comes of it."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from noise import Kind, noise_adapters
from planted import plant
from shapes_once import checked_once

import lora_lens as ll
from lora_lens.chance.flips import Directions, directions

ENOUGH = "; for this it is enough that both lie along the same W0's leading singular directions"


def test_flips_have_it_and_unrelated_subspaces_have_it_not() -> None:
    one, other, third = noise_adapters("leading", 3)
    compared = ll.compare(one, other, "value")
    tests = compared["B"].tests
    assert {finding.claim.null for finding in compared.findings} == {"flipped"}
    assert {finding.word for finding in compared.findings} == {"not seen"}
    assert (
        "are no more alike than their places on W0's singular directions explain"
        in compared.summary
    )
    assert tests["gaussian"].of_mean.z > 20
    assert abs(tests["flipped"].of_mean.z) < 3
    assert compared.to_dict()["matrices"]["B"]["baselines"]["flipped"]["draws"] == 1000
    plain = ll.compare(one, other, "value", beside_w0=False)
    assert {(finding.claim.null, finding.word) for finding in plain.findings} == {
        ("gaussian", "more"), ("mismatched", "more"),
    }  # fmt: skip
    assert plain.summary.endswith(f"{ENOUGH}.")
    grids, matrix = (
        ll.rank_grids(one, other, "value"),
        ll.adapter_matrix([one, other, third], "value"),
    )
    assert grids.findings == matrix.findings == ()
    assert "this is no test (`compare` is)" in grids.summary
    assert "3 of 3 pairs" in matrix.summary
    assert f"{ENOUGH}, and `compare` tests what two share beyond it; " in matrix.summary


@pytest.fixture
def one_decomposition_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pairs have one base."""

    @cache
    def of(w: bytes, rows: int, cutoff: float) -> Directions:
        w0 = torch.frombuffer(bytearray(w), dtype=torch.float64).reshape(rows, -1)
        return directions(w0, cutoff)

    monkeypatch.setattr(
        "lora_lens.questions.comparison.nulls.directions",
        lambda w, cutoff: of(w.double().numpy().tobytes(), len(w), cutoff),
    )


@pytest.mark.usefixtures("one_decomposition_a_layer")
@pytest.mark.parametrize("kind", ["uniform", "leading"])
def test_noise_is_called_something_no_more_often_than_stated(kind: Kind) -> None:
    """60 pairs at level .05: more than 9 come up in 1 of 1,000 such tests."""
    adapters = list(noise_adapters(kind, 120, layers=3))
    said = sum(
        any(
            finding.word != "not seen" for finding in ll.compare(*pair, "value", draws=199).findings
        )
        for pair in checked_once(zip(adapters[::2], adapters[1::2], strict=True))
    )
    assert said <= 9


def test_the_base_is_asked_for_where_it_is_wanted() -> None:
    from dataclasses import replace

    one, other = noise_adapters("uniform", 2)
    lost = [replace(each, base_model="no/such-base") for each in (one, other)]
    compared = ll.compare(*lost, "value", draws=99)
    assert {finding.claim.null for finding in compared.findings} == {"gaussian", "mismatched"}
    assert any(note.startswith("W0 is left out") for note in compared.notes)
    with pytest.raises(ll.LensError, match="no/such-base"):
        ll.compare(*lost, "value", beside_w0=True)
    with pytest.raises(ll.LensError, match="do not name one base model; pass --base"):
        ll.compare(one, lost[1], "value", beside_w0=True)


def test_apart_on_w0_is_said_to_be_enough_to_be_less_alike(tmp_path: Path) -> None:
    """One within W0's leading half, one within the other: W0 gone, the sentence says that this is enough; W0 here, flips leave φ as it is."""
    rng, d, rank = np.random.default_rng(0), 24, 2
    w0 = [rng.standard_normal((d, d)) for _ in range(6)]
    svds = [np.linalg.svd(w) for w in w0]

    def within(name: str, some: slice) -> ll.Adapter:
        factors = [
            (u[:, some] @ rng.standard_normal((d // 2, rank)), rng.standard_normal((rank, d // 2)) @ vh[some])
            for u, _, vh in svds
        ]  # fmt: skip
        return plant(tmp_path / name, w0, factors)

    one, other = within("one", slice(d // 2)), within("other", slice(d // 2, d))
    apart = "; to be less alike it is enough that they lie along different singular directions of the same W0."
    assert ll.compare(one, other, draws=199, beside_w0=False).summary.endswith(apart)
    beside = ll.compare(one, other, draws=199, base=tmp_path / "one" / "base")
    assert not beside.findings
    assert beside.summary.endswith("and nothing was tested, for the draws of chance do not vary.")
