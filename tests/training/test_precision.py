"""Half precision that would cost time instead of saving it is said."""

import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from lora_lens.training import precision
from lora_lens.training.precision import (
    EmulatedPrecisionWarning,
    slowdown,
    warn_if_emulated,
)

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def unmeasured() -> Iterator[None]:
    slowdown.cache_clear()
    yield
    slowdown.cache_clear()


def test_a_device_that_is_slower_in_bfloat16_is_said_and_by_how_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "_seconds", {torch.bfloat16: 37.0, torch.float32: 1.0}.get)
    with pytest.warns(EmulatedPrecisionWarning, match="37 times as long"):
        warn_if_emulated(CPU)


def test_where_it_is_no_slower_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_seconds", {torch.bfloat16: 0.5, torch.float32: 1.0}.get)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_emulated(CPU)


def test_the_times_are_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.dtype] = []
    plain = torch.mm

    def noted(rows: Tensor, layer: Tensor) -> Tensor:
        asked.append(layer.dtype)
        return plain(rows, layer)

    monkeypatch.setattr(torch, "mm", noted)
    assert slowdown(CPU) > 0
    assert set(asked) == {torch.bfloat16, torch.float32}
    asked.clear()
    assert slowdown(torch.device("cuda")) == 1
    assert not asked
