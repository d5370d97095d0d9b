"""Quantised bases: floats by the library that packed them, or refused by name with what to do; never misread."""

import importlib
import json
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import random
from safetensors.torch import save_file
from second_routes import with_complex_files
from torch import Tensor

from lora_lens import open_base
from lora_lens.bases.quantised.extra import library
from lora_lens.bases.quantised.store import Packed
from lora_lens.bases.quantised.unquantised import unquantised
from lora_lens.errors import BaseModelError

PATH = "model.layers.0.self_attn.q_proj"


def base(folder: Path, tensors: Mapping[str, Tensor], **settings: Any) -> Any:
    folder.mkdir(exist_ok=True)
    save_file(
        {name: one.contiguous() for name, one in tensors.items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"} | settings))
    return open_base(str(folder))


def named(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{PATH}.{name}": one for name, one in state.items()}


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
@pytest.mark.parametrize("nested", [False, True])
def test_four_bits_of_bitsandbytes(tmp_path: Path, kind: str, nested: bool) -> None:
    bnb = pytest.importorskip("bitsandbytes")
    layer = bnb.nn.Linear4bit(
        64, 48, bias=False, compute_dtype=torch.float32, compress_statistics=nested, quant_type=kind
    )
    layer.weight = bnb.nn.Params4bit(
        random(48, 64, seed=1), requires_grad=False, quant_type=kind, compress_statistics=nested
    )
    layer.to("cpu")
    if layer.weight.quant_state is None:
        layer.weight = layer.weight._quantize("cpu")
    opened = base(tmp_path / "model", named(layer.state_dict()))
    found = opened.weight(PATH)
    own = bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    assert torch.equal(found, own)
    assert (found - random(48, 64, seed=1)).norm() < 0.15 * random(48, 64, seed=1).norm()
    assert opened.tensors.shape(f"{PATH}.weight") == (48, 64)
    assert opened.notes == (
        "W0 of 1 weights is read from bitsandbytes' 4 bits: not all that the model had",
    )
    assert torch.equal(pickle.loads(pickle.dumps(opened)).weight(PATH), own)
    if not nested:  # by hand
        state, codes = layer.state_dict(), layer.weight.data.flatten().int()
        numbers = state["weight.quant_map"][torch.stack([codes >> 4, codes & 15], 1).flatten()]
        hand = numbers * state["weight.absmax"].repeat_interleave(64)
        torch.testing.assert_close(found, hand.reshape(48, 64))


def test_eight_bits_of_bitsandbytes(tmp_path: Path) -> None:
    bnb = pytest.importorskip("bitsandbytes")
    w0 = random(6, 8, seed=1)
    codes, scale, _ = bnb.functional.int8_vectorwise_quant(w0.half())
    order = torch.tensor(0, dtype=torch.uint8)
    tensors = named({"weight": codes, "SCB": scale, "weight_format": order})
    found = base(tmp_path / "model", tensors).weight(PATH)
    torch.testing.assert_close(found.float(), codes * scale[:, None] / 127)
    assert (found - w0).norm() < 0.01 * w0.norm()
    tensors[f"{PATH}.weight_format"] = torch.tensor(2, dtype=torch.uint8)
    with pytest.raises(BaseModelError, match="as a GPU wants it"):
        base(tmp_path / "gpu", tensors).weight(PATH)


BNB = {
    "weight": torch.zeros(8, 1, dtype=torch.uint8), "weight.absmax": torch.ones(1),
    "weight.quant_map": torch.ones(16),
    "weight.quant_state.bitsandbytes__nf4": torch.tensor(
        list(b'{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [4, 4]}'), dtype=torch.uint8
    ),
}  # fmt: skip


def test_without_the_library_it_says_which_and_the_unquantised_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setitem(sys.modules, "bitsandbytes.functional", None)
    opened = base(tmp_path / "model", named(BNB), _name_or_path="unsloth/Llama-3.2-1B-bnb-4bit")
    with pytest.raises(BaseModelError) as raised:
        opened.weight(PATH)
    assert 'pip install "lora-lens[quantized]"' in str(raised.value)
    assert str(raised.value).endswith("which may be unsloth/Llama-3.2-1B")
    assert "\n" not in str(raised.value)


def test_a_file_of_packed_weights_alone_is_among_those_that_were_read(tmp_path: Path) -> None:
    opened = base(tmp_path / "model", named(BNB))
    assert [path.name for path in opened.tensors.read_from] == ["model.safetensors"]


@pytest.mark.parametrize(
    "text", [b"{", b"{}", b'{"shape": "ab"}', b'{"shape": [4, 0]}', b"\xff\xfe"]
)
def test_a_broken_state_is_said(tmp_path: Path, text: bytes) -> None:
    state = BNB | {
        "weight.quant_state.bitsandbytes__nf4": torch.tensor(list(text), dtype=torch.uint8)
    }
    with pytest.raises(BaseModelError, match="quant_state"):
        base(tmp_path / "model", named(state)).tensors.shape(f"{PATH}.weight")


BLOCKS = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [4, 3]}}


@pytest.mark.parametrize(
    ("scale", "name", "shape", "settings"),
    [
        ("blocks", "weight_scale_inv", (2, 3), BLOCKS),
        ("rows", "weight_scale", (6, 1), {}),
        ("rows", "weight_scale", (6,), {"quantization_config": {"quant_method": "fbgemm_fp8"}}),
        ("one", "weight_scale", (), {}),
        ("one", "scale_weight", (1,), {}),
    ],
)
@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_floats_of_eight_bits(
    tmp_path: Path, scale: str, name: str, shape: tuple[int, ...], settings: Any, kind: torch.dtype
) -> None:
    stored, scales = (
        random(6, 8, seed=1).to(kind),
        random(*shape, seed=2).abs() if shape else torch.tensor(0.3),
    )
    found = base(tmp_path / "model", named({"weight": stored, name: scales}), **settings).weight(
        PATH
    )
    for row in range(6):
        for column in range(8):
            at = {"blocks": (row // 4, column // 3), "rows": (row,), "one": ()}[scale]
            one = (
                scales.reshape(-1)[0]
                if not at
                else scales.reshape(6, -1)[row, 0]
                if len(at) == 1
                else scales[at]
            )
            assert found[row, column] == stored[row, column].float() * one


def test_blocks_as_transformers_has_them(tmp_path: Path) -> None:
    library = pytest.importorskip("transformers.integrations.finegrained_fp8")
    if not hasattr(getattr(library, "Fp8Dequantize", None), "_dequantize_one"):
        pytest.skip("an older transformers dequantises otherwise")
    stored, scales = random(8, 6, seed=1).to(torch.float8_e4m3fn), random(2, 2, seed=2).abs()
    tensors = named({"weight": stored, "weight_scale_inv": scales})
    found = base(tmp_path / "model", tensors, **BLOCKS).weight(PATH)
    assert torch.equal(found, library.Fp8Dequantize(None)._dequantize_one(stored, scales))


@pytest.mark.parametrize("shape", [(3, 3), (2, 2), (8,), (1, 8)])
def test_scales_of_what_is_not_known_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    stored = random(6, 8, seed=1).to(torch.float8_e4m3fn)
    tensors = named({"weight": stored, "weight_scale_inv": random(*shape, seed=2)})
    for settings in (BLOCKS, {}):
        with pytest.raises(BaseModelError, match="which number is of which entries is not known"):
            base(tmp_path / "model", tensors, **settings).weight(PATH)


def test_floats_of_eight_bits_alone(tmp_path: Path) -> None:
    stored = random(6, 8, seed=1).to(torch.float8_e4m3fn)
    assert torch.equal(
        base(tmp_path / "plain", named({"weight": stored})).weight(PATH), stored.float()
    )
    with pytest.raises(BaseModelError, match="float8_e4m3fn tensor; expected"):
        base(tmp_path / "scaled", named({"weight": stored}), **BLOCKS).weight(PATH)


@pytest.mark.parametrize("name", ["scale", "weight_scale_2", "weight.scale", "weight_absmax", "scaling_factor"])  # fmt: skip
def test_floats_of_eight_bits_beside_a_scale_of_another_name_are_refused(
    tmp_path: Path, name: str
) -> None:
    stored = random(6, 8, seed=1).to(torch.float8_e4m3fn)
    tensors = named({"weight": stored, name: torch.tensor(3.0)})
    with pytest.raises(BaseModelError, match=rf"beside .*{name}, a scale by its name"):
        base(tmp_path / "model", tensors).weight(PATH)
    both = tensors | named({"weight_scale": torch.tensor(2.0)})
    with pytest.raises(BaseModelError, match=rf"several scales .*weight_scale and .*{name}"):
        base(tmp_path / "both", both).weight(PATH)
    others = tensors | named({"input_scale": torch.tensor(3.0), "bias": random(6, seed=2)})
    del others[f"{PATH}.{name}"]
    assert torch.equal(base(tmp_path / "plain", others).weight(PATH), stored.float())


def test_experts_of_eight_bits_beside_their_scales_are_refused(tmp_path: Path) -> None:
    """transformers keeps them as ``experts.gate_up_proj`` and ``experts.gate_up_proj_scale_inv``."""
    stack = "model.layers.0.mlp.experts.up_proj"
    tensors = {
        stack: random(2, 6, 8, seed=1).to(torch.float8_e4m3fn),
        f"{stack}_scale_inv": random(2, 2, 3, seed=2).abs(),
    }
    with pytest.raises(BaseModelError, match=r"up_proj_scale_inv, a scale by its name"):
        base(tmp_path / "model", tensors).weight("model.layers.0.mlp.experts.1.up_proj", (6, 8))


def test_integers_beside_a_scale_are_not_taken_for_floats(tmp_path: Path) -> None:
    tensors = named(
        {"weight": torch.ones(6, 8, dtype=torch.int8), "weight_scale": torch.ones(6, 1)}
    )
    with pytest.raises(
        BaseModelError, match=r"int8 tensor beside .*expected a matrix of 8-bit floats"
    ):
        base(tmp_path / "model", tensors).weight(PATH)


INTS = torch.ones(6, 8, dtype=torch.int32)


@pytest.mark.parametrize(
    ("tensors", "settings", "who"),
    [
        ({"qweight": INTS, "qzeros": INTS.clone(), "scales": torch.ones(6, 8)}, {}, "GPTQ or AWQ"),
        (
            {"qweight": INTS, "scales": torch.ones(6, 8)},
            {"quantization_config": {"quant_method": "awq"}},
            "awq",
        ),
        ({"W_q": INTS, "scale": torch.ones(6)}, {}, "HQQ"),
        ({"weight._data": INTS, "weight._scale": torch.ones(6)}, {}, "quanto"),
        ({"weight": INTS, "scales": torch.ones(6, 8), "biases": torch.ones(6, 8)}, {}, "MLX"),
        ({"weight_packed": INTS, "weight_scale": torch.ones(6, 8)}, {}, "compressed-tensors"),
        ({"weight": INTS.to(torch.int8), "weight_scales": torch.ones(6)}, {}, "EETQ"),
    ],
)
def test_what_is_packed_otherwise_is_refused_by_name(
    tmp_path: Path, tensors: dict[str, Tensor], settings: dict[str, Any], who: str
) -> None:
    opened = base(
        tmp_path / "model", named(tensors), _name_or_path="owner/Name-7B-GPTQ", **settings
    )
    with pytest.raises(BaseModelError, match=f"is quantised by {who}.*may be owner/Name-7B$"):
        opened.weight(PATH)


def test_experts_in_four_bits_are_refused(tmp_path: Path) -> None:
    path = "model.layers.0.mlp.experts.down_proj"
    tensors = {f"{path}_blocks": torch.ones(2, 4, 1, 16, dtype=torch.uint8), f"{path}_scales": INTS}
    opened = base(tmp_path / "model", tensors)
    with pytest.raises(BaseModelError, match="MXFP4"):
        opened.tensors.get(path)


@pytest.mark.parametrize(
    ("bits", "symmetric", "group"), [(4, True, 32), (8, True, None), (4, False, 32)]
)
def test_compressed_tensors(tmp_path: Path, bits: int, symmetric: bool, group: int | None) -> None:
    library = pytest.importorskip("compressed_tensors.compressors")
    quantization = pytest.importorskip("compressed_tensors.quantization")
    w0 = random(64, 64, seed=1)
    weights = {
        "num_bits": bits, "type": "int", "symmetric": symmetric, "strategy": "group" if group else "channel",
        "group_size": group,
    }  # fmt: skip
    config = {"targets": ["Linear"], "weights": weights}
    scheme = quantization.QuantizationScheme(**config)
    parts = w0.reshape(64, -1, group or 64)
    top, low = parts.amax(-1), parts.amin(-1)
    scale = (
        (top - low) / (2**bits - 1)
        if not symmetric
        else parts.abs().amax(-1) / (2 ** (bits - 1) - 1)
    )
    state = {"weight": w0, "weight_scale": scale}
    if not symmetric:
        state["weight_zero_point"] = (-(2 ** (bits - 1)) - low / scale).round().to(torch.int8)
    compressor = library.BaseCompressor.get_value_from_registry("pack-quantized")
    packed = compressor.compress(state, scheme)
    said = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": {"group_0": config},
    }
    opened = base(tmp_path / "model", named(packed), quantization_config=said)
    found = opened.weight(PATH)
    assert torch.equal(found, compressor.decompress(packed, scheme)["weight"])
    assert (found - w0).norm() < 0.1 * w0.norm()
    two = said | {"config_groups": {"a": config, "b": config}}
    with pytest.raises(BaseModelError, match="of 2 groups"):
        base(tmp_path / "two", named(packed), quantization_config=two).weight(PATH)


@pytest.mark.parametrize(
    ("source", "settings", "expected"),
    [
        ("TheBloke/Llama-2-7B-GPTQ", {}, "TheBloke/Llama-2-7B"),
        ("x/Qwen2.5-7B-Instruct-AWQ", {}, "x/Qwen2.5-7B-Instruct"),
        ("x/Llama-3.1-8B-FP8-dynamic", {}, "x/Llama-3.1-8B"),
        ("x/Llama-3.1-8B-quantized.w8a8", {}, "x/Llama-3.1-8B"),
        ("unsloth/gemma-2b-unsloth-bnb-4bit", {}, "unsloth/gemma-2b"),
        ("x/y", {"quantization_config": {"model_name_or_path": "o/n"}}, "o/n"),
        ("x/y", {}, None),
    ],
)
def test_the_model_before(source: str, settings: dict[str, Any], expected: str | None) -> None:
    assert unquantised(source, settings) == expected


CARDS = {
    "a quantised model's": (
        "base_model: Qwen/Qwen3-8B\nbase_model_relation: quantized",
        "Qwen/Qwen3-8B",
    ),
    "its list": ("base_model:\n- 'Qwen/Qwen3-8B'\nquantized_by: someone", "Qwen/Qwen3-8B"),
    "of a tuned one": ("license: mit\nbase_model: Qwen/Qwen3-8B", "owner/Name-7B"),
    "of a merge": (
        "base_model:\n  - a/b\n  - c/d\nbase_model_relation: quantized",
        "owner/Name-7B",
    ),
    "without": ("license: mit", "owner/Name-7B"),
    "of no name": ("base_model: '[bold]x/y'\nquantized_by: me", "owner/Name-7B"),
}


@pytest.mark.parametrize("case", CARDS)
def test_the_card_names_the_model_before(tmp_path: Path, case: str) -> None:
    text, expected = CARDS[case]
    tensors = {"qweight": INTS, "qzeros": INTS.clone(), "scales": torch.ones(6, 8)}
    opened = base(tmp_path / "model", named(tensors), _name_or_path="owner/Name-7B-AWQ")
    card = f"---\n{text}\n---\nbase_model: not/this\n"
    (tmp_path / "model" / "README.md").write_text(card)
    with pytest.raises(BaseModelError, match=f"may be {expected}$") as caught:
        opened.weight(PATH)
    assert "\n" not in str(caught.value)


def test_a_folder_whose_card_alone_tells(tmp_path: Path) -> None:
    tensors = {"qweight": INTS, "qzeros": INTS.clone(), "scales": torch.ones(6, 8)}
    opened = base(tmp_path / "model", named(tensors))
    with pytest.raises(BaseModelError, match="pass --base with the unquantised model$"):
        opened.weight(PATH)
    (tmp_path / "model" / "README.md").write_text("---\nbase_model: o/n\n---\n")
    with pytest.raises(BaseModelError, match="with the unquantised model, which may be o/n$"):
        opened.weight(PATH)


@pytest.mark.parametrize(
    "state",
    [
        torch.tensor([1e9, -5.0]), torch.zeros(2, 2, dtype=torch.uint8),
        pytest.param(torch.ones(2, dtype=torch.complex64), marks=with_complex_files),
        torch.tensor(list(b'{"shape": [1000000, 1000000]}'), dtype=torch.uint8),
    ],
)  # fmt: skip
def test_a_state_that_is_none_or_of_more_numbers_than_are_stored(
    tmp_path: Path, state: Tensor
) -> None:
    tensors = named({
        "weight": torch.zeros(24, 1, dtype=torch.uint8), "weight.absmax": torch.ones(1),
        "weight.quant_state.bitsandbytes__nf4": state,
    })  # fmt: skip
    with pytest.raises(BaseModelError, match="broken quant_state"):
        base(tmp_path / "model", tensors).weight(PATH)


@with_complex_files
def test_a_scale_that_is_no_float_is_refused(tmp_path: Path) -> None:
    tensors = named({
        "weight": torch.ones(4, 4).to(torch.float8_e4m3fn),
        "weight_scale": torch.ones((), dtype=torch.complex64),
    })  # fmt: skip
    with pytest.raises(BaseModelError, match="expected floats"):
        base(tmp_path / "model", tensors).weight(PATH)


WHOLE = {
    "weight": torch.zeros(32, 1, dtype=torch.uint8), "weight.absmax": torch.ones(1),
    "weight.quant_map": torch.ones(16),
}  # fmt: skip
NESTED = WHOLE | {
    "weight.absmax": torch.zeros(1, dtype=torch.uint8), "weight.nested_absmax": torch.ones(1),
    "weight.nested_quant_map": torch.ones(256),
}  # fmt: skip


def stated(**settings: Any) -> dict[str, Tensor]:
    said = {
        "quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [8, 8],
        "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.5,
    } | settings  # fmt: skip
    state = torch.tensor(list(json.dumps(said).encode()), dtype=torch.uint8)
    return {"weight.quant_state.bitsandbytes__nf4": state}


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        (WHOLE | stated(), None),
        (NESTED | stated(), None),
        (WHOLE | {"weight": torch.zeros(1, 32, dtype=torch.uint8)} | stated(), None),
        (WHOLE | stated(shape=[8, 80]), "holds 32 numbers, expected 320"),
        (WHOLE | stated(shape=[]), "broken quant_state"),
        (WHOLE | stated(shape=[True, 64]), "broken quant_state"),
        (WHOLE | stated(blocksize=32), "absmax of .* holds 1 numbers, expected 2"),
        (WHOLE | stated(blocksize=7), "broken quant_state"),
        (WHOLE | stated(dtype="load"), "broken quant_state"),
        (WHOLE | stated(quant_type="fp4"), "broken quant_state"),
        (WHOLE | {"weight.absmax": torch.ones(1, dtype=torch.int32)} | stated(), "holds int32"),
        (WHOLE | {"weight.absmax": torch.ones(0)} | stated(), "holds 0 numbers, expected 1"),
        ({**WHOLE} | {"weight.nested_absmax": torch.ones(1)} | stated(), "holds float32, expected uint8"),
        (NESTED | {"weight.nested_quant_map": torch.ones(2)} | stated(), "holds 2 numbers, expected 256"),
        (NESTED | {"weight.nested_absmax": torch.ones(1).half()} | stated(), "holds float16"),
        (NESTED | stated(nested_blocksize=0), "broken quant_state"),
        (NESTED | stated(nested_dtype="x"), "broken quant_state"),
        (NESTED | stated(nested_offset="x"), "broken quant_state"),
    ],
)  # fmt: skip
def test_what_bitsandbytes_would_read_past_the_end_of(
    tmp_path: Path, tensors: Mapping[str, Tensor], why: str | None
) -> None:
    """Its own code is C and asks no size: the first of these ended the process."""
    pytest.importorskip("bitsandbytes")
    opened = base(tmp_path / "model", named(tensors))
    if why is None:
        assert opened.weight(PATH).shape == (8, 8)
        return
    with pytest.raises(BaseModelError, match=why):
        opened.weight(PATH)


