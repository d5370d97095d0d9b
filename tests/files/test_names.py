import pytest

from lora_lens.errors import ModuleLookupError
from lora_lens.files.names import (
    find_module,
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
