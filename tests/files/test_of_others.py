"""Files of libraries whose adapters are not read are told by their names, in one line with what to do."""

from pathlib import Path

import pytest
import torch
from checkpoints import random, write_config
from safetensors.torch import save_file
from torch import Tensor

from lora_lens import load_adapter
from lora_lens.errors import AdapterError
from lora_lens.files.peft_names import CONFIG

FILES = {
    "lora.nemo": "NeMo 1's archive.*convert_nemo_to_canonical.py --hf_format", "adapters.npz": r"MLX-LM.*adapters\.safetensors",
    "model.lora_weights.npy": "TensorRT-LLM", "gemma.lora.h5": "Keras's.*turned over.*EinsumDense", "model.keras": "Keras's",
    "flax_model.msgpack": r"JAX's.*lora_A, \(rank, in\)", "__0_0.distcp": "dcp_to_torch_save", "lora.zip": "unpack it",
    "lora.tar.gz": "unpack it", "lora.onnx": "another runtime", "lora_model_state.pdparams": "PaddlePaddle's.*turned over",
    "peft_model.safetensors.index.json": "PaddlePaddle's.*r times its scaling",
}  # fmt: skip


@pytest.mark.parametrize(("name", "said"), FILES.items())
def test_a_file_and_its_folder_are_told(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    if not name.endswith(".index.json"):  # which stands for its folder
        with pytest.raises(AdapterError, match=f"{name} is {said}|{name} is .*{said}"):
            load_adapter(tmp_path / name)
    with pytest.raises(
        AdapterError, match=f"no adapter_config.json, but {name}, which is .*{said}|{said}"
    ):
        load_adapter(tmp_path)
    write_config(tmp_path, base=None, r=2)
    with pytest.raises(AdapterError, match=f"but {name}, which is"):
        load_adapter(tmp_path)


@pytest.mark.parametrize(("name", "said"), [
    ("zero_to_fp32.py", "DeepSpeed's.*run it"), ("manifest.ocdbt", "Orbax"), ("adapter_shards", "neuron consolidate"),
    ("_CHECKPOINT_METADATA", "Orbax"), ("pytorch_model_fsdp_0", "accelerate merge-weights"),
    ("mp_rank_00_model_states.pt", "name that file itself"), ("model_weights.ckpt", "NeMo 1's.*convert_nemo_to_canonical"),
    ("zero_pp_rank_0_mp_rank_00_model_states.pt", "ZeRO-3.*zero_to_fp32"),
])  # fmt: skip
def test_folders_of_parts_are_told(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(AdapterError, match=f"but {name}, which is .*{said}|{said}"):
        load_adapter(tmp_path)


@pytest.mark.parametrize(("file", "said"), [
    ("weights/__0_0.distcp", "NeMo 2 .*export_lora, .*AutoBridge.export_adapter_ckpt"), ("iter_0000100/.metadata", "$"),
    ("iter_0000100/__0_0.distcp", "Megatron-Bridge by AutoBridge"), ("assets/words.zip", "$"),
    ("global_step10/mp_rank_00_model_states.pt", "name that file itself"), ("last.ckpt", "name that file"),
])  # fmt: skip
@pytest.mark.parametrize("configured", [False, True])
def test_a_folder_says_where_the_weights_may_be(
    tmp_path: Path, file: str, said: str, configured: bool
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(b"anything")
    if configured:
        write_config(tmp_path, base=None, r=2)
    shown = "" if said == "$" else rf"(, but {file}, which is|; if one is in {file}).*"
    with pytest.raises(
        AdapterError, match=rf"{'nor .bin.' if configured else CONFIG}{shown}{said}"
    ):
        load_adapter(tmp_path)


def test_a_ckpt_is_read_where_it_is_named(tmp_path: Path) -> None:
    name = "lora_unet_mid_block_attentions_0_proj_in"
    pair = {
        f"{name}.lora_down.weight": random(2, 5, seed=1),
        f"{name}.lora_up.weight": random(6, 2, seed=2),
    }
    torch.save(pair, tmp_path / "style.ckpt")
    assert set(load_adapter(tmp_path / "style.ckpt").modules) == {"proj_in"}


PROJECTION = "language_model.model.layers.0.self_attn.q_proj"


@pytest.mark.parametrize(("tensors", "said"), [
    ({"layer.0.query.loras.mine.vera_D": (2, 2)}, "VeRA of the library adapters.*merge it"),
    ({"unet:0:up": (6, 2), "unet:0:down": (2, 5)}, "cloneofsimo's.*lora_add"), ({"emb_params": (4, 8)}, "textual inversion"),
    ({f"{PROJECTION}.A": (5, 2), f"{PROJECTION}.B": (2, 6)}, "MLX-VLM's.*lora_alpha"),
    ({"transformer.x.to_q.lora_A": (5, 2), "transformer.x.to_q.lora_B": (2, 6)}, "which are not loralib's.*turned over"),
    ({"model.layers.0.attention.wq.mindpet_delta_lora_a": (2, 5)}, "MindFormers.*as they lie as PEFT's lora_A and lora_B"),
    ({"h.0.q_proj.lora_left_weight": (2, 6), "h.0.q_proj.lora_right_weight": (5, 2)}, "DeepSpeed-Chat's.*both turned over"),
    ({"h.0.q_proj.lora_weight_1.weight": (2, 5), "h.0.q_proj.lora_weight_2.weight": (6, 2)}, "OptimizedLinear.*lora_r as r"),
    ({"encoder.layers.0.adapter_layer.linear_1.weight": (2, 5), "encoder.layers.0.adapter_layer.linear_2.weight": (5, 2)}, "MMS's"),
    ({"layers.0.adapter_layer.lora_kqv_adapter.linear_in.weight": (2, 5)}, "NeMo 1's.*convert_nemo_to_canonical"),
    ({"layers.0.linear_qkv.adapter.linear_in.weight": (2, 5)}, "llm.peft.export_lora.*AutoBridge"),
])  # fmt: skip
def test_tensors_are_told_by_their_names(
    tmp_path: Path, tensors: dict[str, tuple[int, int]], said: str
) -> None:
    numbers: dict[str, Tensor] = {name: random(*shape, seed=1) for name, shape in tensors.items()}
    save_file(numbers, tmp_path / "one.safetensors")
    with pytest.raises(AdapterError, match=said):
        load_adapter(tmp_path / "one.safetensors")


def test_factors_of_a_square_layer_that_are_turned_over_are_not_taken_for_loralibs(
    tmp_path: Path,
) -> None:
    one = {"x.to_q.lora_A": random(24, 2, seed=1), "x.to_q.lora_B": random(2, 24, seed=2)}
    save_file(one, tmp_path / "lora.safetensors")
    (tmp_path / "adapter_config.json").write_text('{"lora_alpha": 4}')
    with pytest.raises(AdapterError, match="A of 24x2 and B of 2x24, which are not loralib's"):
        load_adapter(tmp_path)


def test_a_configuration_of_another_library_beside_it_is_followed(tmp_path: Path) -> None:
    one = {"x.q_proj.lora_A": random(24, 2, seed=1), "x.q_proj.lora_B": random(2, 24, seed=2)}
    save_file(one, tmp_path / "peft_model-00001-of-00001.safetensors")
    (tmp_path / "lora_config.json").write_text('{"r": 2, "scaling": 2.0}')
    with pytest.raises(
        AdapterError, match=r"the r of lora_config.json and, as lora_alpha, r times"
    ):
        load_adapter(tmp_path / "peft_model-00001-of-00001.safetensors")
    own = {"x.q_proj.lora_a": random(2, 24, seed=1), "x.q_proj.lora_b": random(24, 2, seed=2)}
    save_file(own, tmp_path / "adapter_model.safetensors")
    (tmp_path / "mindformers_adapter_config.json").write_text("{}")
    with pytest.raises(AdapterError, match=r"MindFormers': save lora_a and lora_b as they lie"):
        load_adapter(tmp_path / "adapter_model.safetensors")


def test_what_a_header_says_of_alpha_is_told(tmp_path: Path) -> None:
    one = {"x.q_proj.lora_A": random(2, 24, seed=1), "x.q_proj.lora_B": random(24, 2, seed=2)}
    file = tmp_path / "lora.safetensors"
    save_file(one, file, metadata={"lora_config": '{"rank": 2, "alpha": 8}'})
    with pytest.raises(AdapterError, match=r'header says lora_config \{"rank": 2, "alpha": 8\}'):
        load_adapter(file)


def test_a_state_of_training_and_x_lora_are_told(tmp_path: Path) -> None:
    torch.save({"state": {0: {"a": torch.ones(2)}}, "step": 1}, tmp_path / "optim_states.pt")
    with pytest.raises(AdapterError, match="no tensors by name.*zero_to_fp32"):
        load_adapter(tmp_path / "optim_states.pt")
    folder = tmp_path / "x"
    write_config(folder, base=None, r=2, peft_type="XLORA")
    save_file(
        {"internal_xlora_classifier.weight": torch.ones(2, 2)}, folder / "adapter_model.safetensors"
    )
    with pytest.raises(AdapterError, match="is X-LoRA.*name the folder of one"):
        load_adapter(folder)
