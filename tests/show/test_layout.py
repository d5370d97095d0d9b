import math

import pytest

from lora_lens.several import counted
from lora_lens.show.layout import Table, beside, called, called_apart, number, signed, significant


def test_significant_digits_keep_their_zeros() -> None:
    assert [significant(x) for x in (0.7, 16.8566, 1234.4, 0)] == [
        "0.7000",
        "16.86",
        "1234",
        "0.000",
    ]


def test_without_zeros_a_number_is_as_short_as_it_is() -> None:
    assert [significant(x, zeros=False) for x in (0.5, 16.8566, 12344, 0)] == [
        "0.5", "16.86", "1.234e+04", "0",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_no_number_is_a_dash(value: float | None) -> None:
    assert {number(value), signed(value, 1), significant(value)} == {"–"}


def test_signs() -> None:
    assert [signed(x, 1) for x in (1.26, -0.5, 0.04, -0.04)] == ["+1.3", "-0.5", "0.0", "0.0"]
    assert [number(x, 1, plus=True) for x in (-0.04, -0.0, -0.06)] == ["0.0", "0.0", "-0.1"]


def test_a_mean_without_a_deviation_is_still_shown() -> None:
    assert beside(0.25, 0.0) == beside(0.25, 2e-9) == "0.250"
    assert beside(0.99999991, 8e-8) == "1.000"
    assert beside(0.25, 2e-6) == "0.2500000 ± 0.0000020"
    assert beside(0.25, math.nan) == "0.250 ± –"
    assert beside(math.nan, 0.1) == "–"


def test_a_deviation_has_two_significant_digits_and_the_mean_its_decimals() -> None:
    found = [beside(0.05591, sd) for sd in (0.0032, 0.00996, 0.1, 0.00041, 12.3)]
    assert found == [
        "0.0559 ± 0.0032", "0.056 ± 0.010", "0.06 ± 0.10", "0.05591 ± 0.00041", "0 ± 12",
    ]  # fmt: skip


def test_a_caption_has_a_name_and_no_path() -> None:
    assert called("/home/me/runs/stsb-lora-0") == "stsb-lora-0"
    assert called(r"C:\runs\mine") == "mine"
    assert called("./ckpt/") == "ckpt"
    assert called("runs/rte/checkpoint-500") == "rte/checkpoint-500"
    assert called("owner/name@1f2e") == "owner/name@1f2e"
    assert called_apart("/a/seed-0/adapter", "/a/seed-1/adapter") == (
        "seed-0/adapter", "seed-1/adapter",
    )  # fmt: skip
    assert called_apart("/a/one", "/b/other") == ("one", "other")


def test_one_is_singular() -> None:
    assert [counted(k, "layer") for k in (0, 1, 2)] == ["0 layers", "1 layer", "2 layers"]


def test_what_a_table_is_of_stands_before_its_title() -> None:
    assert Table("Means", ["a"], [["1"]]).under("φ of B") == Table("φ of B. Means", ["a"], [["1"]])
