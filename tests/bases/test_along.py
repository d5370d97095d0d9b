"""Adapters whose training began with a part of W0, and whose configuration does not say so."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, write_base, write_lora, write_tensors

import lora_lens as ll
from lora_lens.adapter import FusedRows
from lora_lens.bases.along import _share
from lora_lens.bases.of_adapter import open_base_of


@pytest.fixture
def shape(tmp_path: Path) -> BertLike:
    made = BertLike(width=48, layers=3)
    write_base(tmp_path / "base", made)
    write_lora(
        tmp_path / "lora", made, base=str(tmp_path / "base"), config={"lora_alpha": made.rank}
    )
    return made


def begun(shape: BertLike, folder: Path, *, orthogonal: bool = False, trained: float = 0.2) -> None:
    """Replace the adapter's factors by PiSSA's, or OLoRA's, with some training; `residual` is what these left of W0."""
    residual = dict(shape.base)
    tensors = {}
    for name, factor in shape.adapter.items():
        path = name.removeprefix("base_model.model.bert.").partition(".lora_")[0] + ".weight"
        u, s, vh = torch.linalg.svd(shape.base[path])
        b, a = (
            u[:, : shape.rank] * s[: shape.rank].sqrt(),
            vh[: shape.rank] * s[: shape.rank, None].sqrt(),
        )
        if orthogonal:
            q, r = torch.linalg.qr(shape.base[path])
            b, a = q[:, : shape.rank], r[: shape.rank]
        own = (a if "lora_A" in name else b).contiguous()
        tensors[name] = own + trained * own.norm() / factor.norm() * factor
        residual[path] = shape.base[path] - b @ a
    write_tensors(folder / "lora", tensors)
    write_base(folder / "residual", BertLike(width=48, layers=3), residual)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_a_part_of_w0_is_seen_where_nothing_says_it(
    shape: BertLike, tmp_path: Path, orthogonal: bool
) -> None:
    def said(base: str | None) -> list[str]:
        found = ll.amplification(tmp_path / "lora", "value", base=base)
        return [note for note in found.notes if "lies along W0" in note]

    assert said(None) == []
    begun(shape, tmp_path, orthogonal=orthogonal)
    assert len(said(None)) == 1
    assert said(str(tmp_path / "residual")) == []


def test_a_small_update_lies_along_w0_by_chance_and_nothing_is_said(
    shape: BertLike, tmp_path: Path
) -> None:
    for seed in range(20):
        write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"), seed=seed)
        small = {name: 1e-4 * factor for name, factor in shape.adapter.items()}
        write_tensors(tmp_path / "lora", small)
        adapter = ll.load_adapter(tmp_path / "lora")
        assert not any("along" in note for note in ll.amplification(adapter, "value").notes)


def test_a_survey_counts_them(shape: BertLike, tmp_path: Path) -> None:
    begun(shape, tmp_path)
    for seed in (1, 2):
        write_lora(tmp_path / f"lora-{seed}", shape, base=str(tmp_path / "base"), seed=seed)
    found = ll.survey(
        sorted(tmp_path.glob("lora*")),
        tmp_path / "out",
        base=tmp_path / "base",
        questions=["conversions"],
    )
    assert [note[-20:] for note in found.notes if "lies along W0" in note] == [
        "n) (1 of 3 adapters)"
    ]


def test_it_is_said_once_and_of_whichever_of_two_it_is(shape: BertLike, tmp_path: Path) -> None:
    begun(shape, tmp_path)
    plain = write_lora(tmp_path / "plain", shape, base=str(tmp_path / "base"), seed=3)
    adapter = ll.load_adapter(tmp_path / "lora")
    opened = open_base_of(adapter)
    for base in (None, opened):
        said = ll.amplification(adapter, "value", base=base).notes
        assert sum("lies along W0" in note for note in said) == 1
    assert not any("along" in note for note in ll.amplification(plain, "value", base=opened).notes)
    for one, other in ((plain, tmp_path / "lora"), (tmp_path / "lora", plain)):
        (note,) = [n for n in ll.compare(one, other, "value").notes if "lies along W0" in n]
        assert note.startswith(f"{tmp_path / 'lora'}: s·B·A")


def test_heads_of_another_base_are_refused_as_its_shape(tmp_path: Path) -> None:
    """Rows are taken head by head, which W0 of another shape has not."""
    shape = BertLike(width=48)
    write_lora(tmp_path / "lora", shape)
    adapter = ll.load_adapter(tmp_path / "lora")
    whole = ll.open_base(write_base(tmp_path / "base", BertLike(width=32)))
    (one, *_) = adapter.each_layer(["value"])
    split = replace(one, part=FusedRows(0, 16, 48, 3))
    assert _share(split, whole) == 0.0
