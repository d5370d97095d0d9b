import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_lora, write_tensors
from safetensors.torch import save_file

from lora_lens import (
    LensError,
    conversion_similarity,
    inspect,
    load_adapter,
    open_base,
    spectrum,
)
from lora_lens.errors import AdapterError
from lora_lens.formats.left_out import LeftOut, as_left_out
from lora_lens.formats.peft.methods import METHODS
from lora_lens.formats.peft.names import IN_FULL, UNKNOWN, reason_left_out


@pytest.mark.parametrize("binary", [False, True])
def test_factors_are_those_of_the_file(tmp_path: Path, binary: bool) -> None:
    shape = BertLike()
    write_lora(tmp_path / "lora", shape, base="some/base", binary=binary)
    adapter = load_adapter(tmp_path / "lora")
    assert (adapter.method, adapter.base_model, list(adapter.modules)) == (
        "lora",
        "some/base",
        ["query", "value"],
    )
    value = adapter.modules["value"]
    assert (value.layers, value.ranks) == ((0, 1, 2), (4, 4, 4))
    for k, name in enumerate(value.names):
        assert torch.equal(value.a[k], shape.adapter[f"base_model.model.{name}.lora_A.weight"])
        assert torch.equal(value.b[k], shape.adapter[f"base_model.model.{name}.lora_B.weight"])
    assert value.scaling.tolist() == [2, 2, 2]


def test_scaling_follows_pefts_patterns(tmp_path: Path) -> None:
    shape = BertLike(modules=("query", "value"))
    config = {
        "rank_pattern": {"layer.1.attention.self.value": 2},
        "alpha_pattern": {"query": 32, "layer.0.attention.self.value": 16},
        "use_rslora": True,
    }
    write_lora(tmp_path / "lora", shape, ranks={"1.value": 2}, config=config)
    modules = load_adapter(tmp_path / "lora").modules
    assert modules["query"].scaling.tolist() == pytest.approx([16, 16, 16])
    assert modules["value"].scaling.tolist() == pytest.approx([8, 8 / math.sqrt(2), 4])
    assert modules["value"].ranks == (4, 2, 4)


def test_padding_of_mixed_ranks_leaves_the_product(tmp_path: Path) -> None:
    shape = BertLike(modules=("value",))
    write_lora(
        tmp_path / "lora",
        shape,
        ranks={"1.value": 2},
        config={"rank_pattern": {"1.attention.self.value": 2}},
    )
    value = load_adapter(tmp_path / "lora").modules["value"]
    name = f"base_model.model.{value.names[1]}"
    product = shape.adapter[f"{name}.lora_B.weight"] @ shape.adapter[f"{name}.lora_A.weight"]
    torch.testing.assert_close(value.b[1] @ value.a[1], product)


