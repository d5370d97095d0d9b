"""Adapters made by libraries that are not installed with the tests: files and that library's own ΔW, kept in ``real``.

    python tests/real_adapters.py loralib|litgpt|torchtune|adapterhub

writes one library's again, where it is installed. ``delta.safetensors`` has ΔW by the path that lora-lens
gives the module, of a fused projection only the rows that were trained, in float64.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

KEPT = Path(__file__).parent / "formats" / "real"


def filled(model: torch.nn.Module, numbers: float = 0.5) -> None:
    """Every parameter random, B too."""
    generator = torch.Generator().manual_seed(11)
    for parameter in model.parameters():
        parameter.data = numbers * torch.randn(parameter.shape, generator=generator)


def loralib(folder: Path) -> Mapping[str, Tensor]:
    """A Linear, MergedLinears of two and of all three blocks, an embedding; ΔW as merging adds it to W0."""
    import loralib as lora

    def layer() -> torch.nn.ModuleDict:
        both, all_three = [True, False, True], [True, True, True]
        return torch.nn.ModuleDict({
            "c_attn": lora.MergedLinear(6, 12, r=2, lora_alpha=6, enable_lora=both, fan_in_fan_out=True),
            "qkv": lora.MergedLinear(6, 12, r=2, lora_alpha=6, enable_lora=all_three),
            "c_proj": lora.Linear(6, 5, r=2, lora_alpha=6),
        })  # fmt: skip

    model = torch.nn.ModuleDict({
        "h": torch.nn.ModuleList([layer(), layer()]), "wte": lora.Embedding(7, 6, r=2, lora_alpha=6),
    })  # fmt: skip
    filled(model)
    torch.save(lora.lora_state_dict(model, bias="lora_only"), folder / "lora.pt")
    config = {"lora_alpha": 6, "enable_lora": {"c_attn": [True, False, True], "qkv": [True] * 3}}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    model.double()
    found = {}
    for number, one in enumerate(model["h"]):
        for name, module in one.items():
            before = module.weight.data.clone()
            module.eval()
            delta = module.weight.data - before
            if name == "c_attn":
                delta = delta.T
                assert not delta[4:8].any()
                delta = torch.cat([delta[:4], delta[8:]])
            found[f"h.{number}.{name}"] = delta
    return found


def litgpt(folder: Path, name: str, kind: str) -> Mapping[str, Tensor]:
    """A model of LitGPT's, tuned but for its embeddings; ΔW as merging adds it."""
    from litgpt.lora import GPT, Config, merge_lora_weights
    from litgpt.utils import save_config

    roles = {"lora_query": True, "lora_key": kind == "grouped", "lora_value": True}
    settings = roles | {
        "lora_r": 2,
        "lora_alpha": 7,
        "lora_projection": True,
        "lora_mlp": True,
        "lora_head": True,
    }
    sizes = {
        "n_layer": 2, "n_head": 4, "n_embd": 8, "n_query_groups": 2 if kind == "grouped" else 4, "head_size": 2,
        "intermediate_size": 12, "vocab_size": 9, "padded_vocab_size": 9, "block_size": 4,
    }  # fmt: skip
    config = Config.from_name(name, **settings, **sizes)
    model = GPT(config)
    filled(model)
    # As finetune/lora.py saves it.
    kept = {name: one for name, one in model.state_dict().items() if "lora_" in name}
    torch.save({"model": kept}, folder / "lit_model.pth.lora")
    save_config(config, folder)
    lines = [f"{key}: {json.dumps(value)}" for key, value in settings.items()]
    (folder / "hyperparameters.yaml").write_text("\n".join(lines) + "\n")
    model.double()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    merge_lora_weights(model)
    after, found = model.state_dict(), {}
    for full, one in after.items():
        if (
            full.endswith(".linear.weight")
            and f"{full.removesuffix('linear.weight')}lora_A" in before
        ):
            found |= _apart(full.removesuffix(".linear.weight"), one - before[full], config)
    return found


