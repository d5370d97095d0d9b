import pytest

from lora_lens.errors import ModuleLookupError
from lora_lens.files.names import (
    find_module,
    match_in_base,
    short_names,
    split_layer,
)

BERT = "bert.encoder.layer.*."
T5 = [
    "encoder.block.*.layer.0.SelfAttention.q",
    "decoder.block.*.layer.0.SelfAttention.q",
    "decoder.block.*.layer.1.EncDecAttention.q",
]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("bert.encoder.layer.3.attention.self.query", (BERT + "attention.self.query", 3)),
        ("model.layers.31.self_attn.v_proj", ("model.layers.*.self_attn.v_proj", 31)),
        ("transformer.h.0.attn.c_attn", ("transformer.h.*.attn.c_attn", 0)),
        (
            "decoder.block.2.layer.1.EncDecAttention.k",
            ("decoder.block.*.layer.1.EncDecAttention.k", 2),
        ),
        ("0.auto_model.encoder.layer.5.query", ("0.auto_model.encoder.layer.*.query", 5)),
        ("model.layers.3.experts.7.w1", ("model.layers.*.experts.7.w1", 3)),
        ("stages.2.dense", ("stages.*.dense", 2)),
        ("lm_head", None),
        ("bert.pooler.dense", None),
    ],
)
def test_layer_of_a_path(path: str, expected: tuple[str, int] | None) -> None:
    assert split_layer(path) == expected


def test_short_names_are_the_shortest_that_tell_modules_apart() -> None:
    dense = [BERT + "attention.output.dense", BERT + "intermediate.dense", BERT + "output.dense"]
    assert list(short_names(dense).values()) == [
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ]
    assert short_names([BERT + "attention.self.query"])[BERT + "attention.self.query"] == "query"


def test_a_number_that_ends_a_path_is_no_name() -> None:
    """A timestep's embedder, an ``nn.Sequential`` whose numbers are taken for layers."""
    names = short_names(["unet.t_embedder.mlp.*@8x4", "unet.t_embedder.mlp.*@8x8", "h.*.q"])
    assert list(names.values()) == ["mlp.*@8x4", "mlp.*@8x8", "q"]
    assert short_names(["*"]) == {"*": "*"}


def test_short_names_of_two_stacks_are_unique() -> None:
    names = short_names(T5)
    assert len(set(names.values())) == 3
    assert names[T5[2]] == "EncDecAttention.q"


@pytest.mark.parametrize(
    ("requested", "names", "expected"),
    [
        ("value", ["query", "value"], "value"),
        ("value", ["q_proj", "v_proj"], "v_proj"),
        ("v_proj", ["query", "value"], "value"),
        ("self.query", ["query", "value"], "query"),
    ],
)
def test_module_by_name_role_or_tail(requested: str, names: list[str], expected: str) -> None:
    patterns = {name: f"model.layers.*.self.{name}" for name in names}
    assert find_module(requested, patterns) == expected


def test_an_ambiguous_tail_lists_the_candidates() -> None:
    patterns = {"attn.c_proj": "h.*.attn.c_proj", "mlp.c_proj": "h.*.mlp.c_proj"}
    with pytest.raises(ModuleLookupError, match=r"attn\.c_proj, mlp\.c_proj"):
        find_module("c_proj", patterns)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("bert.encoder.layer.0.query", "encoder.layer.0.query.weight"),
        ("encoder.layer.0.query", "bert.encoder.layer.0.query.weight"),
        ("model.layers.0.q_proj", "layers.0.q_proj.weight"),
        ("transformer.h.0.c_attn", "h.0.c_attn.weight"),
        ("model.layers.0.q_proj", "model.layers.0.q_proj.weight"),
    ],
)
def test_prefixes_may_differ_either_way(path: str, name: str) -> None:
    others = {"encoder.layer.1.query.weight", "layers.1.q_proj.weight", "h.1.c_attn.weight"}
    assert match_in_base(path, {name} | others) == [name]


def test_a_layer_never_matches_another_layer_or_stack() -> None:
    names = {"encoder.layer.10.query.weight", "layer.0.query.weight.extra", "query.weight"}
    assert match_in_base("bert.encoder.layer.0.query", names) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("layers.1.blocks.0.attn.qkv", "blocks.0.attn.qkv.weight"),
        ("blocks.0.attn.qkv", "stages.2.blocks.0.attn.qkv.weight"),
        ("up_blocks.1.attentions.0.transformer_blocks.0.to_q", "transformer_blocks.0.to_q.weight"),
        ("model.layers.3.mlp.experts.0.up_proj", "experts.0.up_proj.weight"),
        ("model.decoder.layers.0.q_proj", "layers.0.q_proj.weight"),
        ("diffusion_model.vace.blocks.0.self_attn.q", "blocks.0.self_attn.q.weight"),
        ("transformer.control.layers.0.attention.out", "layers.0.attention.out.weight"),
        ("text_encoder.connector.layers.0.q_proj", "layers.0.q_proj.weight"),
    ],
)
def test_a_prefix_with_a_stage_or_the_decoder_is_not_taken_away(path: str, name: str) -> None:
    assert match_in_base(path, {name}) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("0.auto_model.encoder.layer.0.query", "encoder.layer.0.query.weight"),
        ("layers.0.q_proj", "0.auto_model.layers.0.q_proj.weight"),
        ("encoder.encoder.layer.0.query", "encoder.layer.0.query.weight"),
        ("decoder.transformer.h.0.c_attn", "h.0.c_attn.weight"),
        ("decoder.layers.0.q_proj", "model.decoder.layers.0.q_proj.weight"),
        ("diffusion_model.layers.0.attention.out", "layers.0.attention.out.weight"),
        ("text_encoder.text_model.encoder.layers.0.q_proj", "encoder.layers.0.q_proj.weight"),
        ("transformer.encoder.layers.0.q_proj", "layers.0.q_proj.weight"),
    ],
)
def test_a_wrappers_prefix_is(path: str, name: str) -> None:
    assert match_in_base(path, {name}) == [name]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("classifier", "sop_classifier.classifier.weight"),
        ("classifier", "decode_head.classifier.weight"),
        ("sop_classifier.classifier", "classifier.weight"),
        ("decoder", "cls.predictions.decoder.weight"),
        ("pooler", "encoder.pooler.weight"),
    ],
)
def test_one_word_is_not_enough_where_what_is_before_it_is_no_whole_models(
    path: str, name: str
) -> None:
    assert match_in_base(path, {name}, {"albert"}) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("transformer.wte", "wte.weight"),
        ("wte", "transformer.wte.weight"),
        ("albert.pooler", "pooler.weight"),
        ("embed_tokens", "model.language_model.embed_tokens.weight"),
        ("dropout.classifier", "albert.dropout.classifier.weight"),
    ],
)
def test_one_word_is_where_it_is(path: str, name: str) -> None:
    assert match_in_base(path, {name, "sop_classifier.classifier.weight"}, {"albert"}) == [name]


def test_two_stacks_that_could_both_be_meant_are_both_reported() -> None:
    names = {"text.layers.0.q_proj.weight", "vision.layers.0.q_proj.weight"}
    assert match_in_base("layers.0.q_proj", names) == sorted(names)