def test_every_tensor_is_analysed_or_left_out_with_why(tmp_path: Path) -> None:
    path = "base_model.model.bert.encoder.layer.0.attention.self.value"
    extra = {
        "base_model.model.classifier.weight": random(2, 24, seed=1),
        "base_model.model.bert.embeddings.word_embeddings.lora_embedding_A": random(4, 99, seed=2),
        "base_model.model.bert.embeddings.word_embeddings.lora_embedding_B": random(24, 4, seed=3),
        f"{path}.lora_B.bias": random(24, seed=4),
        f"{path}.base_layer.weight": random(24, 24, seed=5),
        f"{path}.bias": random(24, seed=6),
        "base_model.model.bert.pooler.dense.lora_A.weight": random(4, 24, seed=7),
        "base_model.model.bert.pooler.dense.lora_B.weight": random(24, 4, seed=8),
        "base_model.model.bert.conv.0.lora_A.weight": random(4, 3, 1, 1, seed=9),
        "base_model.model.bert.conv.0.lora_B.weight": random(4, 4, 1, 1, seed=10),
        "base_model.model.bert.conv.1.lora_A.weight": random(4, 3, 1, 1, seed=11),
        "base_model.model.bert.conv.1.lora_B.weight": random(4, 2, 1, 1, seed=12),
    }
    shape = BertLike()
    write_lora(tmp_path / "lora", shape, extra=extra)
    adapter = load_adapter(tmp_path / "lora")
    analysed = {
        f"base_model.model.{name}.lora_{kind}"
        for factors in adapter.modules.values()
        for name in factors.names
        for kind in (
            ("embedding_A", "embedding_B") if "embeddings" in name else ("A.weight", "B.weight")
        )
    }
    assert analysed | set(adapter.left_out) == set(shape.adapter)
    assert not analysed & set(adapter.left_out)
    reasons = " ".join(adapter.left_out.values())
    for word in (
        "modules_to_save",
        "lora_bias",
        "frozen base",
        "convolution of 2 groups",
    ):
        assert word in reasons


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("embed_tokens.token_adapter.trainable_tokens_delta", "trained tokens, no low-rank factor"),
        ("embed_tokens.trainable_tokens_delta", "trained tokens, no low-rank factor"),
        ("layers.0.q_proj.alpha", "α of a module that has no factors here"),
        ("layers.0.q_proj.bias", "bias trained beside the factors, no part of B·A"),
        ("head.modules_to_save.default.weight", IN_FULL),
        ("classifier.bias", IN_FULL),
        ("other.weight", UNKNOWN),
    ],
)
def test_why_a_tensor_is_left_out(name: str, why: str | LeftOut) -> None:
    settings = {"modules_to_save": ["classifier"]}
    assert reason_left_out(f"base_model.model.{name}", settings) == as_left_out(why)


def test_a_bias_outside_numbered_layers_is_one_where_all_were_trained() -> None:
    name = "base_model.model.bert.pooler.dense.bias"
    assert reason_left_out(name, {"bias": "none"}) == UNKNOWN
    assert reason_left_out(name, {"bias": "all"}).why.startswith("bias trained beside the factors")
    assert reason_left_out(name, {"bias": "all", "modules_to_save": ["pooler"]}) == IN_FULL


def test_a_magnitude_of_what_is_no_dora_is_refused() -> None:
    with pytest.raises(AdapterError, match="is DoRA's"):
        reason_left_out("base_model.model.layers.0.q_proj.lora_magnitude_vector", {})


def test_two_pairs_of_factors_of_one_module_are_refused(tmp_path: Path) -> None:
    """As of two stacks of experts without their ``target_parameters``: one would take the other's place."""
    paths = ("layers.0.experts", "layers.0.experts.base_layer")
    tensors = {
        f"base_model.model.{path}.lora_{letter}.weight": torch.ones(shape)
        for path in paths
        for letter, shape in (("A", (2, 6)), ("B", (5, 2)))
    }
    write_tensors(tmp_path, tensors)
    write_config(tmp_path, base=None, r=2)
    with pytest.raises(AdapterError, match=r"layers\.0\.experts has two pairs of factors"):
        load_adapter(tmp_path)


def test_the_original_of_a_module_that_was_trained_in_full_is_not_called_trained(
    tmp_path: Path,
) -> None:
    """As the state dict of the whole model has it."""
    frozen = "base_model.model.classifier.original_module.weight"
    write_lora(tmp_path / "lora", BertLike(), extra={frozen: torch.ones(2, 4)})
    reason = load_adapter(tmp_path / "lora").left_out[frozen]
    assert reason == "the frozen original of a module that was trained in full"


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ({"alpha_pattern": {"^bert.encoder.layer.0.attention.self.query": 64}}, "before 0.15"),
        ({"alpha_pattern": {"query|value": 64}}, "before 0.15"),
        ({"alpha_pattern": {"layer.0.attention.self.query": 64}}, None),
        ({"alpha_pattern": {"query|value": 64}, "trainable_token_indices": None}, None),
    ],
)
def test_what_an_old_peft_met_otherwise_is_said(
    tmp_path: Path, settings: dict[str, Any], version: str | None
) -> None:
    """As PEFT 0.13 and 0.14 write their configurations, which do not say it."""
    written = {"inference_mode": True, "exclude_modules": None}
    write_lora(tmp_path / "new", BertLike(), config=written | settings)
    said = [note for note in load_adapter(tmp_path / "new").notes if "saved by a PEFT" in note]
    assert [f"before {note.split('before ')[1][:4]}" for note in said] == [version] * bool(version)
    both = settings | {"inference_mode": True, "rank_pattern": {"query": 4}}
    write_lora(tmp_path / "old", BertLike(), config=both)
    said = [note for note in load_adapter(tmp_path / "old").notes if "before 0.14" in note]
    assert bool(said) == ("trainable_token_indices" not in settings)