def _apart(path: str, delta: Tensor, config: Any) -> dict[str, Tensor]:
    """ΔW by the names of the model that was converted, where that has query, key and value apart."""
    llama = config.mlp_class_name == "LLaMAMLP"
    if path.endswith("attn.qkv"):
        size = config.head_size
        rows = delta.split([size * config.n_head, *[size * config.n_query_groups] * 2])
        on = [config.lora_query, config.lora_key, config.lora_value]
        trained = [(letter, part) for letter, part, one in zip("qkv", rows, on, strict=True) if one]
        if not llama:
            return {path: torch.cat([part for _, part in trained])}
        layer = path.split(".")[2]
        return {f"model.layers.{layer}.self_attn.{letter}_proj": part for letter, part in trained}
    names = {"attn.proj": "self_attn.o_proj", "mlp.fc_1": "mlp.gate_proj", "mlp.fc_2": "mlp.up_proj",
             "mlp.proj": "mlp.down_proj"}  # fmt: skip
    if not llama or path == "lm_head":
        return {path: delta}
    _, _, layer, rest = path.split(".", 3)
    return {f"model.layers.{layer}.{names[rest]}": delta}


def torchtune(folder: Path) -> Mapping[str, Tensor]:
    """A Llama of torchtune's by its own checkpointer's names; ΔW is what the tuned layers add to the unit vectors."""
    from torchtune.models.llama3 import lora_llama3
    from torchtune.modules.peft import LoRALinear, get_adapter_state_dict

    model = lora_llama3(
        ["q_proj", "v_proj"], apply_lora_to_mlp=True, vocab_size=9, num_layers=2, num_heads=4, num_kv_heads=2,
        embed_dim=8, max_seq_len=4, intermediate_dim=12, lora_rank=2, lora_alpha=5,
    )  # fmt: skip
    filled(model)
    torch.save(get_adapter_state_dict(model.state_dict()), folder / "adapter_model.pt")
    config = {"r": 2, "lora_alpha": 5, "target_modules": ["q_proj", "v_proj", "w1", "w2", "w3"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    model.double()
    found = {}
    for path, layer in model.named_modules():
        if isinstance(layer, LoRALinear):
            unit = torch.eye(layer.in_dim, dtype=torch.float64)
            with torch.no_grad():
                found[path] = (layer(unit) - torch.nn.functional.linear(unit, layer.weight)).T
    return found


def adapterhub(folder: Path, kind: str) -> Mapping[str, Tensor]:
    """A model tuned by ``adapters``; ΔW as merging adds it, of GPT-2's ``c_attn`` query and value."""
    import adapters
    from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

    if kind == "bert":
        model: Any = BertModel(BertConfig(
            hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, vocab_size=9,
        ))  # fmt: skip
    else:
        model = GPT2Model(GPT2Config(n_embd=8, n_layer=2, n_head=2, vocab_size=9, n_positions=6))
    adapters.init(model)
    both = adapters.LoRAConfig(r=2, alpha=6, intermediate_lora=True, output_lora=True)
    model.add_adapter("mine", config=both)
    filled(model)
    model.save_adapter(str(folder), "mine")
    model.double()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    model.merge_adapter("mine")
    found = {}
    for name, one in model.state_dict().items():
        path = name.removesuffix(".weight")
        if f"{path}.loras.mine.lora_A" not in before:
            continue
        delta = one - before[name]
        found[path] = delta if kind == "bert" else delta.T
        if path.endswith("c_attn"):
            assert not found[path][8:16].any()
            found[path] = torch.cat([found[path][:8], found[path][16:]])
    return found


MADE: Mapping[str, Callable[[Path], Mapping[str, Tensor]]] = {
    "loralib": loralib,
    "litgpt": lambda folder: litgpt(folder, "tiny-llama-1.1b", "grouped"),
    "litgpt fused": lambda folder: litgpt(folder, "pythia-14m", "fused"),
    "torchtune": torchtune,
    "adapterhub": lambda folder: adapterhub(folder, "bert"),
    "adapterhub gpt2": lambda folder: adapterhub(folder, "gpt2"),
}


def kept(name: str, folder: Path) -> Mapping[str, Tensor]:
    """Put one's files into ``adapter`` of a folder, and give its ΔW."""
    (folder / "adapter").mkdir()
    (folder / "base").mkdir()
    for file in (KEPT / name.replace(" ", "_")).iterdir():
        if file.name != "delta.safetensors":
            (folder / "adapter" / file.name).write_bytes(file.read_bytes())
    return load_file(KEPT / name.replace(" ", "_") / "delta.safetensors")


if __name__ == "__main__":
    for name, make in MADE.items():
        if name.startswith(sys.argv[1]):
            place = KEPT / name.replace(" ", "_")
            place.mkdir(parents=True, exist_ok=True)
            deltas = {path: delta.contiguous() for path, delta in make(place).items()}
            save_file(deltas, place / "delta.safetensors")
