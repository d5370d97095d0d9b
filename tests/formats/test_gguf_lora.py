"""llama.cpp's LoRA: W0 of either kind of base, what is not said is asked for, and what would be misread is refused."""

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import random
from made_formats import cases_of, deltas, made_by
from safetensors.torch import save_file
from torch import Tensor

import lora_lens as ll
from lora_lens.errors import AdapterError, BaseModelError, FileFormatError, LensError

pytest.importorskip("gguf")
MADE = made_by("gguf_lora")


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    cases_of("gguf_lora")["llama, F32"](tmp_path)
    return tmp_path


def weights(change: Any = lambda _, one: one) -> dict[str, Tensor]:
    """Of a whole model, by llama.cpp's names."""
    found = {}
    for layer in range(2):
        for seed, (own, (_, rows, columns)) in enumerate(MADE.MODULES.items()):
            found[f"blk.{layer}.{own}.weight"] = change(
                own, random(rows, columns, seed=70 * layer + seed)
            )
    return found


def turned(own: str, one: Tensor) -> Tensor:
    heads = {"attn_q": MADE.HEADS, "attn_k": MADE.GROUPS}.get(own)
    return MADE.pairs(one, heads) if heads else one


def test_w0_of_transformers_files_and_of_gguf_is_the_same(llama: Path) -> None:
    true = {
        f"model.layers.{name.split('.')[1]}.{MADE.MODULES[name.split('.')[2]][0]}": one
        for name, one in weights().items()
    }
    save_file({f"{p}.weight": one for p, one in true.items()}, llama / "base" / "model.safetensors")
    counts = {"head_count": MADE.HEADS, "head_count_kv": MADE.GROUPS}
    file = llama / "base.gguf"
    MADE.write(
        file, "llama", weights(turned), **{f"llama__attention__{k}": n for k, n in counts.items()}
    )
    for given in (llama / "base", file):
        adapter = ll.load_adapter(llama / "adapter" / "lora.gguf", given)
        base = ll.open_base(str(given))
        assert "q_proj" in adapter.modules
        for factors in adapter.modules.values():
            for place, path in enumerate(factors.names):
                assert torch.equal(base.w0(factors, place), true[path]), path
        assert (
            ll.spectrum(adapter, "q_proj", base=str(given), draws=0).layers[0].beside_w0 is not None
        )


def test_without_the_base_query_and_key_keep_llama_cpps_names(llama: Path) -> None:
    adapter = ll.load_adapter(llama / "adapter")
    assert {"attn_q", "attn_k", "v_proj", "o_proj"} <= set(adapter.modules)
    assert not {"q_proj", "k_proj"} & set(adapter.modules)
    assert any("in llama.cpp's order: pass --base" in note for note in adapter.notes)
    with_base = deltas(ll.load_adapter(llama / "adapter", llama / "base"))
    own = deltas(adapter)["blk.1.attn_k"]
    assert torch.equal(own, MADE.pairs(with_base["model.layers.1.self_attn.k_proj"], MADE.GROUPS))
    with pytest.raises(BaseModelError, match="attn_q"):
        ll.spectrum(adapter, "attn_q", base=str(base_of(llama)), ks=[1])


def base_of(folder: Path) -> Path:
    save_file(
        {"model.layers.0.self_attn.v_proj.weight": random(16, 32, seed=3)},
        folder / "base" / "model.safetensors",
    )
    return folder / "base"


def test_it_can_be_sent_and_a_folder_of_pefts_files_is_pefts(llama: Path) -> None:
    adapter = ll.load_adapter(llama / "adapter", llama / "base")
    assert deltas(pickle.loads(pickle.dumps(adapter))).keys() == deltas(adapter).keys()
    (llama / "adapter" / "adapter_config.json").write_text(
        json.dumps(
            {
                "peft_type": "LORA",
                "r": 2,
                "lora_alpha": 4,
                "base_model_name_or_path": str(llama / "base"),
            }
        )
    )
    path = "base_model.model.model.layers.0.self_attn.v_proj"
    one = {
        f"{path}.lora_A.weight": random(2, 32, seed=3),
        f"{path}.lora_B.weight": random(16, 2, seed=3),
    }
    save_file(one, llama / "adapter" / "adapter_model.safetensors")
    assert set(ll.load_adapter(llama / "adapter").modules) == {"v_proj"}
    # PEFT's configuration beside it names the base.
    assert "q_proj" in ll.load_adapter(llama / "adapter" / "lora.gguf").modules


def written(folder: Path, architecture: str = "qwen2", more: Any = (), **header: Any) -> Path:
    name = "blk.0.attn_v.weight"
    tensors = {
        f"{name}.lora_a": random(2, 6, seed=1),
        f"{name}.lora_b": random(5, 2, seed=2),
    } | dict(more)
    header = {key: said for key, said in (MADE.ADAPTER | header).items() if said is not None}
    MADE.write(folder / "one.gguf", architecture, tensors, **header)
    return folder / "one.gguf"