def test_patterns_of_the_same_entries_are_met_alike_by_every_peft(tmp_path: Path) -> None:
    """As mergekit-extract-lora writes them, who is no PEFT of before 0.14."""
    own = {"bert.encoder.layer.1.attention.self.query": 4}
    written = {"inference_mode": True, "rank_pattern": own, "alpha_pattern": own}
    write_lora(tmp_path, BertLike(), config=written)
    adapter = load_adapter(tmp_path)
    assert adapter.modules["query"].scaling.tolist() == [2, 1, 2]
    assert not [note for note in adapter.notes if "saved by a PEFT" in note]


@pytest.mark.parametrize(
    ("alphas", "modules"),
    [
        ({"layer.0.attention.self.query": 4, "query": 8}, "1 module"),
        ({"layer.0.attention.self.query": 8, "query": 8}, None),
        ({"query": 8, "layer.0.attention.self.query": 4}, None),  # not by PEFT's own hand
        ({"layer.[01].*.query": 4, "query": 8, "value": 2}, "2 modules"),
        ({"key": 4, "query": 8}, None),
    ],
)
def test_entries_that_overlap_are_said_where_their_order_may_be_another(
    tmp_path: Path, alphas: dict[str, int], modules: str | None
) -> None:
    write_lora(tmp_path / "lora", BertLike(), config={"alpha_pattern": alphas})
    said = [note for note in load_adapter(tmp_path / "lora").notes if "two entries" in note]
    assert [note.split("match ")[1].split(",")[0] for note in said] == [modules] * bool(modules)


@pytest.mark.parametrize(
    ("names", "a", "b", "settings", "said"),
    [
        ("lora_{}.weight", (2, 6), (5, 2), {}, None),
        ("lora_{}.weight", (2, 3, 3, 4), (5, 2, 1, 1), {}, "convolutions are read as matrices"),
        ("lora_embedding_{}", (2, 11), (6, 2), {}, "embeddings are read as matrices of width"),
        (
            "experts.lora_{}.weight", (4, 6), (5, 4),
            {"target_parameters": ["experts.down_proj"], "peft_version": "0.21.2"},
            "stacked parameters are read expert by expert",
        ),
        ("lora_{}.weight", (2, 6), (5, 2), {"layer_replication": [[0, 1], [0, 1]]}, "layers are those of the replicated model"),
        ("lora_{}.weight", (2, 6), (5, 2), {"alora_invocation_tokens": [1]}, "aLoRA: ΔW is added from the invocation tokens on"),
    ],
)  # fmt: skip
def test_how_a_layer_was_read_is_said(
    tmp_path: Path, names: str, a: Sequence[int], b: Sequence[int], settings: dict[str, Any], said: str | None
) -> None:  # fmt: skip
    both = {
        f"base_model.model.layers.{k}.{names.format(letter)}": random(*shape, seed=k)
        for k in (0, 1)
        for letter, shape in (("A", a), ("B", b))
    }
    write_tensors(tmp_path, both)
    write_config(tmp_path, base=None, r=2, **settings)
    adapter = load_adapter(tmp_path)
    notes = [note for note in adapter.notes if note not in adapter.caveats]
    assert len(notes) == bool(said)
    assert not said or notes[0].startswith(said)


def test_an_adapters_name_in_the_keys_is_understood(tmp_path: Path) -> None:
    shape = BertLike()
    write_lora(tmp_path / "lora", shape)
    named = {k.replace(".weight", ".default.weight"): v for k, v in shape.adapter.items()}
    write_tensors(tmp_path / "named", named)
    write_config(tmp_path / "named", base=None, r=4)
    assert load_adapter(tmp_path / "named").modules["value"].layers == (0, 1, 2)


