"""CondLoRA on PEFT's LoRA layers: every layer's A and B are functions of its W0 and one shared θ.

The paper (Kim et al. 2024, Eq. 5 and 6), with W0 as PyTorch stores it, (out, in):

============== ===================== ============= ===================================
convention     A_cond (r, in)        B_cond (out, r)  θ_A, θ_B
============== ===================== ============= ===================================
``consistent`` ``θ_Aᵀ W0``           ``W0 θ_B``    (out, r), (in, r); any shape
``stored``     ``(W0 θ_A)ᵀ``         ``W0 θ_B``    (in, r), (in, r); square W0 only
============== ===================== ============= ===================================

``stored`` is what the authors' released code trains.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from peft.mapping_func import MODEL_TYPE_TO_PEFT_MODEL_MAPPING
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from ..errors import AdapterError
from ..loaders.names import short_names, split_layer

Convention = Literal["stored", "consistent"]
PEFT_TYPE = "CONDLORA"
CONFIG_NAME = "adapter_config.json"
WEIGHTS_NAME = "adapter_model.safetensors"


@dataclass
class CondLoraConfig(LoraConfig):
    """Settings of a CondLoRA adapter: PEFT's own for LoRA, and the convention.

    Attributes:
        convention: ``consistent``, the paper's equations, for W0 of any shape; or ``stored``, the
            released code, for square W0.
    """

    convention: Convention = field(default="consistent")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.convention not in ("stored", "consistent"):
            raise AdapterError(
                f"convention is {self.convention!r}, expected 'stored' or 'consistent'"
            )
        if self.rank_pattern:
            raise AdapterError("CondLoRA shares θ over layers, so rank_pattern must be empty")
        if self.use_dora or self.init_lora_weights is not True:
            raise AdapterError("CondLoRA needs use_dora=False and init_lora_weights=True")


class ConditionalFactor(nn.Module):
    """One layer's A or B, computed from its frozen W0 and the θ that all layers share.

    Stands where PEFT keeps an ``nn.Linear``; PEFT reads its ``weight`` to merge and to cast.
    """

    def __init__(
        self, theta: nn.Parameter, base: nn.Module, formula: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.theta = theta
        self.formula = formula
        self._base = (base,)  # in a tuple, so that W0 is not registered here a second time
        self._kept: Tensor | None = None

    def keep(self) -> None:
        """Hold on to the factor as it is: while an adapter is merged, W0 itself is not at hand."""
        if self._kept is None:
            self._kept = self.weight.detach()

    def let_go(self) -> None:
        """Follow W0 and θ again."""
        self._kept = None

    @property
    def weight(self) -> Tensor:
        if self._kept is not None:
            return self._kept
        w0 = cast(Tensor, self._base[0].weight)
        if isinstance(self._base[0], Conv1D):
            w0 = w0.T
        return self.formula(w0.to(self.theta.dtype), self.theta)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight)


def _a_consistent(w0: Tensor, theta: Tensor) -> Tensor:
    return theta.T @ w0


def _a_stored(w0: Tensor, theta: Tensor) -> Tensor:
    return (w0 @ theta).T


def _b(w0: Tensor, theta: Tensor) -> Tensor:
    return w0 @ theta


class CondLoraLayerMixin:
    """What a LoRA layer does differently: its factors are kept while W0 holds them merged."""

    def merge(self, *args: Any, **kwargs: Any) -> None:
        for factor in self._factors():
            factor.keep()
        super().merge(*args, **kwargs)  # type: ignore[misc]

    def unmerge(self) -> None:
        super().unmerge()  # type: ignore[misc]
        for factor in self._factors():
            factor.let_go()

    def _factors(self) -> Iterator[ConditionalFactor]:
        layer = cast(LoraLayer, self)
        for factor in (*layer.lora_A.values(), *layer.lora_B.values()):
            if isinstance(factor, ConditionalFactor):
                yield factor


class CondLoraMixin:
    """What a PEFT model of CondLoRA does differently: it ties, and it saves θ once."""

    def add_adapter(self, adapter_name: str, peft_config: LoraConfig, **kwargs: Any) -> None:
        super().add_adapter(adapter_name, peft_config, **kwargs)  # type: ignore[misc]
        if isinstance(peft_config, CondLoraConfig):
            tie_factors(cast(PeftModel, self), adapter_name)

    def save_pretrained(self, save_directory: str, **_: Any) -> None:
        save_condlora(cast(PeftModel, self), Path(save_directory))

    def load_adapter(self, model_id: str, adapter_name: str, **_: Any) -> None:
        load_theta(cast(PeftModel, self), Path(model_id), adapter_name)


def get_condlora_model(
    model: nn.Module, config: CondLoraConfig, adapter_name: str = "default"
) -> PeftModel:
    """Wrap a transformers model so that only θ (and ``modules_to_save``) trains.

    Args:
        model: The base model; its targeted linear layers are replaced in place, as PEFT does.
        config: Rank, α, target modules, convention.
        adapter_name: PEFT's name for the adapter.

    Returns:
        A PEFT model whose ``save_pretrained`` writes θ once, in the form `load_adapter` reads.

    Raises:
        AdapterError: W0 differs in shape between the layers of one target module, or is rectangular
            under ``stored``.
    """
    plain = MODEL_TYPE_TO_PEFT_MODEL_MAPPING.get(str(config.task_type), PeftModel)
    kind = type("CondLora" + plain.__name__, (CondLoraMixin, plain), {})
    wrapped = cast(PeftModel, kind(model, config, adapter_name=adapter_name))
    tie_factors(wrapped, adapter_name)
    return wrapped


def tie_factors(model: PeftModel, adapter_name: str) -> None:
    """Replace the A and B of every targeted layer by functions of its W0 and a shared θ."""
    config = cast(CondLoraConfig, model.peft_config[adapter_name])
    for name, layers in target_groups(model, adapter_name).items():
        shapes = {path: _w0_shape(layer) for path, layer in layers.items()}
        if len(set(shapes.values())) > 1:
            listed = ", ".join(f"{path} {shape}" for path, shape in shapes.items())
            raise AdapterError(
                f"CondLoRA needs one W0 shape over the layers of {name!r}, found: {listed}"
            )
        out_features, in_features = next(iter(shapes.values()))
        if config.convention == "stored" and out_features != in_features:
            raise AdapterError(
                f"W0 of {name!r} is {out_features}x{in_features}; the convention 'stored' needs a "
                f"square one: use convention='consistent'"
            )
        first = next(iter(layers.values()))
        like = first.lora_A[adapter_name].weight
        rows = out_features if config.convention == "consistent" else in_features
        theta_a = nn.Parameter(like.new_empty(rows, config.r))
        theta_b = nn.Parameter(like.new_zeros(in_features, config.r))
        # On θᵀ, so that the fan-in is the dimension summed over, as in nn.Linear(rows, r).
        nn.init.kaiming_uniform_(theta_a.data.T, a=math.sqrt(5))
        formula = _a_consistent if config.convention == "consistent" else _a_stored
        for layer in layers.values():
            base = layer.get_base_layer()
            layer.lora_A[adapter_name] = ConditionalFactor(theta_a, base, formula)
            layer.lora_B[adapter_name] = ConditionalFactor(theta_b, base, _b)
            if not isinstance(layer, CondLoraLayerMixin):
                plain = type(layer)
                layer.__class__ = type("CondLora" + plain.__name__, (CondLoraLayerMixin, plain), {})


def target_groups(model: PeftModel, adapter_name: str) -> dict[str, dict[str, LoraLayer]]:
    """Target module → its LoRA layers by path, in layer order; the layers that share one θ."""
    found = {
        path: layer
        for path, layer in model.get_base_model().named_modules()
        if isinstance(layer, LoraLayer) and adapter_name in layer.lora_A
    }
    split = {path: split_layer(path) for path in found}
    unnumbered = [path for path, parts in split.items() if parts is None]
    if unnumbered:
        raise AdapterError(f"CondLoRA shares θ over layers; {unnumbered[0]} is in no layer")
    patterns = [parts[0] for parts in split.values() if parts]
    names = short_names(patterns)
    groups: dict[str, dict[str, LoraLayer]] = {}
    for path, pattern in zip(found, patterns, strict=True):
        groups.setdefault(names[pattern], {})[path] = found[path]
    return groups


def _w0_shape(layer: LoraLayer) -> tuple[int, int]:
    return layer.out_features, layer.in_features


def _thetas(model: PeftModel, adapter_name: str) -> Iterator[tuple[str, nn.Parameter]]:
    for name, layers in target_groups(model, adapter_name).items():
        first = next(iter(layers.values()))
        yield f"{name}.theta_A", first.lora_A[adapter_name].theta
        yield f"{name}.theta_B", first.lora_B[adapter_name].theta


def _modules_to_save(model: PeftModel, adapter_name: str) -> dict[str, Tensor]:
    state = get_peft_model_state_dict(model, adapter_name=adapter_name, save_embedding_layers=False)
    return {name: tensor for name, tensor in state.items() if ".theta" not in name}


def save_condlora(model: PeftModel, folder: Path, adapter_name: str = "default") -> None:
    """Write θ once per target module, the trained heads, and the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    config = cast(CondLoraConfig, model.peft_config[adapter_name])
    tensors = {name: theta.detach() for name, theta in _thetas(model, adapter_name)}
    tensors |= _modules_to_save(model, adapter_name)
    save_file(
        {name: tensor.cpu().contiguous() for name, tensor in tensors.items()},
        folder / WEIGHTS_NAME,
        metadata={"format": "pt"},
    )
    settings = {
        key: sorted(value) if isinstance(value, set) else value
        for key, value in config.to_dict().items()
    }
    settings |= {
        "peft_type": PEFT_TYPE,
        "inference_mode": True,
        "condlora_modules": {
            name: list(layers) for name, layers in target_groups(model, adapter_name).items()
        },
    }
    text = json.dumps(settings, indent=2, sort_keys=True, default=str)
    (folder / CONFIG_NAME).write_text(text + "\n", encoding="utf-8")


def load_theta(model: PeftModel, folder: Path, adapter_name: str = "default") -> None:
    """Read θ and the trained heads of a saved CondLoRA adapter into a model that is tied alike."""
    tensors = load_file(folder / WEIGHTS_NAME)
    with torch.no_grad():
        for name, theta in _thetas(model, adapter_name):
            theta.copy_(tensors.pop(name))
    set_peft_model_state_dict(model, tensors, adapter_name=adapter_name)
