"""What is said of an adapter that no format knows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..bases.quantised.gguf_file import ARCHITECTURE
from ..errors import AdapterError
from ..files.of_others import MEGATRONS, NEMO_1
from .adapter_files import AdapterFiles
from .image.places import PREFIXES
from .peft.methods import METHODS
from .peft.mixtures import check_no_mixture
from .peft.settings import check_readable

# PEFT's methods that are not read, whose layers it merges into W0.
_MERGED = frozenset({
    "OFT", "BOFT", "IA3", "HRA", "HIRA", "BONE", "ROAD", "SHIRA", "PVERA", "ADAMSS", "DEFT", "FROD",
    "GLORA", "OSF", "PEANUT", "SUPERTUNING",
})  # fmt: skip
_OF_PEFT = dict.fromkeys(
    _MERGED,
    "merge it in PEFT (merge_and_unload) and read the saved model with --base, as one tuned in full",
)
_PROMPTS = (
    "PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "ADAPTION_PROMPT", "CARTRIDGE",
)  # fmt: skip
_WITHOUT_DELTA = dict.fromkeys(
    _PROMPTS, "is trained prompts, which change no weight of a layer: there is no ΔW"
) | {
    "XLORA": (
        "is X-LoRA, which mixes several LoRA anew for every token and has no ΔW of its own: name the folder of one of them"
    ),
    "LILY": "is Lily, which mixes its factors anew for every input: there is no ΔW",
    "POLY": "is Poly, which mixes its factors anew for every task: there is no ΔW",
    "SHADOW": "is ShadowPEFT, which adds to a layer's output what depends on its input: there is no ΔW",
    "LN_TUNING": "is trained norms of layers, which are vectors, and changes no matrix: there is no ΔW",
    "BEFT": "is BEFT, which trains biases and changes no matrix: there is no ΔW",
    "TRAINABLE_TOKENS": "is trained rows of embeddings, which change no weight of a layer: there is no ΔW",
}
_NEMO = {
    r"lora_kqv_adapter|\.adapter_layer\.lora": f"NeMo 1's, whose names and rows are Megatron's; {NEMO_1}",
    r"adapter.*\.linear_(in|out)\.weight": f"NeMo's or Megatron-Bridge's, whose names and rows are Megatron's; {MEGATRONS}",
}
_PEFTS = r"\.lora_[AB](\.[^.\n]+)?\.weight$"
_EXTRACT = "merge it and extract a LoRA, for which LyCORIS and sd-scripts have tools"
# What other trainers save, image models' for the most part, by the names of a file's tensors.
_OF_TRAINERS = {
    r"\.(q|k|v|o|gate|up|down)_proj\.[AB]$": (
        "MLX-VLM's, whose files do not say how α scales them: save A and B, turned over, as PEFT's lora_A and lora_B, beside an "
        "adapter_config.json with the r and lora_alpha of their s"
    ),
    r"^lora_controlnet$": (
        "a Control-LoRA, a ControlNet of factors and whole weights, which changes no layer of the model that it controls: "
        "there is no ΔW"
    ),
    r"^lllite_": "a ControlNet-LLLite, which adds to a layer's input and changes no weight: there is no ΔW",
    r"_custom_diffusion\.": f"whole weights of Custom Diffusion, no factors: {_EXTRACT}",
    r"lora_(down|up)\.[0-9]+\.weight$": (
        "sd-scripts', of fused projections whose parts have factors of their own (split_dims): save the file by its own "
        "save_weights, which joins them"
    ),
    r"\.lora_(down|up)$": (
        "Nunchaku's, whose factors are turned over, fused and packed for its kernels: take the LoRA that it was converted from"
    ),
    r"lora_(down|up)\.weight|hada_w|lokr_w": (
        f"kohya's or LyCORIS's, of modules whose names begin with none of {', '.join(PREFIXES)}: rename them to begin "
        f"with one"
    ),
    r"\.lora_w[qkvo123]_l[12]\.weight$": (
        "LLaMA-Adapter's, which have no α: save each l1 as PEFT's lora_A and l2 as lora_B, of the module that w names, beside "
        "an adapter_config.json whose lora_alpha is its r"
    ),
    r"\.lora_module\.(\w_)?(in|out)(_proj|_conv)?\b": (
        "lora-pytorch's, which have no α: save each pair as PEFT's lora_A, (rank, in), and lora_B, (out, rank), of which in_proj "
        "and out_proj lie turned over, beside an adapter_config.json whose lora_alpha is its r"
    ),
    r"\.mindpet_delta_lora_[ab]$": (
        "MindFormers' (MindPet), which do not say α: save each _a and _b as they lie as PEFT's lora_A and lora_B, beside an "
        "adapter_config.json with the r (lora_rank) and lora_alpha that they were made with"
    ),
    r"\.lora_(left|right)_weight$": (
        "DeepSpeed-Chat's: save each lora_right_weight as PEFT's lora_A and lora_left_weight as lora_B, both turned over, beside an "
        "adapter_config.json with its lora_dim as r and its lora_scaling, 1 by default, as lora_alpha"
    ),
    r"\.lora_weight_[12]\.weight$": (
        "of DeepSpeed's OptimizedLinear: save each lora_weight_1 as PEFT's lora_A and lora_weight_2 as lora_B, beside an "
        "adapter_config.json with its lora_r as r and its lora_alpha"
    ),
    r"\.adapter_layer\.linear_[12]\.": (
        "MMS's, of one language: two matrices with a norm before and a ReLU between them, beside a layer's attention, which change "
        "no weight: there is no ΔW"
    ),
    r"\.\w+_lora_[ab]$": (
        "Qwix's (Tunix's), which do not say α: save each _a and _b, its axes of heads joined and turned over, as PEFT's lora_A, "
        "(rank, in), and lora_B, (out, rank), beside an adapter_config.json with the r and lora_alpha that they were made with"
    ),
    r"\.w_lora_[AB]$": (
        "CLIP-LoRA's, whose s is α/√r: save each w_lora_A and w_lora_B as PEFT's lora_A and lora_B, beside an "
        "adapter_config.json with its r, its alpha as lora_alpha, and use_rslora"
    ),
    r"\.adapter_(down|up)_proj\.weight$": (
        "SpeechBrain's, of LoRA or, where biases lie beside them, of Houlsby adapters, which have no ΔW: save LoRA's "
        "adapter_down_proj as PEFT's lora_A and adapter_up_proj as lora_B, beside an adapter_config.json with its rank as r and "
        "its alpha as lora_alpha"
    ),
    r"\.matrix_[AB]\.[0-9]+$": (
        "SwissArmyTransformer's, of projections whose parts have factors of their own, and of no α: save those of each part as "
        "PEFT's lora_A and lora_B, beside an adapter_config.json with the r and lora_alpha that they were made with"
    ),
    r"^w_a_[0-9]+$": (
        "LoRA-ViT's or SAMed's, whose factors are numbered, query and value of each block in turn, and which do not say s (α//r of "
        "LoRA-ViT, a whole number; 1 of SAMed): save each w_a as PEFT's lora_A and w_b as lora_B, of the module that it is "
        "of, beside an adapter_config.json whose lora_alpha is r times s"
    ),
    r"\.lora\.(A|W_a)$": (
        "of a LoRA written from scratch, whose file says neither s nor which way A and B lie, most often x·A·B times α, without a "
        "division by the rank: then save each A and B, turned over, as PEFT's lora_A, (rank, in), and lora_B, (out, rank), beside "
        "an adapter_config.json whose lora_alpha is r times that α"
    ),
    r"(unet|transformer|text_encoder)\w*\..*lora": (
        "diffusers', of modules whose names begin with no part of a pipeline that is known: rename them to begin with "
        "unet., transformer. or text_encoder."
    ),
    r"lambda_layer": f"LyCORIS's T-LoRA, whose first factors are in no file: {_EXTRACT}",
    r"\.oft_|\.rescale$|\.[ab][12]\.weight|\.on_input$": (
        f"LyCORIS's OFT, BOFT, GLoRA or IA³, whose ΔW is made of W0: {_EXTRACT}"
    ),
    r"^(unet|text_encoder):[0-9]+:(up|down)$": (
        f"cloneofsimo's, which numbers its layers and names none; its own lora_add merges it: {_EXTRACT}"
    ),
    r"^(emb_params|clip_[lg]|string_to_param\S*|\*|<\S+>)$": (
        "trained tokens (textual inversion), which change no weight of a layer: there is no ΔW"
    ),
    r"\.loras\.[^.]+\.vera_[BD]$": (
        "VeRA of the library adapters, whose factors are random, shared and in no file: merge it there, and compare the models"
    ),
    r"\.diff(_b)?$|\.set_weight$": f"whole changes of weights (diff), no factors: {_EXTRACT}",
}


def unknown(files: AdapterFiles, titles: Sequence[str]) -> AdapterError:
    """One line: whose files they may be, what there is, and what is read.

    Raises:
        AdapterError: They are a mixture of experts, or the settings are of no update that is known.
    """
    peft_type = files.config.get("peft_type")
    said = files.config.get("config")
    if peft_type is None and isinstance(said, Mapping):
        what = f"is of the library adapters, of architecture {said.get('architecture')!r}"
    else:
        what = f"has peft_type {peft_type!r}" if files.config else "holds no adapter_config.json"
    some = ", ".join(sorted(files.names)[:2]) or "no tensors"
    read = f"lora-lens reads {titles[0]} and {len(titles) - 1} other formats, which docs/formats.md lists"
    check_no_mixture(files)
    if not files.names:
        return AdapterError(
            f"{files.source} holds no tensors by name: it is empty, or has states of training alone; name the weights' own "
            f"file (DeepSpeed's zero_to_fp32.py writes one); {read}"
        )
    if isinstance(peft_type, str) and (why := _by_method(peft_type, some, read)):
        return AdapterError(f"{files.source} {what}{why}")
    if ARCHITECTURE in files.header:
        return AdapterError(
            f"{files.source} is a GGUF file of a whole model and no adapter; expected llama.cpp's LoRA, whose tensors end "
            f"with .lora_a and .lora_b: pass this one as --base"
        )
    names = "\n".join(files.names)
    if whose := _first_of(_NEMO, names):
        return AdapterError(f"{files.source} holds {some}: {whose}; {read}")
    if peft_type is None and (whose := _by_names(files, names)):
        return AdapterError(f"{files.source} holds {some}: {whose}")
    if files.config.get("fine_tune_type") == "full":
        return AdapterError(
            f"{files.source} holds {some}: whole weights, which MLX trained in full (fine_tune_type), no factors: extract a LoRA of what "
            f"they changed, for which mergekit has a tool"
        )
    return AdapterError(f"{files.source} {what}, and {some}: its numbers would be misread; {read}")


def _by_method(peft_type: str, some: str, read: str) -> str | None:
    """What is said of a method of PEFT; None where that is no reason."""
    named = peft_type.upper()
    if do := _OF_PEFT.get(named):
        return f", whose ΔW is not read: {do}; {read}"
    if why := _WITHOUT_DELTA.get(named):
        return f" and {why}"
    if method := METHODS.get(named):
        its = f"tensor of {method.title}, whose names hold {method.prefix}"
    elif peft_type in ("LORA", "CONDLORA", "ConditionalLORA"):
        its = "lora_A and lora_B of a linear layer, nor θ of CondLoRA"
    else:
        return None
    return f", and no {its}; it holds {some}: is the configuration another adapter's?"


def _by_names(files: AdapterFiles, names: str) -> str | None:
    """Whose they are by the names of their tensors, a line each, and what to do; None where these tell nothing.

    Raises:
        AdapterError: The configuration's settings are of no update that is known.
    """
    if "lora_alpha" in files.config and re.search(_PEFTS, names, re.M):
        check_readable(files.config, files.source)
        return (
            'PEFT\'s names, and its adapter_config.json says lora_alpha and no peft_type; put "peft_type": "LORA" into it where '
            "s is lora_alpha/r"
        )
    return _first_of(_OF_TRAINERS, names)


def _first_of(table: Mapping[str, str], names: str) -> str | None:
    return next((said for found, said in table.items() if re.search(found, names, re.M)), None)