def test_gpt2_fused_attention_is_split_and_conv1d_turned(tmp_path: Path) -> None:
    width, layers = 12, 2
    base, adapter = {}, {}
    for layer in range(layers):
        base[f"h.{layer}.attn.c_attn.weight"] = random(width, 3 * width, seed=layer)
        base[f"h.{layer}.attn.c_proj.weight"] = random(width, width, seed=10 + layer)
        for module, rows in (("c_attn", 3 * width), ("c_proj", width)):
            name = f"base_model.model.transformer.h.{layer}.attn.{module}"
            adapter[f"{name}.lora_A.weight"] = random(4, width, seed=20 + layer)
            adapter[f"{name}.lora_B.weight"] = random(rows, 4, seed=30 + layer)
    write_base(tmp_path / "gpt2", BertLike(model_type="gpt2"), base)
    write_tensors(tmp_path / "lora", adapter)
    write_config(tmp_path / "lora", base=str(tmp_path / "gpt2"), r=4, fan_in_fan_out=True)
    loaded = load_adapter(tmp_path / "lora")
    assert list(loaded.modules) == ["c_proj", "key", "query", "value"]
    assert loaded.trainable_parameters == sum(t.numel() for t in adapter.values())
    weights = open_base(str(tmp_path / "gpt2"))
    for k, module in enumerate(("query", "key", "value")):
        rows = slice(k * width, (k + 1) * width)
        factors = loaded.modules[module]
        assert torch.equal(weights.w0(factors, 1), base["h.1.attn.c_attn.weight"].T[rows])
        assert torch.equal(
            factors.b[1],
            adapter["base_model.model.transformer.h.1.attn.c_attn.lora_B.weight"][rows],
        )
    assert torch.equal(weights.w0(loaded.modules["c_proj"], 0), base["h.0.attn.c_proj.weight"].T)
    assert conversion_similarity(loaded, "value", draws=2).layers == (0, 1)


def test_llama_style_grouped_queries(tmp_path: Path) -> None:
    base, adapter = {}, {}
    for layer in range(2):
        for module, rows in (("q_proj", 16), ("v_proj", 4)):
            name = f"model.layers.{layer}.self_attn.{module}"
            base[f"{name}.weight"] = random(rows, 16, seed=layer)
            adapter[f"base_model.model.{name}.lora_A.weight"] = random(2, 16, seed=2 + layer)
            adapter[f"base_model.model.{name}.lora_B.weight"] = random(rows, 2, seed=4 + layer)
    write_base(tmp_path / "llama", BertLike(model_type="llama"), base)
    write_tensors(tmp_path / "lora", adapter)
    write_config(tmp_path / "lora", base=str(tmp_path / "llama"), r=2)
    loaded = load_adapter(tmp_path / "lora")
    assert conversion_similarity(loaded, "query", draws=2).module == "q_proj"
    result = conversion_similarity(loaded, "value", convention="consistent", draws=2)
    assert result["A"].values.shape == (2, 2)


@pytest.mark.parametrize("name", ["inf", "B", "holds", "model.layers"])
def test_a_folder_whose_name_is_in_the_message_anyway_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = "base_model.model.model.layers.0.self_attn.q_proj"
    write_tensors(
        tmp_path / name,
        {
            f"{path}.lora_A.weight": torch.ones(1, 4),
            f"{path}.lora_B.weight": torch.full((4, 1), math.inf),
        },
    )
    write_config(tmp_path / name, base=None, r=1)
    with pytest.raises(AdapterError, match=f"^{name}: B of model.layers.0"):
        load_adapter(name)


@pytest.mark.parametrize("kind", ["OFT", "IA3", "PEANUT"])
def test_a_method_that_is_not_read_is_told_what_to_do_shortly(
    bert: BertLike, tmp_path: Path, kind: str
) -> None:
    write_config(tmp_path / "lora", base=None, peft_type=kind)
    with pytest.raises(AdapterError, match="whose ΔW is not read: merge it in PEFT") as caught:
        load_adapter(tmp_path / "lora")
    assert len(str(caught.value).replace(str(tmp_path), "").encode()) < 300


