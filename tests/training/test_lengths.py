"""How long a row may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from own_rows import write_own
from tiny_base import SMALL, write_base
from transformers import (
    BartConfig,
    BartModel,
    BertConfig,
    BertModel,
    DebertaV2Config,
    DebertaV2Model,
    GPT2Config,
    GPT2Model,
    LlamaConfig,
    LlamaModel,
    MPNetConfig,
    MPNetModel,
    NystromformerConfig,
    NystromformerModel,
    OPTConfig,
    OPTModel,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5Model,
    XLNetConfig,
    XLNetModel,
)

from lora_lens.errors import SettingsError
from lora_lens.files.locate import DEMO_BASE
from lora_lens.training.evaluate import answer
from lora_lens.training.lengths import ShorterWarning, checked_length, own_length
from lora_lens.training.models import open_classifier
from lora_lens.training.run import train
from lora_lens.training.settings import RunSettings

# Few tokens, so that a model is made at once.
TINY: dict[str, Any] = SMALL | {"vocab_size": 40}
BART = {
    "vocab_size": 40, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "max_position_embeddings": 64,
}  # fmt: skip
OPT = TINY | {"ffn_dim": 16, "word_embed_proj_dim": 16}


@pytest.mark.parametrize(
    ("model", "own"),
    [
        (lambda: BertModel(BertConfig(**TINY)), 64),
        (lambda: RobertaModel(RobertaConfig(**TINY, pad_token_id=1)), 62),
        (lambda: NystromformerModel(NystromformerConfig(**TINY)), 64),  # its table has 66 lines
        (lambda: RobertaModel(RobertaConfig(**TINY, pad_token_id=0)), 63),
        (lambda: MPNetModel(MPNetConfig(**TINY, pad_token_id=1)), 62),
        (lambda: BartModel(BartConfig(**BART)), 64),
        (lambda: OPTModel(OPTConfig(**OPT)), 64),
        (
            lambda: GPT2Model(
                GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2, n_positions=64)
            ),
            64,
        ),
    ],
)
def test_a_row_of_its_own_length_is_the_longest_that_a_model_takes(model: Any, own: int) -> None:
    """Second route: the model itself."""
    made = model().eval()
    assert own_length(made) == own
    with torch.no_grad():
        made(input_ids=torch.full((1, own), 5))
        with pytest.raises((IndexError, RuntimeError)):
            made(input_ids=torch.full((1, own + 1), 5))


@pytest.mark.parametrize(
    "model",
    [
        lambda: LlamaModel(LlamaConfig(**TINY)),
        lambda: (
            T5Model(
                T5Config(vocab_size=40, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
            ).encoder
        ),
        lambda: XLNetModel(XLNetConfig(vocab_size=40, d_model=16, n_layer=1, n_head=2, d_inner=16)),
        lambda: DebertaV2Model(
            DebertaV2Config(**TINY, relative_attention=True, position_biased_input=False)
        ),
    ],
)
def test_relative_positions_have_no_end(model: Any) -> None:
    made = model().eval()
    assert own_length(made) is None
    with torch.no_grad():
        made(input_ids=torch.full((1, 65), 5))


def test_the_default_stays_where_a_base_bears_it() -> None:
    classifier = open_classifier(DEMO_BASE, 2)
    assert checked_length(512, classifier, DEMO_BASE, pairs=True) == 512
    with pytest.raises(SettingsError, match=r"513, .* positions for 512 tokens \(max_position"):
        checked_length(513, classifier, DEMO_BASE, pairs=True)


@pytest.mark.parametrize(("pairs", "special"), [(True, 3), (False, 2)])
def test_a_token_of_the_text_is_left(pairs: bool, special: int, tmp_path: Path) -> None:
    own = write_own(tmp_path, classes=2, pairs=pairs)
    settings = RunSettings(
        task="own", method="lora", base=DEMO_BASE, own=own, learning_rate=1e-3, max_length=special
    )
    with pytest.raises(SettingsError, match=f"adds {special} tokens .* at least {special + 1}$"):
        train(settings, tmp_path / "out", use_cpu=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:.* has positions for:UserWarning")
def test_longer_rows_are_cut_where_the_positions_end(tmp_path: Path) -> None:
    own = write_own(tmp_path, classes=2, words=200)
    torch.manual_seed(0)
    base = write_base(tmp_path / "base", RobertaModel(RobertaConfig(**SMALL, pad_token_id=0)))
    settings = RunSettings(
        task="own", method="lora", base=base, own=own, learning_rate=1e-2, epochs=1
    )
    record = train(settings, tmp_path / "out", use_cpu=True)
    assert (record["cut_at"], record["settings"]["max_length"]) == (63, 512)
    for length in (None, 63):
        found = answer(tmp_path / "out", "own", own=own, max_length=length, use_cpu=True)
        assert found.evaluation.score == record["test_score"]
    (tmp_path / "out" / "run.json").unlink()
    found = answer(tmp_path / "out", "own", own=own, use_cpu=True)
    assert found.evaluation.score == record["test_score"]
    with pytest.raises(
        SettingsError, match=r"is 64, 1 of them for no token\); expected at most 63"
    ):
        answer(tmp_path / "out", "own", own=own, max_length=64, use_cpu=True)
    with pytest.warns(
        ShorterWarning, match="for 63 tokens .* longer rows are cut there, not at 512"
    ):
        checked_length(512, open_classifier(base, 2), base, pairs=True)
