"""A base that transformers cannot load is one line, whatever it raises, and where it says nothing."""

from typing import Any

import pytest

from lora_lens.errors import BaseModelError
from lora_lens.files.locate import DEMO_BASE
from lora_lens.training import models


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(), "cannot be loaded: OSError"),
        (ImportError("it needs SentencePiece\nsee its page"), "cannot be loaded: it needs SentencePiece$"),
        (RuntimeError("size mismatch"), "cannot be loaded: size mismatch$"),
    ],
)  # fmt: skip
def test_what_transformers_raises_is_one_line(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(models.AutoTokenizer, "from_pretrained", refuse)
    with pytest.raises(BaseModelError, match=said):
        models.open_classifier(DEMO_BASE, 2)
