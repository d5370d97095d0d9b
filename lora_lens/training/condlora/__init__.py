"""CondLoRA on PEFT's LoRA layers: every layer's A and B are functions of its W0 and one shared θ.

The paper (Kim et al. 2024, Eq. 5 and 6), with W0 as PyTorch stores it, (out, in):

============== ===================== =============== ===================================
convention     A_cond (r, in)        B_cond (out, r) θ_A, θ_B
============== ===================== =============== ===================================
``consistent`` ``θ_Aᵀ W0``           ``W0 θ_B``      (out, r), (in, r); any shape
``stored``     ``(W0 θ_A)ᵀ``         ``W0 θ_B``      (in, r), (in, r); square W0 only
============== ===================== =============== ===================================

``stored`` is what the authors' released code trains.

In AdaLoRA's form, ``ΔW = s·P·Λ·Q`` with ``P = W0 θ_B`` and ``Q = θ_Aᵀ W0``, each layer has a diagonal Λ of its own,
whose entries share a budget (`CondAdaLoraConfig`).

The layers that share a θ are those of one path pattern (`target_groups`): an encoder's queries, a
decoder's and its cross-attention's are three groups, each with a θ of its own.
"""

from ...updates import Convention
from .adaptive_config import CondAdaLoraConfig
from .config import CondLoraConfig
from .groups import target_groups
from .loading import load_condlora_model
from .model import get_condlora_model
from .saving import load_theta, save_condlora

__all__ = [
    "CondAdaLoraConfig",
    "CondLoraConfig",
    "Convention",
    "get_condlora_model",
    "load_condlora_model",
    "load_theta",
    "save_condlora",
    "target_groups",
]
