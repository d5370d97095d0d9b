"""Of how many experts a stack's factors are, where the rank that the configuration says may be another's."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import deltas, made_by

from lora_lens import load_adapter
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.errors import AdapterError

peft = pytest.importorskip("peft", minversion="0.19")
transformers = pytest.importorskip("transformers")
made: Any = made_by("peft_lora")

STACKS = ["experts.gate_up_proj", "experts.down_proj"]
FIRST_LAYER = "layers.0.mlp.experts.down_proj"


def tuned(folder: Path, model: Any, **options: Any) -> Any:
    """A model in memory with an adapter of both stacks, and the files of both."""
    model.save_pretrained(folder / "base")
    config = peft.LoraConfig(
        r=2, lora_alpha=6, target_modules=[], target_parameters=STACKS, **options
    )
    adapted = made.wrapped(model, config)
    adapted.save_pretrained(folder / "lora")
    return adapted


def without_base(folder: Path, **said: Any) -> None:
    """Changes what the configuration says, and puts the base away."""
    says(folder, **said)
    (folder / "base").rename(folder / "elsewhere")


def says(folder: Path, **said: Any) -> None:
    """Changes what the configuration says."""
    place = folder / "lora" / "adapter_config.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | said))


def test_stacks_that_no_configuration_names_are_told_how(tmp_path: Path) -> None:
    """As prime-rl's, and others' for vLLM, who say no target_parameters."""
    tuned(tmp_path, made.mixtral())
    named = load_adapter(tmp_path / "lora")
    says(tmp_path, target_parameters=None, target_modules=["experts"])
    with pytest.raises(AdapterError, match=r"two stacks of experts.*as \{.*\}$") as refused:
        load_adapter(tmp_path / "lora")
    says(tmp_path, **json.loads(re.search(r"\{.*\}", str(refused.value))[0]))
    assert set(load_adapter(tmp_path / "lora").modules) == set(named.modules)


@pytest.mark.parametrize("base", [True, False])
@pytest.mark.parametrize("other", [6, 1])
def test_two_ranks_of_a_stack_are_refused_where_the_first_is_not_its_own(
    tmp_path: Path, base: bool, other: int
) -> None:
    """As many rows as one expert of rank 6 has, or as six of rank 1; the model in memory has its own order."""
    pattern = {FIRST_LAYER: 2, "down_proj": other}
    model = tuned(tmp_path, made.mixtral(), rank_pattern=pattern)
    if not base:
        without_base(tmp_path)
    with pytest.raises(
        AdapterError, match=rf"6 rows, and two entries.*the first, {other}, need not"
    ):
        load_adapter(tmp_path / "lora")
    assert sorted(load_adapter(model).modules) == sorted(
        f"{k}.{name}" for k in range(3) for name in ("gate_up_proj", "down_proj")
    )


def test_two_ranks_are_no_matter_where_the_base_has_as_many_experts(tmp_path: Path) -> None:
    pattern = {"experts.down_proj": 4, "proj": 2, r".*down_proj": 3}
    model = tuned(tmp_path, made.mixtral(), rank_pattern=dict(sorted(pattern.items())))
    found = deltas(load_adapter(tmp_path / "lora", tmp_path / "base"))
    path = "model.layers.0.mlp.experts"
    layer = model.get_base_model().get_submodule(path)
    stack = layer if layer.parameter_name == "down_proj" else layer.base_layer
    for k, one in enumerate(stack.get_delta_weight("default").detach().double()):
        torch.testing.assert_close(found[f"{path}.{k}.down_proj"], one, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_another_number_of_experts_than_the_base_has_is_refused(tmp_path: Path, rank: int) -> None:
    tuned(tmp_path, made.mixtral())
    says(tmp_path, r=rank)
    with pytest.raises(
        AdapterError, match=rf"{6 // rank} experts of the rank {rank} .*another number"
    ):
        load_adapter(tmp_path / "lora", tmp_path / "base")


@pytest.mark.parametrize("pattern", [FIRST_LAYER, "experts.down_proj"])
def test_other_numbers_in_other_layers_or_stacks_are_refused(tmp_path: Path, pattern: str) -> None:
    tuned(tmp_path, made.mixtral())
    without_base(tmp_path, rank_pattern={pattern: 1})
    with pytest.raises(AdapterError, match=r"of 3 experts and .* of 6|of 6 experts and .* of 3"):
        load_adapter(tmp_path / "lora")


@pytest.mark.parametrize("live", [False, True])
def test_one_expert_is_a_stack_too(tmp_path: Path, live: bool) -> None:
    config = made.mixtral().config
    config.num_local_experts = config.num_experts_per_tok = 1
    model = tuned(tmp_path, transformers.MixtralForCausalLM(config))
    adapter = load_adapter(model) if live else load_adapter(tmp_path / "lora", tmp_path / "base")
    weights = open_base_of(adapter)
    for name, factors in adapter.modules.items():
        assert factors.names[0].endswith(f"mlp.experts.0.{name}")
        stack = model.get_base_model().get_submodule("model.layers.0.mlp.experts").get_base_layer()
        assert torch.equal(weights.w0(factors, 0), getattr(stack, name).detach()[0])
