from pathlib import Path

import numpy as np
import pytest
import torch

import lora_lens as ll
from lora_lens.errors import LensError
from lora_lens.subspaces import spool as spools
from lora_lens.subspaces.spool import Spool
from lora_lens.survey.questions.spool import TensorSpool


@pytest.mark.parametrize("most", [1 << 24, 100])
def test_gives_back_what_it_was_given(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "_IN_MEMORY", most)
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(k, 9, generator=generator).double() for k in (2, 0, 3, 1)]
    with Spool(9, "float64") as spool, TensorSpool(9, torch.float64) as torchs:
        for rows in given:
            spool.add(np.asfortranarray(rows.numpy()))
            torchs.add(rows.mT.contiguous().mT)
        for found, expected in zip(spool.every(), given, strict=True):
            np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(spool.rows(range(1, 3)), given[2])
        assert torch.equal(torchs.rows(range(1, 3)), given[2])
        assert len(spool.rows(range(1, 2))) == len(torchs.rows(range(1, 2))) == 0


def test_many_adapters_are_put_on_disk_and_nothing_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = [ll.demo_adapter("lora"), ll.demo_adapter("condlora")]
    expected = ll.adapter_matrix(adapters, draws=0).values
    monkeypatch.setattr(spools, "_IN_MEMORY", 100)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rolled: list[bool] = []
    every = Spool.every

    def watched(spool: Spool) -> list[np.ndarray]:
        rolled.append(spool._file._rolled)  # type: ignore[attr-defined]
        return every(spool)

    monkeypatch.setattr(Spool, "every", watched)
    np.testing.assert_array_equal(ll.adapter_matrix(adapters, draws=0).values, expected)
    assert rolled == [True] * 6
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_to_be_the_temporary_one(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the results go there may be room enough."""
    monkeypatch.setattr(spools, "_IN_MEMORY", 100)
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    adapters = [ll.demo_adapter("lora"), ll.demo_adapter("condlora")]
    with pytest.raises(LensError, match=f"{small_disk} cannot have it: No space left.*TMPDIR"):
        ll.adapter_matrix(adapters, draws=0)
    assert not list(small_disk.iterdir())


@pytest.mark.parametrize("rows", [1, 2000])
def test_no_room_is_known_when_it_is_written_or_when_it_is_read(
    small_disk: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is put away may wait in memory for a while; it is never read before it is on the disk."""
    monkeypatch.setattr(spools, "_IN_MEMORY", 1)
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))

    def fill() -> None:
        with (small_disk / "other").open("wb", 0) as other, Spool(9, "float64") as spool:
            if rows == 1:
                other.write(bytes(64 << 10))
            spool.add(np.ones((1, 9)))
            spool.add(np.ones((rows, 9)))
            spool.rows(range(2))

    with pytest.raises(LensError, match="No space left"):
        fill()


def test_without_a_temporary_folder_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "_IN_MEMORY", 1)
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: ["/nowhere"])
    with Spool(9, "float64") as spool, pytest.raises(LensError, match="any temporary folder"):
        spool.add(np.ones((1, 9)))


def test_a_file_that_was_cut_short_is_never_read_as_if_it_were_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spools, "_IN_MEMORY", 1)
    with Spool(9, "float64") as spool:
        spool.add(np.ones((3, 9)))
        np.testing.assert_array_equal(spool.rows(range(1)), np.ones((3, 9)))
        spool._file.truncate(100)
        with pytest.raises(LensError, match="gave 100 of 216 bytes"):
            spool.rows(range(1))
