"""Base models that are made otherwise than BERT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from own_rows import write_own
from tiny_base import SMALL, write_base
from transformers import (
    AutoTokenizer,
    BartConfig,
    BartModel,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DebertaV2Config,
    DebertaV2Model,
    DistilBertConfig,
    DistilBertModel,
    GPT2Config,
    GPT2Model,
    LlamaConfig,
    LlamaModel,
    PreTrainedModel,
    T5Config,
    T5Model,
)

from lora_lens.errors import BaseModelError
from lora_lens.training.answers import logits_of
from lora_lens.training.evaluate import answer
from lora_lens.training.models import (
    NewHeadWarning,
    open_classifier,
    put_adapter,
    warn_if_replaced,
)
from lora_lens.training.run import train
from lora_lens.training.settings import RunSettings

VOCABULARY = SMALL["vocab_size"]
ENDS = {"bos_token_id": 101, "eos_token_id": 102, "pad_token_id": 0}


def deberta() -> PreTrainedModel:
    return DebertaV2Model(DebertaV2Config(**SMALL, relative_attention=True))


def bart() -> PreTrainedModel:
    return BartModel(
        BartConfig(
            vocab_size=VOCABULARY, d_model=16, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
            decoder_ffn_dim=16, max_position_embeddings=64, decoder_start_token_id=101,
            forced_eos_token_id=102, **ENDS,
        )
    )  # fmt: skip


def t5() -> PreTrainedModel:
    return T5Model(
        T5Config(
            vocab_size=VOCABULARY, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
            decoder_start_token_id=0, eos_token_id=102, pad_token_id=0,
        )
    )  # fmt: skip


def distilbert() -> PreTrainedModel:
    """Whose tokenizer here gives token types, for which it has no use."""
    return DistilBertModel(
        DistilBertConfig(
            vocab_size=VOCABULARY, dim=16, n_layers=1, n_heads=2, hidden_dim=16,
            max_position_embeddings=64,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "target"),
    [(deberta, "value_proj"), (bart, "v_proj"), (t5, "v"), (distilbert, "v_lin")],
)
@pytest.mark.parametrize(("method", "classes"), [("lora", None), ("condlora", 3)])
def test_a_run_is_scored_and_so_is_its_adapter(
    make: Callable[[], PreTrainedModel],
    target: str,
    method: str,
    classes: int | None,
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    own = write_own(tmp_path, classes=classes)
    settings = RunSettings(
        task="own", method=method, base=write_base(tmp_path / "base", make()), own=own, epochs=1,
        learning_rate=1e-2, max_length=32, target_modules=(target,),
    )  # fmt: skip
    record = train(settings, tmp_path / "out", use_cpu=True)
    found = answer(tmp_path / "out", "own", own=own, use_cpu=True)
    assert found.evaluation.score == pytest.approx(record["test_score"], abs=1e-6)
    assert len(found.answers) == 40


def test_states_beside_the_logits_are_not_gathered() -> None:
    logits, labels = torch.rand(4, 2), torch.zeros(4)
    assert torch.equal(logits_of((logits, torch.rand(4, 9, 16)), labels), logits)
    assert torch.equal(logits_of(logits[:, 0], labels), logits[:, :1])
    assert logits_of(logits[:1, 0], labels[:1]).shape == (1, 1)


@pytest.mark.filterwarnings("ignore:the head of:UserWarning")
@pytest.mark.parametrize(
    ("method", "classes", "problem"),
    [
        ("lora", None, "single_label_classification"),
        ("condlora", 2, "regression"),
        ("lora", 2, "multi_label_classification"),
        ("adalora", 2, None),
    ],
)
def test_a_base_with_another_tasks_head(
    method: str, classes: int | None, problem: str | None, tmp_path: Path
) -> None:
    """As an MNLI checkpoint taken to RTE: the head that is trained and saved is a new one, which is said."""
    torch.manual_seed(0)
    base = write_base(
        tmp_path / "base",
        BertForSequenceClassification(BertConfig(**SMALL, num_labels=3, problem_type=problem)),
    )
    own = write_own(tmp_path, classes=classes)
    settings = RunSettings(
        task="own", method=method, base=base, own=own, epochs=2, learning_rate=1e-2, max_length=32
    )
    with pytest.warns(NewHeadWarning, match=r"base has 3 outputs, the task needs 2: a new one"):
        warn_if_replaced(open_classifier(base, 2), base, 2)
    record = train(settings, tmp_path / "out", use_cpu=True)
    assert record["head_parameters"] == 17 * (classes or 1)
    assert (record["replaced_head"], record["outputs"]) == (3, classes or 1)
    found = answer(tmp_path / "out", "own", own=own, use_cpu=True).evaluation
    assert found.score == pytest.approx(record["test_score"], abs=1e-6)


@pytest.mark.parametrize("pads", [0, None, 102])
def test_a_decoders_score_is_read_at_its_rows_end(tmp_path: Path, pads: int | None) -> None:
    """Whatever the configuration says of padding, as Llama's 0 beside a tokenizer that has no sign for it."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64, pad_token_id=pads, bos_token_id=101, eos_token_id=102,
    )  # fmt: skip
    base = write_base(tmp_path / "base", LlamaModel(config))
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token, tokenizer.eos_token = None, "[SEP]"
    tokenizer.save_pretrained(base)
    found = open_classifier(base, 2)
    texts = ["A cat sleeps.", "A cat and two dogs sleep on the mat of the house."]
    with torch.no_grad():
        alone, beside = (
            found.model.eval()(**found.tokenizer(some, padding=True, return_tensors="pt")).logits[0]
            for some in (texts[:1], texts)
        )
    torch.testing.assert_close(alone, beside)


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", ["lora", "condlora"])
def test_what_is_trained_on_a_half_precision_base_is_float32(
    tmp_path: Path, stored: torch.dtype, method: str
) -> None:
    torch.manual_seed(0)
    base = write_base(tmp_path / "base", BertModel(BertConfig(**SMALL)).to(stored))
    settings = RunSettings(task="rte", method=method, base=base, target_modules=("query",))
    model = put_adapter(settings, open_classifier(base, 2), steps=1)
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}