def test_no_method_of_this_peft_is_one_that_nobody_knows(bert: BertLike, tmp_path: Path) -> None:
    """Each is read, or has a sentence of its own; the fallback is of those that came later."""
    kinds = pytest.importorskip("peft").PeftType
    known = METHODS.keys() | {"LORA", "ADALORA"}
    for kind in {one.value for one in kinds} - known:
        write_config(tmp_path / "lora", base=None, peft_type=kind)
        with pytest.raises(AdapterError, match=r"is not read: |there is no ΔW|has no ΔW"):
            load_adapter(tmp_path / "lora")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"use_dora": True}, "says use_dora, but .* has no lora_magnitude_vector"),
        ({"init_lora_weights": "pissa_niter_16"}, "minus the initial"),
        ({"init_lora_weights": "olora"}, "minus the initial"),
        ({"init_lora_weights": "corda"}, "minus the initial"),
        ({"peft_type": "ADALORA"}, "'ADALORA'.*reads PEFT's LoRA"),
        ({"peft_type": "IA3"}, "'IA3'.*reads PEFT's LoRA"),
        ({"peft_type": "PREFIX_TUNING"}, "'PREFIX_TUNING' and is trained prompts.*no ΔW"),
        ({"peft_type": "LN_TUNING"}, "'LN_TUNING' and is trained norms.*no ΔW"),
        ({"peft_type": None}, "says lora_alpha and no peft_type; put"),
        ({"peft_type": "VERA"}, "no tensor of VeRA, whose names hold vera_"),
        ({"target_parameters": "experts.gate"}, "expected names"),
        ({"target_parameters": ["query.a", "query.b"]}, "which is whose"),
        ({"layer_replication": [[0, 1]]}, "makes 1 layers"),
        ({"layer_replication": [[0, "x"]]}, "expected ranges of layers"),
        ({"layer_replication": [[0, 10**12]]}, "over 100,000 layers"),
        ({"init_lora_weights": "loftq"}, "quantised W0 too"),
        ({"init_lora_weights": "lora_ga"}, "lora_ga_init"),
        ({"init_lora_weights": "lora-ga"}, "lora_ga_init"),
        ({"init_lora_weights": "milora"}, "'milora', which is none of PEFT's"),
        ({"init_lora_weights": ["pissa"]}, "pissa.*, which is none of PEFT's"),
        ({"init_lora_weights": 5}, "'5', which is none of PEFT's"),
        ({"enable_lora": [True, False, True]}, "PEFT before 0.3"),
        ({"use_qalora": True}, "QA-LoRA.*set use_qalora to false"),
        ({"use_qa_lora": True}, "ms-swift's QA-LoRA.*A is narrower"),
        ({"use_qa_lora": True, "peft_type": None}, "ms-swift's QA-LoRA.*A is narrower"),
        ({"use_bdlora": True}, "expected PEFT's settings"),
        ({"use_bdlora": {"nblocks": 0}}, "expected a whole number above 0"),
        ({"use_bdlora": {"nblocks": 3, "target_modules_bd_a": ["query"]}}, "not 3 blocks"),
        ({"use_bdlora": {"target_modules_bd_a": "query"}}, "expected names"),
        (
            {"use_bdlora": {k: ["query"] for k in ("target_modules_bd_a", "target_modules_bd_b")}},
            "both",
        ),
        ({"kasa_config": {"beta": 1e-4}}, "KaSA"),
        ({"arrow_config": {"top_k": 3}}, "Arrow"),
        ({"r": 16}, "has rank 4, but adapter_config.json says 16"),
        ({"lora_alpha": "eight"}, "expected a finite number"),
        ({"lora_alpha": float("nan")}, "expected a finite number"),
        ({"init_lora_weights": "OLoRA"}, "minus the initial"),
        ({"rank_pattern": {"[": 4}}, "no regular expression"),
        ({"alpha_pattern": ["query"]}, "expected names to numbers"),
    ],
)
def test_what_would_be_misread_is_refused(
    tmp_path: Path, config: dict[str, object], message: str
) -> None:
    shape = BertLike()
    write_lora(tmp_path / "lora", shape)
    write_config(tmp_path / "lora", base=None, **({"r": 4} | config))
    with pytest.raises(AdapterError, match=message):
        load_adapter(tmp_path / "lora")