def test_scale_base_and_what_is_left_out(tmp_path: Path) -> None:
    more = {
        "token_embd.weight.lora_a": random(9, 2, seed=3), "token_embd.weight.lora_b": random(6, 2, seed=3),
        "blk.0.attn_norm.weight": random(6, seed=3), "blk.0.ffn_gate_inp.weight.lora_a": random(2, 6, seed=3),
        "blk.0.ffn_gate_inp.weight.lora_b": random(4, 2, seed=3),
    }  # fmt: skip
    url = "https://huggingface.co/Qwen/Qwen2-0.5B"
    adapter = ll.load_adapter(written(tmp_path, more=more, general__base_model__0__repo_url=url))
    assert adapter.base_model == "Qwen/Qwen2-0.5B"
    assert adapter.modules["v_proj"].scaling.tolist() == [12.0]
    assert set(adapter.left_out) == set(more)
    assert "table of tokens" in adapter.left_out["token_embd.weight.lora_a"]
    assert "norm" in adapter.left_out["blk.0.attn_norm.weight"]
    assert "not known" in adapter.left_out["blk.0.ffn_gate_inp.weight.lora_a"]
    elsewhere = "https://example.org/Qwen/Qwen2-0.5B"
    other = ll.load_adapter(written(tmp_path, general__base_model__0__repo_url=elsewhere))
    assert other.base_model is None
    zero = ll.load_adapter(written(tmp_path, adapter__lora__alpha=0.0))
    assert zero.modules["v_proj"].scaling.tolist() == [1.0]  # as llama.cpp takes it
    said = ll.load_adapter(written(tmp_path, adapter__alora__invocation_tokens="1"))
    assert any("aLoRA" in note for note in said.notes)


@pytest.mark.parametrize(("architecture", "header", "message"), [
    ("falcon", {}, "of the architecture 'falcon', expected one of llama, .*PEFT's files"),
    ("qwen2", {"general__type": "model"}, "say no LoRA: 'model'"),
    ("qwen2", {"general__type": None}, "say no LoRA: None"),
    ("qwen2", {"adapter__type": "control"}, "say no LoRA: 'adapter', 'control'"),
    ("qwen2", {"adapter__lora__alpha": None}, "is None, expected a finite number"),
    ("qwen2", {"adapter__lora__alpha": float("nan")}, "is 'nan', expected a finite number"),
])  # fmt: skip
def test_what_would_be_misread_is_refused(
    tmp_path: Path, architecture: str, header: dict[str, Any], message: str
) -> None:
    with pytest.raises(AdapterError, match=message):
        ll.load_adapter(written(tmp_path, architecture, **header))


def test_heads_that_do_not_fit_are_said(llama: Path) -> None:
    (llama / "base" / "config.json").write_text('{"model_type": "llama", "num_attention_heads": 3}')
    with pytest.raises(
        AdapterError, match="B of 16 rows, no multiple of two for each of the 3 heads"
    ):
        ll.load_adapter(llama / "adapter", llama / "base")


def test_one_head_of_keys_for_all_queries_is_a_number_of_heads(llama: Path) -> None:
    said = {"model_type": "llama", "num_attention_heads": 2, "num_key_value_heads": 1}
    (llama / "base" / "config.json").write_text(json.dumps(said))
    own = deltas(ll.load_adapter(llama / "adapter"))["blk.1.attn_k"]
    found = deltas(ll.load_adapter(llama / "adapter", llama / "base"))
    assert torch.equal(own, MADE.pairs(found["model.layers.1.self_attn.k_proj"], 1))


def test_bases_and_adapters_are_told_apart(llama: Path) -> None:
    file = llama / "base.gguf"
    MADE.write(file, "qwen2", weights())
    with pytest.raises(
        AdapterError, match=r"is a GGUF file of a whole model .*pass this one as --base"
    ):
        ll.load_adapter(file)
    with pytest.raises(BaseModelError, match=r"is an adapter of llama\.cpp's, and no base model"):
        ll.open_base(str(llama / "adapter" / "lora.gguf"))


@pytest.mark.parametrize("size", [0, 3, 40, 400, 4000])
def test_a_file_that_is_cut_short_is_said(llama: Path, size: int) -> None:
    file = llama / "adapter" / "lora.gguf"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(FileFormatError, match="is not a whole GGUF file"):
        ll.load_adapter(file)


def test_without_the_library_it_says_so(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(LensError, match=r"is GGUF: pip install .*PEFT's files"):
        ll.load_adapter(llama / "adapter")