def test_a_head_that_is_kept_says_its_classes(tmp_path: Path) -> None:
    own = write_own(tmp_path, classes=3)
    base = write_base(tmp_path / "base", BertModel(BertConfig(**SMALL)))
    settings = RunSettings(
        task="own", method="lora", base=base, own=own, epochs=1, learning_rate=1e-2, max_length=32
    )
    assert train(settings, tmp_path / "out", use_cpu=True)["labels"] == [
        "kind 0",
        "kind 1",
        "kind 2",
    ]


# PEFT asks an old name.
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")
def test_a_head_without_a_bias_begins_at_zero_and_says_so(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2, n_positions=64, bos_token_id=101, eos_token_id=102,
    )  # fmt: skip
    base = write_base(tmp_path / "base", GPT2Model(config))
    own = write_own(tmp_path, classes=None)
    settings = RunSettings(
        task="own", method="lora", base=base, own=own, epochs=1, learning_rate=1e-2, max_length=32,
        target_modules=("c_attn",), head="mean",
    )  # fmt: skip
    with pytest.warns(NewHeadWarning, match="has no bias to begin at the mean label"):
        record = train(settings, tmp_path / "out", use_cpu=True)
    assert record["head_began"] == "zero"


def test_a_head_that_fits_is_kept(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(**SMALL, num_labels=3))
    found = open_classifier(write_base(tmp_path / "base", model), 3)
    assert (found.new, found.replaced) == ((), None)
    assert torch.equal(found.model.classifier.weight, model.classifier.weight)


def test_a_base_that_is_not_as_its_configuration_says(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", BertForSequenceClassification(BertConfig(**SMALL)))
    BertConfig(**(SMALL | {"intermediate_size": 24})).save_pretrained(base)
    with pytest.raises(BaseModelError, match=r"intermediate.* has the shape \(16.* says \(24"):
        open_classifier(base, 2)
