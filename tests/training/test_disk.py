"""What torch says of a file that it cannot write, under a limit that the system keeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from lora_lens.errors import OutputError
from lora_lens.training.disk import writing

resource = pytest.importorskip("resource")  # not on Windows


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 1 << 10, 10_000, 30_000, 1 << 16])  # of the file's 80,000
def test_a_file_that_is_too_long(tmp_path: Path, size: int) -> None:
    states = [torch.zeros(10_000), torch.zeros(10_000)]
    with (
        pytest.raises(OutputError, match=r"cannot write to .*: File too large; make room and go"),
        files_no_longer_than(size),
        writing(tmp_path),
    ):
        torch.save(states, tmp_path / "optimizer.pt")
    with writing(tmp_path):
        torch.save(states, tmp_path / "optimizer.pt")


def test_another_error_of_torch_is_no_disks(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="size mismatch"), writing(tmp_path):
        raise RuntimeError("size mismatch")
