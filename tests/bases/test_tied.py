"""W0 of a head that is tied to the embeddings: the model's own; of one that is not, none."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from second_routes import transformers_before

from lora_lens import load_adapter, open_base
from lora_lens.errors import BaseModelError

peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")
SIZES = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "vocab_size": 19, "num_key_value_heads": 1, "head_dim": 8, "pad_token_id": 0,
}  # fmt: skip


def made(folder: Path, name: str, **settings: Any) -> tuple[Any, Any]:
    """The model in memory with an adapter of its head, and that adapter."""
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(
        getattr(transformers, f"{name}Config")(**settings)
    )
    model.save_pretrained(folder / "base")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's, of tied weights
        config = peft.LoraConfig(
            r=2, target_modules=["lm_head", "q_proj" if name != "GPT2" else "c_attn"],
            init_lora_weights=False, fan_in_fan_out=name == "GPT2",
        )  # fmt: skip
        peft.get_peft_model(model, config).save_pretrained(
            folder / "lora", save_embedding_layers=False
        )
    return model, load_adapter(folder / "lora", folder / "base")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("GPT2", {"n_embd": 16, "n_layer": 2, "n_head": 2, "vocab_size": 19, "n_positions": 8}),
        ("Llama", SIZES | {"tie_word_embeddings": True}),
        ("Gemma", SIZES),
        ("Qwen2", SIZES | {"tie_word_embeddings": True}),
    ],
)
def test_w0_is_the_models_own(tmp_path: Path, name: str, settings: dict[str, Any]) -> None:
    model, adapter = made(tmp_path, name, **settings)
    w0 = open_base(str(tmp_path / "base")).w0(adapter.modules["lm_head"], 0)
    head = model.get_output_embeddings()
    assert torch.equal(w0, getattr(head, "base_layer", head).weight)


BERT = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 19,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 32,
}  # fmt: skip
OTHERS = {
    "BertForMaskedLM": ("cls.predictions.decoder", BERT),
    "RobertaForMaskedLM": ("lm_head.decoder", BERT),
    "DistilBertForMaskedLM": ("vocab_projector", {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 24, "vocab_size": 19}),
    "ElectraForMaskedLM": ("generator_lm_head", BERT | {"embedding_size": 16}),
    "ModernBertForMaskedLM": ("decoder", BERT | {"cls_token_id": 1, "sep_token_id": 2}),
    "MambaForCausalLM": ("lm_head", {"hidden_size": 16, "num_hidden_layers": 1, "vocab_size": 19, "state_size": 4}),
    "WhisperForConditionalGeneration": ("proj_out", {
        "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "vocab_size": 19, "num_mel_bins": 8, "max_source_positions": 8,
        "max_target_positions": 8, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_heads_by_other_names_are_tied_too(tmp_path: Path, name: str) -> None:
    if name == "MambaForCausalLM" and transformers_before(5, 4):
        pytest.skip("this transformers writes Mamba's head as a tensor of its own")
    path, settings = OTHERS[name]
    kind = getattr(transformers, name)
    torch.manual_seed(0)
    model = kind(kind.config_class(**settings))
    model.save_pretrained(tmp_path)
    head = model.get_submodule(path)
    assert f"{path}.weight" not in open_base(str(tmp_path)).tensors.files
    assert torch.equal(open_base(str(tmp_path)).weight(path), head.weight)


BOTH = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "vocab_size": 19, "max_position_embeddings": 8, "pad_token_id": 0,
}  # fmt: skip
OF_BOTH = {
    "T5ForConditionalGeneration": (
        "{}.embed_tokens", {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2, "vocab_size": 19},
    ),
    "BartForConditionalGeneration": ("model.{}.embed_tokens", BOTH),
    "ProphetNetForConditionalGeneration": ("prophetnet.{}.word_embeddings", {
        "hidden_size": 16, "num_encoder_layers": 1, "num_decoder_layers": 1, "num_encoder_attention_heads": 2,
        "num_decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "vocab_size": 19,
        "max_position_embeddings": 8,
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_BOTH)
def test_an_encoders_and_a_decoders_table_is_that_of_both(tmp_path: Path, name: str) -> None:
    path, settings = OF_BOTH[name]
    kind = getattr(transformers, name)
    torch.manual_seed(0)
    model = kind(kind.config_class(**settings))
    model.save_pretrained(tmp_path)
    base = open_base(str(tmp_path))
    for of in ("encoder", "decoder"):
        own = model.get_submodule(path.format(of)).weight
        assert f"{path.format(of)}.weight" not in base.tensors.files
        assert torch.equal(base.weight(path.format(of)), own)


GPT2 = {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 19, "n_positions": 8}
VIT = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8,
    "patch_size": 4,
}  # fmt: skip


def of_two(encoder: Any, decoder: Any) -> Any:
    kind = "EncoderDecoder" if encoder.model_type == "bert" else "VisionEncoderDecoder"
    decoder.is_decoder = decoder.add_cross_attention = True
    config = getattr(transformers, f"{kind}Config").from_encoder_decoder_configs(encoder, decoder)
    return getattr(transformers, f"{kind}Model")(config)


def llava() -> Any:
    """Tied as a whole, where its text model's own configuration says that it is not."""
    text = transformers.LlamaConfig(**SIZES, tie_word_embeddings=False)
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**VIT), text_config=text, image_token_index=3,
        tie_word_embeddings=True,
    )  # fmt: skip
    return transformers.LlavaForConditionalGeneration(config)