@pytest.mark.parametrize(
    "init", ["eva", "gaussian", "orthogonal", "mica", "true", True, False, None]
)
def test_what_leaves_w0_as_it_is_is_plain(tmp_path: Path, init: object) -> None:
    write_lora(tmp_path / "lora", BertLike(), config={"init_lora_weights": init})
    assert load_adapter(tmp_path / "lora").modules["value"].ranks == (4, 4, 4)


@pytest.mark.parametrize(
    "part", [".default_lora_latent_mapping", "_lora_latent_mapping", ".lora_C"]
)
def test_a_part_that_lora_has_not_is_refused(tmp_path: Path, part: str) -> None:
    """LoRA-XS's matrix between B and A has PEFT's own peft_type, and PEFT takes its name for a module's in some versions."""
    name = f"base_model.model.bert.encoder.layer.0.attention.self.value{part}.weight"
    write_lora(tmp_path / "lora", BertLike(), extra={name: random(4, 4, seed=1)})
    with pytest.raises(AdapterError, match=r"latent_mapping|lora_C.*no s·B·A"):
        load_adapter(tmp_path / "lora")


def test_a_magnitude_vector_gives_dora_away(tmp_path: Path) -> None:
    name = "base_model.model.bert.encoder.layer.0.attention.self.value.lora_magnitude_vector"
    write_lora(tmp_path / "lora", BertLike(), extra={name: random(24, seed=1)})
    with pytest.raises(AdapterError, match="DoRA"):
        load_adapter(tmp_path / "lora")


def test_norms_of_what_began_by_pissa_are_refused(tmp_path: Path) -> None:
    """Whoever left use_dora out: the rows that are rescaled are those of W0 less B₀·A₀."""
    shape = BertLike(modules=("value",))
    norms = {
        f"base_model.model.bert.{shape.path(k, 'value')}.lora_magnitude_vector": torch.ones(24)
        for k in range(shape.layers)
    }
    for folder in (tmp_path / "lora", tmp_path / "lora" / "pissa_init"):
        write_lora(folder, shape, extra=norms, config={"init_lora_weights": "pissa"})
    with pytest.raises(AdapterError, match="configuration does not say use_dora"):
        load_adapter(tmp_path / "lora")


def one_layer(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    name = "base_model.model.encoder.layer.0.attention.self.value"
    tensors = {"A": random(4, 24, seed=1), "B": random(24, 4, seed=2)} | changes
    return {f"{name}.lora_{key}.weight": t for key, t in tensors.items() if t is not None}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (one_layer(A=random(4, 24, seed=1) * float("nan")), "A of .* holds NaN"),
        (one_layer(B=random(24, 4, seed=1) * float("inf")), "B of .* holds NaN or infinite"),
        (one_layer(B=None), "lora_A.weight has no partner, the factor B of encoder"),
        (one_layer(B=random(24, 3, seed=1)), "expected A's rows to equal B's columns"),
        ({"base_model.model.classifier.weight": random(2, 2, seed=1)}, "no lora_A and lora_B"),
        (one_layer(A=torch.ones(4, 24, dtype=torch.int8)), "expected floats"),
    ],
)  # fmt: skip
def test_bad_factors_are_an_error(
    tmp_path: Path, tensors: dict[str, torch.Tensor], message: str
) -> None:
    write_tensors(tmp_path / "lora", tensors)
    write_config(tmp_path / "lora", base=None, r=4)
    with pytest.raises(AdapterError, match=message):
        load_adapter(tmp_path / "lora")


