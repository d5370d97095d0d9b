"""What a card says of its adapter's use, done as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lora_lens as ll
from lora_lens.card.text import card_text
from lora_lens.card.write import write_card


def code_of(text: str) -> str:
    (found,) = re.findall(r"## Use\n\n```python\n(.*?)```", text, re.DOTALL)
    return str(found)


@pytest.mark.filterwarnings(
    "ignore:the head of:UserWarning", "ignore:The following rank_pattern:RuntimeWarning"
)
@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("method", ["lora", "condlora", "adalora", "condadalora"])
@pytest.mark.parametrize(("classes", "head_of_base"), [(None, None), (3, None), (None, 4), (2, 4)])
def test_its_model_answers_as_the_run_did(
    method: str,
    classes: int | None,
    head_of_base: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "training"))
    from own_rows import write_own
    from tiny_base import SMALL, write_base

    from lora_lens.training.data import open_data
    from lora_lens.training.evaluate import answer
    from lora_lens.training.run import train
    from lora_lens.training.settings import RunSettings

    torch.manual_seed(0)
    config = transformers.BertConfig(**SMALL, num_labels=head_of_base or 2)
    kind = transformers.BertForSequenceClassification if head_of_base else transformers.BertModel
    own = write_own(tmp_path, classes=classes)
    settings = RunSettings(
        task="own", method=method, base=write_base(tmp_path / "base", kind(config)), own=own,
        epochs=1, learning_rate=1e-2, max_length=32,
    )  # fmt: skip
    out = tmp_path / "out"
    record = train(settings, out, use_cpu=True)
    write_card(out, record)
    text = (out / "README.md").read_text(encoding="utf-8")
    assert f"{'An' if method == 'adalora' else 'A'} " in text.split("# own: ")[1]
    monkeypatch.chdir(tmp_path)  # a base in a folder is told by its last name
    made: dict[str, Any] = {}
    exec(code_of(text).replace("THIS_ADAPTER", str(out)), made)
    _, splits = open_data("own", None, own)
    tokenizer = transformers.AutoTokenizer.from_pretrained(settings.base)
    batch = tokenizer(
        [row.first for row in splits.test], [row.second for row in splits.test],
        padding=True, return_tensors="pt",
    )  # fmt: skip
    with torch.no_grad():
        logits = made["model"].eval()(**batch).logits.numpy()
    answers = answer(out, "own", own=own, use_cpu=True).answers
    found = logits[:, 0] if classes is None else logits.argmax(-1)
    np.testing.assert_allclose(found, answers, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "num_labels=1"),
        ({"task": "mnli"}, "num_labels=3"),
        ({"task": "rte"}, "num_labels=2"),
        ({"task": "news", "own": {"train": "x.csv"}}, "num_labels=1"),
    ],
)
def test_a_record_of_before_is_understood(changes: dict[str, Any], said: str) -> None:
    record = json.loads((Path(ll.demo_adapter("condlora")) / "run.json").read_text())
    record["settings"] |= changes
    assert "outputs" not in record
    assert said in code_of(card_text(record, None, why="nothing"))
