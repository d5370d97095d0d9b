"""Shapes in the annotations of the mathematics are checked at run time, and no test reaches a network."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

from jaxtyping import install_import_hook

hook = install_import_hook(
    ["lora_lens.core", "lora_lens.loaders", "lora_lens.analyses", "lora_lens.adapter"],
    "beartype.beartype",
)

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import matplotlib as mpl  # noqa: E402
import pytest  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
mpl.use("Agg")

from checkpoints import BertLike, write_base, write_lora  # noqa: E402


@pytest.fixture
def bert(tmp_path: Path) -> BertLike:
    """A small base model and a trained-looking LoRA adapter of query and value on it."""
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    return shape