def test_no_adapter_there(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="not a folder"):
        load_adapter(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AdapterError, match="no adapter_config.json"):
        load_adapter(tmp_path / "empty")
    write_config(tmp_path / "empty", base=None)
    with pytest.raises(AdapterError, match="holds no adapter_model"):
        load_adapter(tmp_path / "empty")
    variant = tmp_path / "empty" / "adapter_model.fp16.safetensors"
    variant.touch()
    with pytest.raises(
        AdapterError, match=r"but adapter_model\.fp16\.safetensors: .* name the file"
    ):
        load_adapter(tmp_path / "empty")
    variant.unlink()
    (tmp_path / "empty" / "adapter_config.json").write_text("{")
    with pytest.raises(AdapterError, match="not readable JSON"):
        load_adapter(tmp_path / "empty")
    (tmp_path / "empty" / "adapter_config.json").write_text("[]")
    with pytest.raises(AdapterError, match="expected an object"):
        load_adapter(tmp_path / "empty")


def test_shapes_that_differ_between_layers_are_modules_of_their_own(tmp_path: Path) -> None:
    tensors = {}
    for layer, width in ((0, 8), (1, 12)):
        name = f"base_model.model.layers.{layer}.q_proj"
        tensors[f"{name}.lora_A.weight"] = random(2, width, seed=1)
        tensors[f"{name}.lora_B.weight"] = random(width, 2, seed=2)
        tensors[f"{name.replace('q_', 'v_')}.lora_A.weight"] = random(2, 8, seed=1)
        tensors[f"{name.replace('q_', 'v_')}.lora_B.weight"] = random(8, 2, seed=2)
    save_file(tensors, (tmp_path / "adapter_model.safetensors"))
    write_config(tmp_path, base=None, r=2)
    adapter = load_adapter(tmp_path)
    assert list(adapter.modules) == ["q_proj@8x8", "q_proj@12x12", "v_proj"]
    assert [adapter.modules[f"q_proj@{n}x{n}"].layers for n in (8, 12)] == [(0,), (1,)]
    assert not adapter.left_out


def test_library_errors_are_value_errors_too() -> None:
    assert issubclass(AdapterError, LensError)
    assert issubclass(AdapterError, ValueError)


def test_inspect_needs_no_base(tmp_path: Path) -> None:
    write_lora(tmp_path / "lora", BertLike(), base="nobody/nothing")
    assert len(inspect(load_adapter(tmp_path / "lora")).modules) == 6


def test_gpt_bigcodes_linear_of_the_same_name_is_left_whole(tmp_path: Path) -> None:
    name = "base_model.model.transformer.h.0.attn.c_attn"
    write_tensors(
        tmp_path,
        {
            f"{name}.lora_A.weight": random(2, 8, seed=1),
            f"{name}.lora_B.weight": random(24, 2, seed=2),
        },
    )
    write_config(tmp_path, base=None, r=2, fan_in_fan_out=False)
    assert list(load_adapter(tmp_path).modules) == ["c_attn"]


def test_a_replaced_bin_is_read_anew(tmp_path: Path) -> None:
    shape = BertLike()
    write_lora(tmp_path / "lora", shape, binary=True, seed=1)
    load_adapter(tmp_path / "lora")
    write_lora(tmp_path / "new", shape, binary=True, seed=2)
    (tmp_path / "new" / "adapter_model.bin").replace(tmp_path / "lora" / "adapter_model.bin")
    value = load_adapter(tmp_path / "lora").modules["value"]
    assert torch.equal(
        value.a[0], shape.adapter[f"base_model.model.{value.names[0]}.lora_A.weight"]
    )


def test_an_error_says_which_adapter_once(tmp_path: Path) -> None:
    shape = BertLike(layers=1, modules=("value",))
    write_lora(tmp_path / "nan", shape)
    write_tensors(tmp_path / "nan", {name: t * torch.nan for name, t in shape.adapter.items()})
    for folder in (tmp_path / "nan", tmp_path / "nowhere"):
        with pytest.raises(AdapterError) as caught:
            load_adapter(folder)
        assert str(caught.value).count(str(folder)) == 1


