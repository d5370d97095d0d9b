"""A cut between equal singular values is told by every question that cuts a factor there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
import torch
from checkpoints import BertLike, write_base, write_lora, write_tensors

import lora_lens as ll

TOLD = re.compile(r"singular values 2 and 3 of (\S+)(?: of \S+)? are equal to rounding in (.*?):")


@pytest.fixture
def tied(tmp_path: Path) -> Path:
    """A of layer 1 has orthonormal rows, as some trainers freeze it."""
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "tied", shape, base=str(tmp_path / "base"))
    tensors = {
        name: torch.linalg.qr(t.mT).Q.mT.contiguous()
        if "layer.1" in name and "lora_A" in name
        else t
        for name, t in shape.adapter.items()
    }
    write_tensors(tmp_path / "tied", tensors)
    write_lora(tmp_path / "free", shape, base=str(tmp_path / "base"), seed=8)
    return tmp_path / "tied"


def told(notes: tuple[str, ...]) -> list[tuple[str, str]]:
    return [found for note in notes for found in TOLD.findall(note)]


def test_of_two_adapters(tied: Path) -> None:
    for pair in ((tied, tied.parent / "free"), (tied.parent / "free", tied)):
        assert told(ll.compare(*pair, rank=2, draws=2).notes) == [("A", "layer 1")]
        assert not told(ll.compare(*pair, rank=4, draws=2).notes)


def test_what_is_asked_forwards(tied: Path) -> None:
    assert told(ll.shared_subspace(tied, rank=2, draws=2).notes) == [("A", "layer 1")]
    assert not told(ll.shared_subspace(tied, rank=2, draws=2, matrices="B").notes)
    carried = ll.shared_subspace(tied.parent / "free", rank=2, draws=2, other=tied)
    assert told(carried.notes) == [("A", "layer 1")]


def test_many_adapters(tied: Path) -> None:
    def notes(matrix: Literal["A", "B", "delta"], rank: int | None) -> list[tuple[str, str]]:
        pair = [tied, tied.parent / "free"]
        return told(ll.adapter_matrix(pair, rank=rank, matrix=matrix, draws=2).notes)

    assert notes("A", 2) == [("A", "some layer of tied")]
    assert not notes("A", None) + notes("B", 2) + notes("delta", 2)


def test_checkpoints(tied: Path) -> None:
    run = tied.parent / "run"
    run.mkdir()
    tied.rename(run / "checkpoint-1")
    (tied.parent / "free").rename(run / "checkpoint-2")
    assert told(ll.dynamics(run, rank=2).notes) == [("A", "some layer of checkpoint-1")]


def test_a_product_whose_singular_values_are_equal(tied: Path) -> None:
    shape = BertLike()
    folder = write_lora(tied.parent / "product", shape, base=str(tied.parent / "base"))
    tensors = {
        name: torch.linalg.qr(t.mT if "lora_A" in name else t).Q
        for name, t in shape.adapter.items()
    }
    plain = {n: (t.mT if "lora_A" in n else t).contiguous() for n, t in tensors.items()}
    write_tensors(folder, plain)
    found = told(ll.compare(folder, tied.parent / "free", rank=2, draws=2).notes)
    assert found == [(name, "layers 0, 1, 2") for name in ("A", "B", "ΔW")]
