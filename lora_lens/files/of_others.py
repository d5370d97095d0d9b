"""Files of libraries whose adapters are not read: what they are by their names, and what makes files of them that are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

NEMO_1 = "its scripts/checkpoint_converters/lora_converters/convert_nemo_to_canonical.py --hf_format turns it into PEFT's"
MEGATRONS = (
    "NeMo 2 turns it into PEFT's by llm.peft.export_lora, and Megatron-Bridge by AutoBridge.export_adapter_ckpt(peft_checkpoint=…, "
    "output_path=…)"
)
_MEGATRON = f"NeMo 1's archive, whose names and rows are Megatron's; {NEMO_1}"
_UNPACKED = f"NeMo 1's, of an archive that was unpacked; {NEMO_1}"
_KERAS = (
    "Keras's; lora-lens reads no HDF5: of a Dense save lora_kernel_a and lora_kernel_b, turned over, as PEFT's lora_A and lora_B, "
    "beside an adapter_config.json with r and lora_alpha (r where Keras was given none); of an EinsumDense, KerasHub's attention, "
    "they are of each head by itself, and no two such factors: merge it and extract a LoRA"
)
_JAX = "JAX's; save its factors as PEFT's lora_A, (rank, in), and lora_B, (out, rank), beside its adapter_config.json"
_NUMPY = (
    "NumPy's; where MLX-LM saved it, write its arrays by safetensors.numpy.save_file as adapters.safetensors, beside its "
    "adapter_config.json; where TensorRT-LLM did, take PEFT's files that it was made of"
)
_PADDLE = (
    "PaddlePaddle's; of a LoRA whose lora_config.json says no pissa, save each lora_A and lora_B, turned over, as PEFT's, "
    "(rank, in) and (out, rank), beside an adapter_config.json with its r and as lora_alpha r times its scaling"
)
_SHARDS = (
    "a part of PyTorch's distributed checkpoint, which torch.distributed.checkpoint.format_utils.dcp_to_torch_save makes "
    f"one file of; where Megatron's names are in it, {MEGATRONS}"
)
_ARCHIVE = "an archive; unpack it, and name the folder"
_RUNTIME = "a model for another runtime; take PEFT's files that it was made of"
_ENDINGS = {
    ".nemo": _MEGATRON, ".h5": _KERAS, ".hdf5": _KERAS, ".keras": _KERAS, ".msgpack": _JAX, ".npz": _NUMPY,
    ".npy": _NUMPY, ".distcp": _SHARDS, ".zip": _ARCHIVE, ".tar": _ARCHIVE, ".gz": _ARCHIVE, ".tgz": _ARCHIVE,
    ".onnx": _RUNTIME, ".engine": _RUNTIME, ".mlpackage": _RUNTIME, ".tflite": _RUNTIME, ".pdparams": _PADDLE,
}  # fmt: skip
_NAMES = {
    "zero_to_fp32.py": "DeepSpeed's, whose weights are in parts; run it in that folder, and name the file it writes",
    "mp_rank_00_model_states.pt": "DeepSpeed's; name that file itself, beside an adapter_config.json",
    "zero_pp_rank_0_mp_rank_00_model_states.pt": "DeepSpeed's of ZeRO-3, whose weights are in parts; run the zero_to_fp32.py of "
    "the folder above, and name the file it writes",
    "pytorch_model_fsdp_0": "accelerate's of FSDP, in parts; accelerate merge-weights makes one file of them: name that, beside "
    "an adapter_config.json",
    **dict.fromkeys(("manifest.ocdbt", "_METADATA", "_CHECKPOINT_METADATA"), f"of Orbax, {_JAX}"),
    "peft_model.safetensors.index.json": _PADDLE,
    "model_weights.ckpt": _UNPACKED,
    "adapter_shards": "Optimum Neuron's, in parts; optimum-cli neuron consolidate makes one adapter of them",
}
# Of a base model.
_OF_TF = (
    "TensorFlow's weights, which transformers 4 turns into PyTorch's: "
    "AutoModel.from_pretrained(…, from_tf=True).save_pretrained(…)"
)
_OF_FLAX = (
    "Flax's weights, which transformers 4 turns into PyTorch's: "
    "AutoModel.from_pretrained(…, from_flax=True).save_pretrained(…)"
)
_EXPORTED = "a model exported for another runtime, whose weights are folded and renamed; pass the model that it was made of"
_ENDINGS_OF_BASES = {
    ".h5": _OF_TF, ".keras": _OF_TF, ".msgpack": _OF_FLAX, ".onnx": _EXPORTED, ".engine": _EXPORTED,
    ".mlpackage": _EXPORTED, ".tflite": _EXPORTED, ".ot": _EXPORTED, ".npz": "NumPy's; save its arrays as safetensors",
    ".nemo": "NeMo's archive, whose names and rows are Megatron's; pass the Hugging Face model that it was made of",
    ".distcp": "a part of PyTorch's distributed checkpoint, which "
    "torch.distributed.checkpoint.format_utils.dcp_to_torch_save makes one file of",
    ".pth": "PyTorch's; name the file itself", ".ckpt": "PyTorch's; name the file itself",
    ".gguf": "GGUF; name the file itself",
}  # fmt: skip


def told_base(name: str) -> str | None:
    """What a file of this name is as a base model, and what to do; None of one that is not known.

    Example:
        >>> told_base("consolidated.00.pth"), told_base("config.json")
        ("PyTorch's; name the file itself", None)
    """
    return _ENDINGS_OF_BASES.get(Path(name).suffix.lower())


def told_base_of(folder: Path) -> str:
    """The same of the first file in a folder that is known, as the rest of a sentence; empty where none is."""
    return _first(folder, told_base)


def told(name: str) -> str | None:
    """What a file of this name is, and what to do; None of one that is not known.

    Example:
        >>> told("lora.zip"), told("lora.safetensors")
        ('an archive; unpack it, and name the folder', None)
    """
    return _NAMES.get(name) or _ENDINGS.get(Path(name).suffix.lower())


def told_of(folder: Path) -> str:
    """The same of the first file in a folder that is known, as the rest of a sentence; empty where none is."""
    return _first(folder, told)


def told_below(folder: Path) -> str:
    """`told_of`, or else the same of what trainers save one folder down: NeMo's ``weights``, DeepSpeed's ``global_step10``."""
    below = (_first(folder / one, _told_below, f"{one}/") for one in _names(folder))
    return told_of(folder) or next(filter(None, below), "")


def _told_below(name: str) -> str | None:
    return told(name) if name in _NAMES or name.endswith(".distcp") else None


def _first(folder: Path, tell: Callable[[str], str | None], within: str = "") -> str:
    found = ((name, what) for name in _names(folder) if (what := tell(name)))
    name, what = next(found, ("", ""))
    return f", but {within}{name}, which is {what}" if name else ""


def _names(folder: Path) -> Iterable[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:  # not ours to look into
        return []
