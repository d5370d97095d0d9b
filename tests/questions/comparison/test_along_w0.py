"""Two adapters along the same W0's leading directions are alike with nothing learnt in common; it is said."""

from noise import noise_adapters

import lora_lens as ll

ENOUGH = "; for this it is enough that both lie along the same W0's leading singular directions"


def test_of_two_adapters_and_of_any_number() -> None:
    one, other, third = noise_adapters("leading", 3)
    compared = ll.compare(one, other, "value")
    assert {(finding.claim.null, finding.word) for finding in compared.findings} == {
        ("gaussian", "more"), ("mismatched", "more"),
    }  # fmt: skip
    assert "are more alike than unrelated subspaces would be (" in compared.summary
    assert compared.summary.endswith(f"{ENOUGH}.")
    grids = ll.rank_grids(one, other, "value")
    assert {finding.word for finding in grids.findings} == {"more"}
    assert grids.summary.endswith(f"{ENOUGH}.")
    matrix = ll.adapter_matrix([one, other, third], "value")
    assert "3 of 3 pairs" in matrix.summary
    assert f"{ENOUGH}; " in matrix.summary


def test_it_is_not_said_where_nothing_is_found() -> None:
    one, other = noise_adapters("uniform", 2)
    compared, grids = ll.compare(one, other, "value"), ll.rank_grids(one, other, "value")
    assert {finding.word for finding in (*compared.findings, *grids.findings)} == {"not seen"}
    assert "leading singular directions" not in compared.summary + grids.summary