@pytest.mark.parametrize(
    ("codes", "scale", "order"),
    [
        (torch.ones(4, 6), torch.ones(4), 0),
        (torch.ones(4, 6, dtype=torch.int8), torch.ones(6), 0),
        (torch.ones(4, dtype=torch.int8), torch.ones(4), 0),
        (torch.ones(4, 6, dtype=torch.int8), torch.ones(4, dtype=torch.int8), 0),
        (torch.ones(4, 6, dtype=torch.int8), torch.ones(4), [0, 0]),
    ],
)
def test_eight_bits_that_do_not_go_together(
    tmp_path: Path, codes: Tensor, scale: Tensor, order: Any
) -> None:
    pytest.importorskip("bitsandbytes")
    tensors = {"weight": codes, "SCB": scale, "weight_format": torch.tensor(order)}
    with pytest.raises(BaseModelError, match="expected a matrix of int8|as a GPU wants it"):
        base(tmp_path / "model", named(tensors)).weight(PATH)


@pytest.mark.parametrize(
    ("shape", "more", "why"),
    [
        (torch.tensor([8, 8]), {}, None),
        (torch.tensor([8, 7]), {}, None),
        (torch.tensor([10**6, 10**6]), {}, "expected two whole numbers that go with"),
        (torch.tensor(64), {}, "expected two whole numbers"),
        (torch.tensor([8.0, 8.0]), {}, "expected two whole numbers"),
        (torch.tensor([8, -8]), {}, "expected two whole numbers"),
        (torch.tensor([8, 8]), {"config_groups": 3}, "of 0 groups"),
        (torch.tensor([8, 8]), {"config_groups": {"a": 3}}, "cannot make|expected a mapping"),
        (torch.tensor([8, 8]), {"format": ["x"]}, "of 1 groups"),
        (torch.tensor([16, 4]), {}, "its parts do not go together|cannot make"),
    ],
)
def test_compressed_shapes_and_groups_of_other_types(
    tmp_path: Path, shape: Tensor, more: Mapping[str, Any], why: str | None
) -> None:
    pytest.importorskip("compressed_tensors")
    group = {
        "targets": ["Linear"],
        "weights": {"num_bits": 4, "type": "int", "strategy": "channel"},
    }
    said = {
        "quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"a": group}
    }  # fmt: skip
    tensors = {
        "weight_packed": torch.ones(8, 1, dtype=torch.int32), "weight_scale": torch.ones(8, 1), "weight_shape": shape
    }  # fmt: skip
    opened = base(tmp_path / "model", named(tensors), quantization_config=said | more)
    if why is None:
        assert opened.weight(PATH).shape == tuple(shape.tolist())
        return
    with pytest.raises(BaseModelError, match=why):
        opened.weight(PATH)


