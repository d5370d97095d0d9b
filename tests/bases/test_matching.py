import pytest

from lora_lens.bases.matching import by_end, match_in_base


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


def test_names_found_by_their_ends_are_those_of_a_look_at_all() -> None:
    experts = [
        f"model.layers.{k}.mlp.experts.{e}.{m}"
        for k in range(3)
        for e in range(4)
        for m in ("up", "down")
    ]
    names = {f"{path}.weight" for path in (*experts, "model.norm", "lm_head", "score.dense")}
    paths = [path.removeprefix("model.") for path in experts] + [
        "norm",
        "head",
        "dense",
        "model.model.norm",
        "mlp.experts.0.up",
    ]
    for path in paths:
        assert match_in_base(path, names, (), by_end(names)) == match_in_base(path, names)
    assert match_in_base("layers.2.mlp.experts.3.up", names, (), by_end(names))
