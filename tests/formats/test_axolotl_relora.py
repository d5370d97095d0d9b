"""Axolotl's ReLoRA saves a plain adapter of what was trained since it last merged: every question says so."""

from pathlib import Path

from checkpoints import BertLike, write_base, write_lora

import lora_lens as ll


def said(folder: Path) -> list[str]:
    return [one for one in ll.load_adapter(folder).caveats if "ReLoRA" in one]


def test_a_checkpoint_between_merges_has_its_w0_beside_it(tmp_path: Path) -> None:
    point = write_lora(tmp_path / "checkpoint-250", BertLike())
    assert said(point) == []
    (point / "relora").mkdir()
    assert said(point) == []  # empty
    write_base(point / "relora", BertLike())
    (one,) = said(point)
    assert "trained since it last did, not all of ΔW" in one
    assert one.endswith("its W0 is that of relora/ beside it")
    assert one in ll.spectrum(point, "query", beside_w0=False).notes
    assert one in ll.compare(point, write_lora(tmp_path / "other", BertLike()), "query").notes


def test_one_of_a_merges_own_step_is_in_the_w0_beside_it_already(tmp_path: Path) -> None:
    point = write_lora(tmp_path / "checkpoint-100", BertLike())
    write_lora(point / "adapter", BertLike())
    write_base(point / "relora", BertLike())
    for folder in (point, point / "adapter"):
        (one,) = said(folder)
        assert "relora/ beside it has this B·A in it; the base, where this one is the first" in one
