"""The rules against the library's own tables: every layer with a matrix of every model type in them."""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from lora_lens.bases.names import BaseNames
from lora_lens.bases.newest import newest
from lora_lens.bases.renames import FAMILIES

transformers = pytest.importorskip("transformers")
conversion = pytest.importorskip("transformers.conversion_mapping")
loading = pytest.importorskip("transformers.core_model_loading")

TYPES = sorted({name for family in FAMILIES for name in family.models.split()})
# Of these the library's own way back writes names that no checkpoint has, or some layers are no renaming.
IN_PART = {
    "cosmos3_edge", "hyperclovax_vision_v2", "kimi_k25", "nemotron_h_omni", "pi0", "qianfan_ocr",
    "qwen2_5_omni", "qwen2_5_omni_thinker", "qwen3_omni_moe", "qwen3_omni_moe_thinker", "qwen4_exp_text", "tipsv2_dpt", "ultravbert",
}  # fmt: skip
# Of these no convolution or table is among the rules.
LINEAR_ALONE = {
    "bailing_hybrid", "cohere_asr", "cosmos3_omni", "deepseek_v4", "dory", "exaone", "grounding-dino", "hy_v4_vl", "inkling2",
    "inkling2_loop", "inkling2_loop_text", "inkling2_text", "inkling_mm_model", "mask2former", "mm-grounding-dino", "nemotron_h", "oneformer",
    "rf_detr", "sapiens2", "sarvam_moe", "step3p7", "t5gemma2", "tipsv2", "tipsv2_text_model", "tipsv2_vision_model",
    "unlimited_ocr",
}  # fmt: skip
KINDS = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.Embedding)
LAYERS = {"num_hidden_layers", "num_layers", "encoder_layers", "decoder_layers", "depth"}

# A model's type, its class, its configuration, and of each kind the layers' names in memory and in files.
Named = tuple[str, str, dict[str, Any], dict[type, dict[str, str | None]]]


def shrink(config: Any, depth: int = 0) -> None:
    """Two layers of everything, and few experts."""
    for name, value in list(vars(config).items()):
        if name in LAYERS and isinstance(value, int):
            setattr(config, name, min(value, 2))
        elif name.endswith("experts") and isinstance(value, int):
            setattr(config, name, min(value, 4))
        elif name.endswith("layer_types") and isinstance(value, list):
            setattr(config, name, value[:2])
        elif isinstance(value, transformers.PretrainedConfig) and depth < 3:
            shrink(value, depth + 1)


def classes(config: type) -> set[type]:
    auto = transformers.models.auto.modeling_auto
    found: set[type] = set()
    for name in (
        "",
        "_FOR_CAUSAL_LM",
        "_FOR_IMAGE_TEXT_TO_TEXT",
        "_FOR_IMAGE_CLASSIFICATION",
        "_FOR_MULTIMODAL_LM",
    ):
        mapping = getattr(auto, f"MODEL{name}_MAPPING", None)
        one = mapping.get(config, None) if mapping is not None else None
        found |= set(one) if isinstance(one, tuple) else {one} if one else set()
    return found


def models(name: str) -> Iterator[tuple[Any, Any]]:
    """Models without numbers of one type, with their configurations, as far as they can be made here."""
    try:
        config = transformers.AutoConfig.for_model(name)
        shrink(config)
    except (ValueError, KeyError, AttributeError, TypeError):
        return
    for one in sorted(classes(type(config)), key=lambda each: each.__name__):
        try:
            with torch.device("meta"):
                made = one(config)
        except Exception:  # a library that is missing, defaults that do not fit each other
            continue
        yield made, config


def renamed(model: Any) -> dict[type, dict[str, str | None]]:
    """Names of layers of each kind in memory, and in files; None where they are not only renamed."""
    mapping = conversion.get_model_conversion_mapping(model, add_legacy=False)
    back = [one.reverse_transform() for one in mapping[::-1]]
    renamings = [one for one in back if isinstance(one, loading.WeightRenaming)]
    converters = [one for one in back if isinstance(one, loading.WeightConverter)]
    found: dict[type, dict[str, str | None]] = {kind: {} for kind in KINDS}
    for path, module in model.named_modules():
        for kind in KINDS:
            if isinstance(module, kind):
                name = f"{path}.weight"
                converted = loading.apply_converters(name, converters)[1] is not None
                found[kind][name] = None if converted else loading.apply_renamings(name, renamings)
    return found


@pytest.fixture(scope="module")
def every() -> list[Named]:
    """Of every model that can be made here, made once: that takes longest."""
    return [
        (name, type(model).__name__, json.loads(config.to_json_string(use_diff=False)), renamed(model))
        for name in TYPES
        for model, config in models(name)
    ]  # fmt: skip


@pytest.mark.skipif(
    not {"apply_converters", "apply_renamings"} <= dict(inspect.getmembers(loading)).keys(),
    reason="another version of the library, whose tables are used otherwise",
)
@pytest.mark.parametrize("kind", KINDS)
def test_every_renamed_layer_is_found_both_ways_and_never_anothers(
    every: list[Named], kind: type
) -> None:
    tested: dict[str, int] = {}
    not_all = IN_PART if kind is torch.nn.Linear else IN_PART | LINEAR_ALONE
    for name, model, settings, kinds in every:
        pairs = kinds[kind]
        files = {old for old in pairs.values() if old}
        ways = (
            (BaseNames(files, settings), pairs),
            (BaseNames(pairs, settings), {old: new for new, old in pairs.items() if old}),
        )
        for names, asked in ways:
            for path, expected in asked.items():
                found = names.find(path.removesuffix(".weight"))
                where = f"{model}: {path} is {expected}, found {found}"
                if expected is None:
                    assert not found, where
                else:
                    assert found == [expected] or (not found and name in not_all), where
        rules = ways[0][0]._rules
        for new in pairs:
            assert newest(newest(new, rules), rules) == newest(new, rules), new
        if any(old and old != new for new, old in pairs.items()):
            tested[name] = len(pairs)
    assert len(tested) > {torch.nn.Linear: 80}.get(kind, 20)
