from pathlib import Path

import pytest
from checkpoints import BertLike

from lora_lens import conversion_similarity, load_adapter
from lora_lens.results import SimilarityResult


@pytest.fixture
def result(bert: BertLike, tmp_path: Path) -> SimilarityResult:
    return conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=50)