@pytest.mark.parametrize(
    ("a", "b", "what"), [((4, 24), (0, 4), "outputs"), ((4, 0), (24, 4), "inputs")]
)
def test_a_layer_of_no_outputs_or_inputs_is_left_out_by_what_it_is(
    tmp_path: Path, a: tuple[int, int], b: tuple[int, int], what: str
) -> None:
    """As PEFT's ``all-linear`` finds in LW-DETR of no feature levels; ZeRO-3 leaves tensors of one axis."""
    name = "base_model.model.decoder.layers.0.cross_attn.sampling_offsets"
    extra = {f"{name}.lora_A.weight": torch.ones(a), f"{name}.lora_B.weight": torch.ones(b)}
    write_lora(tmp_path, BertLike(), extra=extra)
    adapter = load_adapter(tmp_path)
    assert set(adapter.modules) == {"query", "value"}
    assert adapter.left_out == dict.fromkeys(
        extra, f"factor of a layer that has no {what}, so that its ΔW has no numbers"
    )


def test_an_alpha_of_0_is_said_with_every_number(tmp_path: Path) -> None:
    """As verl's model_merger writes it beside trained factors."""
    write_lora(tmp_path, BertLike(), config={"lora_alpha": 0})
    adapter = load_adapter(tmp_path)
    assert adapter.modules["value"].scaling.tolist() == [0, 0, 0]
    (said,) = adapter.caveats
    assert said.startswith("α is 0 in adapter_config.json for ")
    assert said in spectrum(adapter).notes
    config = {"lora_alpha": 0, "alpha_pattern": {"value": 8}}
    (said,) = load_adapter(write_lora(tmp_path / "part", BertLike(), config=config)).caveats
    assert "for 3 of 6 matrices" in said
    config = {"lora_alpha": 0, "alpha_pattern": {"query": 8, "value": 8}}
    write_lora(tmp_path, BertLike(), config=config)
    assert not load_adapter(tmp_path).caveats


def test_a_layer_of_rank_0_is_left_out(tmp_path: Path) -> None:
    """As mergekit-extract-lora writes one whose singular values are all below its ``--sv-epsilon``."""
    name = "bert.encoder.layer.1.attention.self.key"
    extra = {
        f"base_model.model.{name}.lora_A.weight": torch.ones(0, 24),
        f"base_model.model.{name}.lora_B.weight": torch.ones(24, 0),
    }
    none = {name: 0}
    write_lora(
        tmp_path, BertLike(), extra=extra, config={"rank_pattern": none, "alpha_pattern": none}
    )
    adapter = load_adapter(tmp_path)
    assert set(adapter.modules) == {"query", "value"}
    assert adapter.left_out == dict.fromkeys(extra, "factor of rank 0, so that its ΔW is 0")


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [((0,), (0,), "ZeRO-3"), ((0, 24), (24, 4), "of rank 0, has no ΔW")],
)
def test_empty_factors_say_what_they_are(
    tmp_path: Path, a: tuple[int, ...], b: tuple[int, ...], said: str
) -> None:
    name = "base_model.model.encoder.layer.9.attention.self.query"
    extra = {f"{name}.lora_A.weight": torch.ones(a), f"{name}.lora_B.weight": torch.ones(b)}
    write_lora(tmp_path, BertLike(), extra=extra)
    with pytest.raises(AdapterError, match=said):
        load_adapter(tmp_path)


def test_a_matrix_for_each_expert_is_told(tmp_path: Path) -> None:
    """As Tinker saves them: the factor that experts share has one matrix."""
    path = "base_model.model.model.layers.0.mlp.experts.w1"
    factors = {
        f"{path}.lora_A.weight": random(1, 2, 6, seed=1),
        f"{path}.lora_B.weight": random(4, 8, 2, seed=2),
    }
    write_tensors(tmp_path, factors)
    write_config(tmp_path, base=None, r=2)
    with pytest.raises(AdapterError, match="a matrix for each expert .* Tinker's cookbook"):
        load_adapter(tmp_path)