HEADED = {
    "an image and Llama": llava,
    "two heads": lambda: transformers.GPT2DoubleHeadsModel(transformers.GPT2Config(**GPT2)),
    "an image and GPT-2": lambda: of_two(
        transformers.ViTConfig(**VIT), transformers.GPT2Config(**GPT2)
    ),
    "BERT twice": lambda: of_two(transformers.BertConfig(**BERT), transformers.BertConfig(**BERT)),
}


@pytest.mark.parametrize("case", HEADED)
def test_a_head_in_a_model_of_two_is_tied_to_its_own_parts_table(tmp_path: Path, case: str) -> None:
    torch.manual_seed(0)
    model = HEADED[case]()
    model.save_pretrained(tmp_path)
    head = model.get_output_embeddings()
    (path,) = (name for name, module in model.named_modules() if module is head)
    assert torch.equal(open_base(str(tmp_path)).weight(path, (19, 16)), head.weight)


def test_a_decoder_within_a_model_is_no_head(tmp_path: Path) -> None:
    settings = transformers.DistilBertConfig(**OTHERS["DistilBertForMaskedLM"][1])
    transformers.DistilBertForMaskedLM(settings).save_pretrained(tmp_path)
    for path in ("model.decoder", "entity_predictions.decoder", "transformer.proj_out"):
        with pytest.raises(BaseModelError, match=f"no weight of {path}"):
            open_base(str(tmp_path)).weight(path)


def test_a_head_that_is_not_tied_is_not_the_embeddings(tmp_path: Path) -> None:
    model, adapter = made(tmp_path, "Llama", **SIZES, tie_word_embeddings=False)
    base = open_base(str(tmp_path / "base"))
    assert torch.equal(base.w0(adapter.modules["lm_head"], 0), model.lm_head.base_layer.weight)
    # No head, and its configuration may not say untied.
    model.model.save_pretrained(tmp_path / "bare")
    file = tmp_path / "bare" / "config.json"
    for said in (
        {"tie_word_embeddings": False},
        {"architectures": ["LlamaModel"]},
        {"architectures": 3},
    ):
        config = json.loads(file.read_text())
        config.pop("tie_word_embeddings", None)
        file.write_text(json.dumps(config | {"architectures": ["LlamaForCausalLM"]} | said))
        with pytest.raises(BaseModelError, match=r"no weight of lm_head"):
            open_base(str(tmp_path / "bare")).w0(adapter.modules["lm_head"], 0)
