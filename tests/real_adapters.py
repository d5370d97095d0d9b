"""Adapters made by libraries that are not installed with the tests: files and that library's own ΔW, kept in ``real``.

    python tests/real_adapters.py loralib|litgpt|torchtune|adapterhub|lycoris|mlx

writes one library's again, where it is installed. ``delta.safetensors`` has ΔW by the path that lora-lens
gives the module, of a fused projection only the rows that were trained, in float64; ``base`` W0, where ΔW is made of it.
"""

import json
import shutil
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


def torchtune(folder: Path, *, dora: bool) -> Mapping[str, Tensor]:
    """A Llama of torchtune's by its own checkpointer's names; ΔW is what the tuned layers add to the unit vectors."""
    from torchtune.models.llama3 import lora_llama3
    from torchtune.modules.peft import DoRALinear, LoRALinear, get_adapter_state_dict

    model = lora_llama3(
        ["q_proj", "v_proj"], apply_lora_to_mlp=True, vocab_size=9, num_layers=2, num_heads=4, num_kv_heads=2,
        embed_dim=8, max_seq_len=4, intermediate_dim=12, lora_rank=2, lora_alpha=5,
        use_dora=dora,
    )  # fmt: skip
    filled(model)
    torch.save(get_adapter_state_dict(model.state_dict()), folder / "adapter_model.pt")
    config = {"r": 2, "lora_alpha": 5, "target_modules": ["q_proj", "v_proj", "w1", "w2", "w3"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    model.double()
    found, base = {}, {}
    for path, layer in model.named_modules():
        if isinstance(layer, (LoRALinear, DoRALinear)):
            base[f"{path}.weight"] = layer.weight.data.float()
            unit = torch.eye(layer.in_dim, dtype=torch.float64)
            with torch.no_grad():
                found[path] = (layer(unit) - torch.nn.functional.linear(unit, layer.weight)).T
    if dora:
        _save_base(folder, base)
    return found


def _save_base(folder: Path, base: dict[str, Tensor], kind: str = "llama") -> None:
    """W0, where ΔW is made of it."""
    (folder / "base").mkdir(exist_ok=True)
    save_file(base, folder / "base" / "model.safetensors")
    (folder / "base" / "config.json").write_text(json.dumps({"model_type": kind}))


def adapterhub(folder: Path, kind: str) -> Mapping[str, Tensor]:
    """A model tuned by ``adapters``; ΔW as merging adds it, of fused projections query and value."""
    import adapters
    import transformers as hf
    from adapters.wrappers.interfaces import get_adapter_interface

    sizes = {
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "vocab_size": 9,
    }
    if kind == "gpt2":
        config: Any = hf.GPT2Config(n_embd=8, n_layer=2, n_head=2, vocab_size=9, n_positions=6)
    elif kind == "modernbert":
        config = hf.ModernBertConfig(**sizes, pad_token_id=0)
    elif kind != "eat":
        config = hf.AutoConfig.for_model(kind, **sizes)
    model: Any = eat() if kind == "eat" else hf.AutoModel.from_config(config)
    adapters.init(model, interface=get_adapter_interface(kind))
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
        found[path] = delta.T if kind == "gpt2" else delta
        if path.endswith(("c_attn", "Wqkv", "qkv")):
            assert not found[path][8:16].any()
            found[path] = torch.cat([found[path][:8], found[path][16:]])
    return found


def eat() -> Any:
    """Modules of the names that the library's own interface for EAT has; the model itself is in no library.

    It is the one architecture of ``adapters`` 1.3 whose fused projection is called ``qkv``.
    """
    from torch.nn import LayerNorm, Linear, Module, ModuleDict, ModuleList
    from transformers import PretrainedConfig, PreTrainedModel

    class Config(PretrainedConfig):
        model_type = "eat"

    class Audio(PreTrainedModel):
        config_class = Config

        def __init__(self) -> None:
            super().__init__(Config(hidden_size=8, num_hidden_layers=2, num_attention_heads=2))
            blocks = [
                ModuleDict({
                    "norm1": LayerNorm(8),
                    "attn": ModuleDict({"qkv": Linear(8, 24), "proj": Linear(8, 8)}),
                    "norm2": LayerNorm(8),
                    "mlp": ModuleDict({"fc1": Linear(8, 12), "fc2": Linear(12, 8)}),
                })
                for _ in range(2)
            ]  # fmt: skip
            self.model = Module()
            self.model.local_encoder = Linear(4, 8)
            self.model.blocks = ModuleList(blocks)

    return Audio()


def adapterhub_dora(folder: Path) -> Mapping[str, Tensor]:
    """DoRA of a BERT by ``adapters``, one of s = 1 and one of 3; ΔW is what its layers do with the unit vectors.

    Where s is 1 merging does the same; elsewhere it leaves s out.
    """
    import adapters
    from transformers import BertConfig, BertModel

    model: Any = BertModel(BertConfig(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, vocab_size=9,
    ))  # fmt: skip
    adapters.init(model)
    alpha = 6 if folder.name.endswith("scaled") else 2
    settings = adapters.DoRAConfig(r=2, alpha=alpha, intermediate_lora=True, output_lora=True)
    model.add_adapter("mine", config=settings)
    filled(model)
    model.save_adapter(str(folder), "mine")
    model.set_active_adapters("mine")
    model.double().eval()
    found, base = {}, {}
    for path, layer in model.named_modules():
        if "mine" not in getattr(layer, "loras", {}):
            continue
        w0 = layer.weight.data.clone()
        base[f"{path}.weight"] = w0.float()
        unit = torch.eye(layer.in_features, dtype=torch.float64)[None]
        with torch.no_grad():  # the bias is rescaled too
            found[path] = (layer(unit) - layer(0 * unit))[0].T - w0
        layer.merge_adapter("mine")
        same = torch.allclose(layer.weight.data - w0, found[path], rtol=1e-9)
        assert same == (alpha == 2)
    _save_base(folder, base, "bert")
    return found


def lycoris(folder: Path) -> Mapping[str, Tensor]:
    """DoRA, DoHa and DoKr of linear layers and convolutions over either axis; ΔW as LyCORIS merges it into W0.

    LoHa's s is 1: LyCORIS 4.1.3 multiplies by it once where it trains, and twice where it merges.
    """
    from lycoris.modules.locon import LoConModule
    from lycoris.modules.loha import LohaModule
    from lycoris.modules.lokr import LokrModule

    places = {
        "mid_block.attentions.0.proj_in": (LoConModule, torch.nn.Linear(6, 8), {}),
        "mid_block.attentions.0.proj_out": (LoConModule, torch.nn.Linear(6, 6), {}),
        "mid_block.resnets.0.conv1": (LoConModule, torch.nn.Conv2d(4, 6, (3, 2)), {}),
        "mid_block.resnets.0.conv2": (LoConModule, torch.nn.Conv2d(4, 6, 3), {"use_tucker": True}),
        "mid_block.attentions.0.to_q": (LohaModule, torch.nn.Linear(8, 6), {"alpha": 2}),
        "mid_block.resnets.0.conv_shortcut": (
            LohaModule,
            torch.nn.Conv2d(4, 6, 3),
            {"use_tucker": True, "alpha": 2},
        ),
        "mid_block.attentions.0.to_k": (LokrModule, torch.nn.Linear(8, 6), {"factor": 2}),
        "mid_block.attentions.0.to_v": (LokrModule, torch.nn.Linear(8, 6), {"lora_dim": 99}),
    }
    tensors, base, found = {}, {}, {}
    for by_row in (True, False):
        for path, (kind, layer, more) in places.items():
            own = path if by_row else path.replace("mid_block", "down_blocks.0")
            filled(layer)
            settings = {
                "lora_dim": 2,
                "alpha": 3,
                "weight_decompose": True,
                "wd_on_out": by_row,
            } | more
            module = kind("lora", layer.double(), 1.0, **settings).double()
            filled(module, 0.3)
            module.dora_scale = torch.nn.Parameter(0.2 + module.dora_scale.data.abs())
            name = f"lora_unet_{own.replace('.', '_')}"
            for part, tensor in module.custom_state_dict().items():
                tensors[f"{name}.{part}"] = tensor.detach().clone().contiguous()
            w0 = layer.weight.data
            base[f"{own}.weight"] = w0.clone()
            found[f"unet.{own}"] = (module.get_merged_weight()[0].detach() - w0).flatten(1)
    save_file(tensors, folder / "style.safetensors")
    (folder / "base" / "unet").mkdir(parents=True, exist_ok=True)
    save_file(base, folder / "base" / "unet" / "diffusion_pytorch_model.safetensors")
    (folder / "base" / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    return found


def mlx(folder: Path) -> Mapping[str, Tensor]:
    """DoRA of linear layers and of an embedding by MLX-LM; ΔW as fusing adds it."""
    import mlx.core as mx
    import numpy as np
    from mlx import nn
    from mlx.utils import tree_flatten
    from mlx_lm.tuner.dora import DoRAEmbedding, DoRALinear

    mx.set_default_device(mx.cpu)
    mx.random.seed(3)
    tensors: dict[str, Any] = {}
    base, found = {}, {}
    for layer in (2, 3):
        for module, rows in (("q_proj", 16), ("v_proj", 4)):
            path = f"model.layers.{layer}.self_attn.{module}"
            plain = nn.Linear(16, rows, bias=False)
            plain.weight = mx.random.normal((rows, 16))
            one = DoRALinear.from_base(plain, r=3, scale=5.0)
            one.lora_b = mx.random.normal(one.lora_b.shape)
            one.m = one.m * mx.random.uniform(0.5, 2.0, one.m.shape)
            own = {
                key: value for key, value in tree_flatten(one.parameters()) if "linear" not in key
            }
            tensors |= {f"{path}.{key}": value for key, value in own.items()}
            base[f"{path}.weight"] = torch.from_numpy(np.array(plain.weight))
            fused = torch.from_numpy(np.array(one.fuse().weight))
            found[path] = fused.double() - base[f"{path}.weight"].double()
    table = DoRAEmbedding.from_base(nn.Embedding(7, 16), r=3, scale=5.0)
    own = {key: value for key, value in tree_flatten(table.parameters()) if "embedding" not in key}
    tensors |= {f"model.embed_tokens.{key}": value for key, value in own.items()}
    mx.save_safetensors(str(folder / "adapters.safetensors"), tensors)
    config = {
        "fine_tune_type": "dora",
        "lora_parameters": {"rank": 3, "dropout": 0.0, "scale": 5.0},
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    _save_base(folder, base)
    return found


MADE: Mapping[str, Callable[[Path], Mapping[str, Tensor]]] = {
    "loralib": loralib,
    "litgpt": lambda folder: litgpt(folder, "tiny-llama-1.1b", "grouped"),
    "litgpt fused": lambda folder: litgpt(folder, "pythia-14m", "fused"),
    "torchtune": lambda folder: torchtune(folder, dora=False),
    "torchtune dora": lambda folder: torchtune(folder, dora=True),
    "lycoris": lycoris,
    "mlx": mlx,
    "adapterhub": lambda folder: adapterhub(folder, "bert"),
    "adapterhub gpt2": lambda folder: adapterhub(folder, "gpt2"),
    "adapterhub modernbert": lambda folder: adapterhub(folder, "modernbert"),
    "adapterhub deberta": lambda folder: adapterhub(folder, "deberta"),
    "adapterhub eat": lambda folder: adapterhub(folder, "eat"),
    "adapterhub dora": adapterhub_dora,
    "adapterhub dora scaled": adapterhub_dora,
}


def kept(name: str, folder: Path) -> Mapping[str, Tensor]:
    """Put one's files into ``adapter`` of a folder, and give its ΔW."""
    (folder / "adapter").mkdir()
    here = KEPT / name.replace(" ", "_")
    for file in here.iterdir():
        if file.is_file() and file.name != "delta.safetensors":
            (folder / "adapter" / file.name).write_bytes(file.read_bytes())
    if (here / "base").is_dir():
        shutil.copytree(here / "base", folder / "base")
    else:
        (folder / "base").mkdir()
    return load_file(KEPT / name.replace(" ", "_") / "delta.safetensors")


if __name__ == "__main__":
    for name, make in MADE.items():
        if name.startswith(sys.argv[1]):
            place = KEPT / name.replace(" ", "_")
            place.mkdir(parents=True, exist_ok=True)
            deltas = {path: delta.contiguous() for path, delta in make(place).items()}
            save_file(deltas, place / "delta.safetensors")