def test_what_a_scale_spreads_is_no_weight(tmp_path: Path) -> None:
    """One number of 8 bits beside a column of scales would be a whole matrix."""
    pytest.importorskip("compressed_tensors")
    weights = {"num_bits": 8, "type": "float", "strategy": "channel"}
    said = {
        "quant_method": "compressed-tensors", "format": "float-quantized",
        "config_groups": {"a": {"targets": ["Linear"], "weights": weights}},
    }  # fmt: skip
    tensors = {"weight": torch.ones(()).to(torch.float8_e4m3fn), "weight_scale": torch.ones(4, 1)}
    opened = base(tmp_path / "model", named(tensors), quantization_config=said)
    with pytest.raises(BaseModelError, match="its parts do not go together|cannot make"):
        opened.weight(PATH)


def test_a_library_fetches_nothing_when_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """bitsandbytes asks ``kernels`` for another's code, which that downloads and runs."""
    (tmp_path / "kernels.py").write_text("def get_kernel(): raise SystemExit('from the network')")
    (tmp_path / "eager_library.py").write_text(
        "import logging\n"
        "try:\n"
        "    from kernels import get_kernel\n"
        "    get_kernel()\n"
        "except ImportError as error:\n"
        "    logging.getLogger('bitsandbytes.backends').warning('Failed to load')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "kernels", raising=False)
    opened = base(tmp_path / "model", named(BNB))
    packed = Packed(f"{PATH}.weight", (), opened.tensors, {})
    assert library("eager_library", packed, "it").__name__ == "eager_library"
    assert not caplog.records
    assert "kernels" not in sys.modules
    assert importlib.import_module("kernels").get_kernel
    del sys.modules["kernels"], sys.modules["eager_library"]


@pytest.mark.parametrize(
    ("method", "parts"),
    [("aqlm", ("codes", "codebooks")), ("vptq", ("indices", "centroids.weight"))],
)
def test_parts_of_other_names_say_who_quantised(
    tmp_path: Path, method: str, parts: tuple[str, ...]
) -> None:
    tensors = named({name: random(4, 4, seed=1) for name in parts})
    settings = {"quantization_config": {"quant_method": method}, "_name_or_path": "owner/plain"}
    opened = base(tmp_path / "model", tensors, **settings)
    with pytest.raises(BaseModelError, match=rf"quantised by {method}, .* may be owner/plain"):
        opened.weight(PATH)
    with pytest.raises(BaseModelError, match="Is it the adapter's base model"):
        opened.weight("model.layers.7.self_attn.q_proj")
